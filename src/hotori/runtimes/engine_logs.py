"""What containers wrote, as the engine's API frames it."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator

import aiohttp

_HEADER = struct.Struct(">BxxxL")


async def frames(answer: aiohttp.ClientResponse, *, terminal: bool) -> AsyncIterator[bytes]:
    """The pieces in their order, both streams; a terminal's output has no frames."""
    if terminal:
        async for piece in answer.content.iter_any():
            yield piece
        return
    while len(header := await _exactly(answer, _HEADER.size)) == _HEADER.size:
        _, length = _HEADER.unpack(header)
        yield await _exactly(answer, length)


def cut_short(answer: aiohttp.ClientResponse) -> None:
    """Let the answer end with what has come, and its connection with it: what else comes is nobody's answer."""
    if answer.connection is not None and answer.connection.protocol is not None:
        answer.connection.protocol.force_close()
    answer.content.feed_eof()


async def _exactly(answer: aiohttp.ClientResponse, count: int) -> bytes:
    """As many bytes, fewer at the end."""
    pieces, left = [], count
    while left and (piece := await answer.content.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
