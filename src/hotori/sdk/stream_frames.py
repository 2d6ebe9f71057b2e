"""What the two ends of a stream say to one another: a log that is followed, or a shell in a module.

Between them are only bytes, whatever pieces they come in. A frame is its kind (one byte), its length (four bytes,
highest first) and its payload. A core: it reads no socket and keeps no clock.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import msgspec

from hotori.model.json import JsonObject
from hotori.problems import Problem

MAX_PAYLOAD = 64 * 1024
"""In bytes: a longer frame is taken for a fault."""
_HEADER = struct.Struct(">BI")


class FrameKind(IntEnum):
    """Data from the caller is what is typed, and from the device what is written."""

    DATA = 1
    ERRORS = 2
    """What a program wrote to its second output."""
    END_OF_INPUT = 3
    SIZE = 4
    """JSON: `columns` and `rows` of the caller's terminal."""
    NOTE = 5
    """JSON: something happened to the module, by its name `event`."""
    EXIT = 6
    """JSON: the program's exit `status`; the last frame of a shell."""
    PROBLEM = 7
    """JSON: why the stream ends; the last frame."""


class MalformedStreamError(ValueError):
    """The bytes are no frames."""


@dataclass(frozen=True, slots=True)
class Frame:
    kind: FrameKind
    payload: bytes = b""

    @classmethod
    def of(cls, kind: FrameKind, document: Any) -> Frame:
        """A frame with a JSON payload."""
        return cls(kind, msgspec.json.encode(document))

    def document(self) -> JsonObject:
        """The payload as JSON. Raises MalformedStreamError."""
        try:
            found = msgspec.json.decode(self.payload)
        except (ValueError, RecursionError) as error:  # ValueError: a text in it may be no UTF-8
            raise MalformedStreamError(str(error)) from error
        if not isinstance(found, dict):
            raise MalformedStreamError("an object is expected")
        return found

    def problem(self) -> Problem:
        """The payload of the last frame that tells one. Raises MalformedStreamError."""
        document: Any = self.document()
        try:
            return Problem.from_document(document)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise MalformedStreamError("a problem is expected") from error

    def encode(self) -> bytes:
        return _HEADER.pack(self.kind, len(self.payload)) + self.payload


def data_frames(kind: FrameKind, data: bytes) -> Iterator[Frame]:
    """As many frames as so much data needs."""
    for start in range(0, len(data), MAX_PAYLOAD):
        yield Frame(kind, data[start : start + MAX_PAYLOAD])


class FrameReader:
    """Takes bytes, gives frames. It holds no more than one unfinished frame."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete now. Raises MalformedStreamError."""
        self._buffer += data
        frames = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def _next(self) -> Frame | None:
        if len(self._buffer) < _HEADER.size:
            return None
        kind, length = _HEADER.unpack_from(self._buffer)
        if length > MAX_PAYLOAD:
            raise MalformedStreamError(f"a frame of {length} bytes")
        if len(self._buffer) < _HEADER.size + length:
            return None
        payload = bytes(self._buffer[_HEADER.size : _HEADER.size + length])
        del self._buffer[: _HEADER.size + length]
        try:
            return Frame(FrameKind(kind), payload)
        except ValueError as error:
            raise MalformedStreamError(f"there is no frame {kind}") from error
