"""Which language a reader gets."""

from __future__ import annotations

from hotori.problems import Language

COOKIE = "hotori_lang"


def choose_language(asked: str | None, remembered: str | None, accepted: str) -> Language:
    """What was asked for in the address, else what is remembered, else what the browser prefers, else English."""
    for text in (asked, remembered):
        if text in tuple(Language):
            return Language(text)
    return _preferred(accepted)


def _preferred(accepted: str) -> Language:
    """The best of an Accept-Language header (RFC 9110, 12.5.4)."""
    weights = {Language.EN: 0.0, Language.JA: 0.0}
    for part in accepted.split(","):
        tag, _, quality = part.strip().partition(";q=")
        language = tag.partition("-")[0].lower()
        if language in tuple(Language):
            weights[Language(language)] = max(weights[Language(language)], _weight(quality))
    return Language.JA if weights[Language.JA] > weights[Language.EN] else Language.EN


def _weight(quality: str) -> float:
    try:
        return float(quality or 1)
    except ValueError:
        return 0.0
