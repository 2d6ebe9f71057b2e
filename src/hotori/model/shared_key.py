"""Shared Key: how a request to an object store is signed with the account's key (contract, 2).

Client and server build the same text of a request and compare HMACs of it. The path is signed as it is on
the wire, still percent-encoded; query values are signed decoded. This module signs and reads signatures; it
will not judge dates or decide what a signer may do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import unquote

from hotori.model.sas import hmac_sha256
from hotori.model.secret import Secret

_SCHEME = "SharedKey "
_SIGNED_HEADERS = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)

HeaderOrder: TypeAlias = Callable[[str], object]
"""A sort key for header names."""

_COLLATION = {letter: place for place, letter in enumerate("!#$%&*.^_`|~+0123456789abcdefghijklmnopqrstuvwxyz")}


def ordinal(name: str) -> object:
    """Plain order by character, as most clients sort."""
    return name


def collated(name: str) -> object:
    """The service's own order: hyphens count last of all, punctuation before digits (contract, 2, trap e)."""
    return [_COLLATION.get(letter, -1) for letter in name if letter != "-"], [letter == "-" for letter in name]


ORDERS: tuple[HeaderOrder, ...] = (ordinal, collated)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What of a request is signed. `path` and `query` are as on the wire; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str] = field(repr=False)

    def string_to_sign(self, account: str, order: HeaderOrder = ordinal) -> str:
        """The text whose HMAC is the signature."""
        lines = [self.method, *(self._signed_header(name) for name in _SIGNED_HEADERS)]
        return "\n".join(lines) + "\n" + self._canonical_headers(order) + self._canonical_resource(account)

    def signature(self, account: str, key: Secret, order: HeaderOrder = ordinal) -> Secret:
        """base64 of the HMAC-SHA256. Raises the problem `key-malformed`."""
        return Secret(hmac_sha256(key, self.string_to_sign(account, order).encode()))

    def authorization(self, account: str, key: Secret) -> str:
        """The value of the header Authorization."""
        return f"{_SCHEME}{account}:{self.signature(account, key).reveal()}"

    def signed_by(self, account: str, keys: Sequence[Secret], signature: Secret) -> bool:
        """Whether one of the account's keys made the signature, headers sorted either way.

        Signatures are compared in constant time; how long the search takes tells only which key it was.
        """
        return any(self.signature(account, key, order) == signature for order in ORDERS for key in keys)

    def _signed_header(self, name: str) -> str:
        value = self.headers.get(name, "")
        if name == "content-length":
            return "" if value == "0" else value
        if name == "date":
            return "" if "x-ms-date" in self.headers else value
        return value

    def _canonical_headers(self, order: HeaderOrder) -> str:
        names = sorted((name for name in self.headers if name.startswith("x-ms-")), key=order)  # type: ignore[arg-type]
        return "".join(f"{name}:{self.headers[name].strip()}\n" for name in names)

    def _canonical_resource(self, account: str) -> str:
        parameters = parse_query(self.query)
        lines = (f"\n{name}:{','.join(sorted(parameters[name]))}" for name in sorted(parameters))
        return f"/{account}{self.path}" + "".join(lines)


def parse_query(query: str) -> dict[str, list[str]]:
    """Parameters by lower-case name; values are percent-decoded, `+` stays, blank values count (traps a, c)."""
    parameters: dict[str, list[str]] = {}
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        parameters.setdefault(unquote(name).lower(), []).append(unquote(value))
    return parameters


def parse_authorization(text: str) -> tuple[str, Secret] | None:
    """The account and signature of a Shared Key header, or None where it is not one."""
    account, colon, signature = text.removeprefix(_SCHEME).partition(":")
    if not text.startswith(_SCHEME) or not (account and colon and signature):
        return None
    return account, Secret(signature.strip())
