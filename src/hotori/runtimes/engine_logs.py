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


async def _exactly(answer: aiohttp.ClientResponse, count: int) -> bytes:
    """As many bytes, fewer at the end."""
    pieces, left = [], count
    while left and (piece := await answer.content.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
