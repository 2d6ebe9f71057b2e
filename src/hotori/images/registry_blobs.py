"""Reading and removing blobs: the registry's endpoints 2 and 10 (contract 1)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from hotori.images.content_files import CHUNK
from hotori.images.descriptor import is_digest
from hotori.images.image_files import ImageFiles
from hotori.images.registry_error import RegistryError

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


async def get_blob(files: ImageFiles, request: Request, name: str, digest: str) -> Response:
    """200 with the blob, or 206 with the one range that was asked for; HEAD gives the headers alone."""
    path = files.repository(name).blob(checked_digest(digest))
    if path is None:
        raise RegistryError("BLOB_UNKNOWN", "this repository has no such blob", {"digest": digest})
    size = path.stat().st_size
    headers = {
        "Docker-Content-Digest": digest,
        "Content-Type": "application/octet-stream",
        "Etag": f'"{digest}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "max-age=31536000",
    }
    start, end, status = 0, size, 200
    if wanted := parse_range(request.headers.get("range", ""), size):
        (start, end), status = wanted, 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - start)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    return StreamingResponse(_pieces(path, start, end), status, headers)


async def delete_blob(files: ImageFiles, request: Request, name: str, digest: str) -> Response:
    if not await asyncio.to_thread(files.delete_blob, name, checked_digest(digest)):
        raise RegistryError("BLOB_UNKNOWN", "this repository has no such blob", {"digest": digest})
    return Response(status_code=202)


def checked_digest(text: str | None) -> str:
    """A digest that was asked for. Raises DIGEST_INVALID where it is malformed or absent."""
    if text is None or not is_digest(text):
        raise RegistryError("DIGEST_INVALID", "a digest is sha256: and 64, or sha512: and 128 hex digits", text)
    return text


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """The half-open range that a Range header asks for; None for the whole (also where it is not understood).

    Raises RANGE_INVALID (416) where it begins past the end.
    """
    match = _RANGE.fullmatch(header)
    if not match or not (match[1] or match[2]):
        return None
    if match[1]:
        start, end = int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
    else:
        start, end = max(size - int(match[2]), 0), size
    if match[1] and match[2] and int(match[2]) < int(match[1]):
        return None
    if start >= size:
        raise RegistryError(
            "RANGE_INVALID", "the range begins past the end", headers={"Content-Range": f"bytes */{size}"}
        )
    return start, end


async def _pieces(path: Path, start: int, end: int) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        file.seek(start)
        while start < end:
            piece = await asyncio.to_thread(file.read, min(CHUNK, end - start))
            if not piece:
                return
            start += len(piece)
            yield piece
