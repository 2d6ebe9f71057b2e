"""The one type for what went wrong: raised, printed, reported, stored and drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from hotori.problems.kind import Kind, Language, Severity, Words


class ProblemDocument(TypedDict):
    """A problem on the wire. Both languages travel, so that whoever shows it can choose."""

    code: str
    severity: str
    title: dict[str, str]
    cause: dict[str, str]
    remedy: dict[str, str]
    commands: list[str]
    evidence: list[str]
    depends_on: list[str]


class Problem(Exception):  # noqa: N818 - a problem is more than an error: it has a remedy
    """A kind of problem met for real.

    `values` fill the `{names}` in the kind's words; all of them must be given, and one that is itself Words is
    said in the language asked for. `evidence` are the exact
    lines that were seen (an engine's words, a log line, an exit code), without secrets.
    """

    def __init__(self, kind: Kind, *evidence: str, **values: object) -> None:
        missing = kind.fields() - values.keys()
        if missing:
            raise TypeError(f"problem {kind.code} lacks {', '.join(sorted(missing))}")
        self.kind = kind
        self.evidence = evidence
        self.values: Mapping[str, str] = _spoken(values, Language.EN)
        self._values = values
        super().__init__(self.title())

    @property
    def code(self) -> str:
        return self.kind.code

    @property
    def severity(self) -> Severity:
        return self.kind.severity

    def title(self, language: Language = Language.EN) -> str:
        return self._say(self.kind.title, language)

    def cause(self, language: Language = Language.EN) -> str:
        return self._say(self.kind.cause, language)

    def remedy(self, language: Language = Language.EN) -> str:
        return self._say(self.kind.remedy, language)

    def commands(self) -> tuple[str, ...]:
        return tuple(command.format_map(self.values) for command in self.kind.commands)

    def document(self) -> ProblemDocument:
        """The problem as JSON-ready values."""
        return {
            "code": self.code,
            "severity": self.severity.value,
            "title": self._both(self.kind.title),
            "cause": self._both(self.kind.cause),
            "remedy": self._both(self.kind.remedy),
            "commands": list(self.commands()),
            "evidence": list(self.evidence),
            "depends_on": list(self.kind.depends_on),
        }

    @classmethod
    def from_document(cls, document: ProblemDocument) -> Problem:
        """The problem that somebody else met, with its words as they said them. Compare it by its code."""
        kind = Kind(
            code=document["code"],
            title=_literal_words(document["title"]),
            cause=_literal_words(document["cause"]),
            remedy=_literal_words(document["remedy"]),
            commands=tuple(_literal(command) for command in document["commands"]),
            severity=Severity(document["severity"]),
            depends_on=tuple(document["depends_on"]),
        )
        return cls(kind, *document["evidence"])

    def _say(self, words: Words, language: Language) -> str:
        return words.in_language(language).format_map(_spoken(self._values, language))

    def _both(self, words: Words) -> dict[str, str]:
        return {language.value: self._say(words, language) for language in Language}


def _literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _literal_words(texts: Mapping[str, str]) -> Words:
    return Words(_literal(texts[Language.EN.value]), _literal(texts[Language.JA.value]))


def _spoken(values: Mapping[str, object], language: Language) -> dict[str, str]:
    return {
        name: value.in_language(language) if isinstance(value, Words) else str(value) for name, value in values.items()
    }
