"""Who is logged in: a signed cookie, and login links that work once. Pure; the clock is an argument."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass, field

from hotori.model.secret import Secret

COOKIE = "hotori_session"
SESSION_LIFE = 12 * 3600
TICKET_LIFE = 300
"""Seconds that a session and a login link are good for."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a signed text says: who, until when (Unix seconds), and for a link, which one."""

    user: str
    expires: int
    ticket: str = ""

    def sign(self, key: Secret) -> str:
        """The claim as text for a cookie or a link."""
        payload = _encode(json.dumps([self.user, self.expires, self.ticket]).encode())
        return f"{payload}.{_digest(key, payload)}"

    @classmethod
    def read(cls, text: str, key: Secret, now: float) -> Claim | None:
        """The claim, if we signed it and its time is not over."""
        payload, _, digest = text.partition(".")
        if not hmac.compare_digest(digest.encode(), _digest(key, payload).encode()):
            return None
        claim = cls(*json.loads(_decode(payload)))
        return claim if now < claim.expires else None


def session_cookie(user: str, key: Secret, now: float) -> str:
    """The cookie's value for somebody who has just logged in."""
    return Claim(user, int(now) + SESSION_LIFE).sign(key)


def session_user(cookie: str, key: Secret, now: float) -> str | None:
    """Whose session it is; None for a forged or old one, or a login link's text."""
    claim = Claim.read(cookie, key, now)
    return claim.user if claim and not claim.ticket else None


def login_ticket(user: str, key: Secret, now: float, nonce: str) -> str:
    """The text for `/login?ticket=…`: whoever opens that link once within five minutes is logged in.

    `nonce` is random text that tells this link from any other.
    """
    return Claim(user, int(now) + TICKET_LIFE, nonce).sign(key)


@dataclass(slots=True)
class Tickets:
    """Remembers which links were used, for as long as they would be good."""

    key: Secret
    _used: dict[str, int] = field(default_factory=dict)

    def redeem(self, text: str, now: float) -> str | None:
        """The user that the link logs in; None if it is forged, old or used."""
        self._used = {ticket: expires for ticket, expires in self._used.items() if expires > now}
        claim = Claim.read(text, self.key, now)
        if claim is None or not claim.ticket or claim.ticket in self._used:
            return None
        self._used[claim.ticket] = claim.expires
        return claim.user


def same_text(given: str, expected: str) -> bool:
    """Whether two texts are the same, found out in a time that does not tell how alike they are."""
    return hmac.compare_digest(_hashed(given), _hashed(expected))


def _hashed(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _digest(key: Secret, payload: str) -> str:
    return _encode(hmac.digest(key.reveal().encode(), payload.encode("utf-8", "surrogatepass"), hashlib.sha256))


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        return b"[]"
