"""One request to the service API, as its handlers see it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request

from hotori.model.identity import Identity
from hotori.model.json import Json, JsonObject
from hotori.problems import Problem
from hotori.problems.connections import MESSAGE_TOO_LARGE
from hotori.problems.service import REQUEST_MALFORMED

if TYPE_CHECKING:  # the parts of a cloud; an edge hub uses this module, too, and has no use for them
    from hotori.hub.service_api.dependencies import ServiceDependencies

MAX_BODY = 4 * 1024**2
"""The largest request body, in bytes."""
_LONGEST_NUMBER = 18
_MANY_DIGITS = re.compile(rb"[0-9]{19}")


@dataclass(frozen=True, slots=True)
class Call:
    """An authorised request. Names in its address are taken as the registry takes them."""

    request: Request
    deps: ServiceDependencies

    @property
    def identity(self) -> Identity:
        """The device, or the module, that the address names. Raises `name-invalid`."""
        names: dict[str, Any] = self.request.path_params
        return Identity(names["device"], names.get("module"))

    @property
    def etag(self) -> str | None:
        """What If-Match names: quoted, bare or weak (contract 2.2); None for `*` and for no header."""
        value = (self.request.headers.get("if-match") or "*").strip()
        bare = value.removeprefix("W/").strip('"')
        return None if bare == "*" else bare

    @property
    def conditional(self) -> bool:
        """Whether there is an If-Match at all: a PUT with one changes, one without creates."""
        return "if-match" in self.request.headers

    def whole_number(self, name: str, default: int, most: int) -> int:
        """A number in the query; what is out of 1 to `most` counts as `most`."""
        text = self.request.query_params.get(name, str(default))
        number = natural_number(text)
        return number if number is not None and 1 <= number <= most else most

    async def body(self, limit: int = MAX_BODY) -> bytes:
        """The whole body. Raises `message-too-large`."""
        return await read_body(self.request, limit)

    async def json(self) -> Json:
        """The body as JSON. Raises `request-malformed`."""
        return parse_json(await self.body())

    async def object(self) -> JsonObject:
        """The body as a JSON object. Raises `request-malformed`."""
        return as_object(await self.json())


def natural_number(text: str) -> int | None:
    """A number in decimal digits, so many that no offset and no count has more; None for any other text."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER else None


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body, at most `limit` bytes. Raises `message-too-large`."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise Problem(MESSAGE_TOO_LARGE, size=f"more than {limit}", limit=limit)
    return bytes(body)


def parse_json(body: bytes) -> Json:
    try:
        value: Json = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(REQUEST_MALFORMED, str(error), reason=f"the body is not JSON ({error})") from error
    if _MANY_DIGITS.search(body) and _has_large_number(value):
        raise Problem(REQUEST_MALFORMED, reason="a whole number in the body has more than 64 bits")
    return value


def _has_large_number(value: Json) -> bool:
    """Whether there is one in it that the stores cannot keep."""
    if isinstance(value, dict):
        return any(map(_has_large_number, value.values()))
    if isinstance(value, list):
        return any(map(_has_large_number, value))
    return isinstance(value, int) and not -(1 << 63) <= value < 1 << 63


def as_object(value: Json) -> JsonObject:
    if not isinstance(value, dict):
        raise Problem(REQUEST_MALFORMED, reason="the body is not a JSON object")
    return value
