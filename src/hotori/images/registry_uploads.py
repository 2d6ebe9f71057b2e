"""Blobs coming in: the registry's endpoints 4, 5, 6, 11, 13 and 14, and its upload states (contract 1 and 2)."""

from __future__ import annotations

import asyncio
import re

from starlette.requests import Request
from starlette.responses import Response

from hotori.images.content_files import CHUNK, DigestMismatchError
from hotori.images.image_files import ImageFiles, is_repository_name
from hotori.images.registry_blobs import checked_digest
from hotori.images.registry_error import RegistryError
from hotori.images.upload import Upload, UploadBusyError

_CONTENT_RANGE = re.compile(r"(\d+)-(\d+)")


async def begin(files: ImageFiles, request: Request, name: str) -> Response:
    """POST: open an upload; with `mount` try to take the blob from elsewhere, with `digest` take the whole body."""
    query = request.query_params
    if "mount" in query:
        digest, source = checked_digest(query["mount"]), query.get("from")
        if source and not is_repository_name(source):
            source = None
        if await asyncio.to_thread(files.mount, name, digest, source):
            return _stored(name, digest)
    upload = await asyncio.to_thread(files.begin_upload, name)
    if "digest" in query and "mount" not in query:
        return await _finish(files, request, name, upload)
    return Response(status_code=202, headers={**_place(name, upload), "Docker-Upload-UUID": upload.id})


async def append(files: ImageFiles, request: Request, name: str, upload_id: str) -> Response:
    """PATCH: add the body; with Content-Range only where the upload stands, else 416."""
    upload = _open(files, name, upload_id)
    await _receive(files, request, name, upload)
    return Response(status_code=202, headers={**_place(name, upload), "Docker-Upload-UUID": upload.id})


async def finish(files: ImageFiles, request: Request, name: str, upload_id: str) -> Response:
    """PUT: the last of the body, if any, and the digest of the whole."""
    return await _finish(files, request, name, _open(files, name, upload_id))


async def status(files: ImageFiles, request: Request, name: str, upload_id: str) -> Response:
    return Response(status_code=204, headers=_place(name, _open(files, name, upload_id)))


async def cancel(files: ImageFiles, request: Request, name: str, upload_id: str) -> Response:
    files.discard_upload(name, _open(files, name, upload_id))
    return Response(status_code=204)


async def _finish(files: ImageFiles, request: Request, name: str, upload: Upload) -> Response:
    digest = checked_digest(request.query_params.get("digest"))
    await _receive(files, request, name, upload)
    try:
        await asyncio.to_thread(files.finish_upload, name, upload, digest)
    except DigestMismatchError as error:
        raise RegistryError("DIGEST_INVALID", "the content has another digest", {"found": error.found}) from error
    return _stored(name, digest)


async def _receive(files: ImageFiles, request: Request, name: str, upload: Upload) -> None:
    try:
        with upload.writing():
            _check_place(request, name, upload)
            await _write(request, upload)
    except UploadBusyError as error:
        raise _out_of_order(name, upload, "another request writes to this upload") from error
    except OSError:
        # What the disk took and what was counted differ now; and its room is needed.
        files.discard_upload(name, upload)
        raise


async def _write(request: Request, upload: Upload) -> None:
    buffer = bytearray()
    async for piece in request.stream():
        buffer += piece
        if len(buffer) >= CHUNK:
            await asyncio.to_thread(upload.append, bytes(buffer))
            buffer.clear()
    if buffer:
        await asyncio.to_thread(upload.append, bytes(buffer))


def _check_place(request: Request, name: str, upload: Upload) -> None:
    header = request.headers.get("content-range")
    if header is None:
        return
    match = _CONTENT_RANGE.fullmatch(header)
    if not match or int(match[1]) != upload.size:
        raise _out_of_order(name, upload, f"the upload stands at {upload.size}")
    length = request.headers.get("content-length")
    if length is not None and int(length) != int(match[2]) - int(match[1]) + 1:
        raise RegistryError("BLOB_UPLOAD_INVALID", "Content-Range and Content-Length disagree")


def _open(files: ImageFiles, name: str, upload_id: str) -> Upload:
    upload = files.upload(name, upload_id)
    if upload is None:
        raise RegistryError("BLOB_UPLOAD_UNKNOWN", "there is no such upload; begin again", {"upload": upload_id})
    return upload


def _out_of_order(name: str, upload: Upload, message: str) -> RegistryError:
    return RegistryError("RANGE_INVALID", message, headers=_place(name, upload))


def _place(name: str, upload: Upload) -> dict[str, str]:
    """Where to go on. Relative, so that it is right behind any proxy; 0-0 for no bytes, as clients expect."""
    return {"Location": f"/v2/{name}/blobs/uploads/{upload.id}", "Range": f"0-{max(upload.size - 1, 0)}"}


def _stored(name: str, digest: str) -> Response:
    headers = {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest}
    return Response(status_code=201, headers=headers)
