"""Manifests: the registry's endpoints 3, 7 and 9 (contract 1 and 3)."""

from __future__ import annotations

import asyncio
import hashlib
import re

from starlette.requests import Request
from starlette.responses import Response

from hotori.images.descriptor import INDEXES, MANIFESTS, digest_of, is_digest
from hotori.images.image_files import ImageFiles
from hotori.images.manifest import ImageIndex, parse_document, parse_manifest, required_blobs
from hotori.images.registry_blobs import checked_digest
from hotori.images.registry_error import RegistryError
from hotori.images.repository import Repository, StoredManifest, subject_of
from hotori.model.json import Json

LARGEST = 8 << 20
"""Bytes of the largest manifest that is taken; the contract asks for 4 MiB at least."""

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1"


async def get_manifest(files: ImageFiles, request: Request, name: str, selector: str) -> Response:
    """The exact bytes and the media type that were pushed, whatever Accept says (contract 3)."""
    _check_selector(selector)
    manifest = await asyncio.to_thread(files.repository(name).manifest, selector)
    if manifest is None:
        raise _unknown(files.repository(name), selector)
    headers = {
        "Docker-Content-Digest": manifest.digest,
        "Etag": f'"{manifest.digest}"',
        "Content-Type": manifest.media_type,
        "Content-Length": str(len(manifest.content)),
    }
    return Response(b"" if request.method == "HEAD" else manifest.content, headers=headers)


async def put_manifest(files: ImageFiles, request: Request, name: str, selector: str) -> Response:
    """Take a manifest whose blobs are all here, under its digest and its tags."""
    _check_selector(selector)
    content = await _body(request)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip()
    manifest = StoredManifest(_checked_content(selector, content), media_type, content)
    repository = files.repository(name)
    await asyncio.to_thread(_check_complete, repository, manifest)
    by_tag = [] if is_digest(selector) else [selector]
    tags = [*by_tag, *(_checked_tag(tag) for tag in request.query_params.getlist("tag"))]
    await asyncio.to_thread(repository.put_manifest, manifest, tags)
    return _put_response(name, manifest, tags)


async def delete_manifest(files: ImageFiles, request: Request, name: str, selector: str) -> Response:
    """By tag: the tag alone. By digest: the manifest and all tags that point to it."""
    _check_selector(selector)
    repository = files.repository(name)
    if is_digest(selector):
        done = await asyncio.to_thread(files.delete_manifest, name, selector)
    else:
        done = await asyncio.to_thread(repository.delete_tag, selector)
    if not done:
        raise _unknown(repository, selector)
    return Response(status_code=202)


def _put_response(name: str, manifest: StoredManifest, tags: list[str]) -> Response:
    headers = {"Location": f"/v2/{name}/manifests/{manifest.digest}", "Docker-Content-Digest": manifest.digest}
    response = Response(status_code=201, headers=headers)
    if subject := subject_of(manifest):
        response.headers["OCI-Subject"] = subject
    for tag in tags:
        response.headers.append("OCI-Tag", tag)
    return response


async def _body(request: Request) -> bytes:
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > LARGEST:
            raise RegistryError("SIZE_INVALID", f"a manifest has {LARGEST} bytes at most")
    return bytes(content)


def _checked_content(selector: str, content: bytes) -> str:
    if not is_digest(selector):
        return digest_of(content)
    algorithm = selector.partition(":")[0]
    found = f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"
    if found != selector:
        raise RegistryError("DIGEST_INVALID", "the content has another digest", {"found": found})
    return selector


def _check_complete(repository: Repository, manifest: StoredManifest) -> None:
    try:
        missing = _missing(repository, manifest)
    except ValueError as error:
        raise RegistryError("MANIFEST_INVALID", str(error)) from error
    if missing:
        raise RegistryError("MANIFEST_BLOB_UNKNOWN", "push the blobs before the manifest", *missing)


def _missing(repository: Repository, manifest: StoredManifest) -> list[Json]:
    document = parse_document(manifest.content)
    if manifest.media_type.startswith(_SCHEMA_1) or document.get("schemaVersion") == 1:
        raise ValueError("manifests of schema 1 are not supported")
    if manifest.media_type not in (*MANIFESTS, *INDEXES):
        return []
    parsed = parse_manifest(manifest.content, manifest.media_type)
    if isinstance(parsed, ImageIndex):
        return [{"digest": part.digest} for part in parsed.manifests if not repository.manifest(part.digest)]
    return [{"digest": part.digest} for part in required_blobs(parsed) if not repository.blob(part.digest)]


def _check_selector(selector: str) -> None:
    if ":" in selector:
        checked_digest(selector)
    else:
        _checked_tag(selector)


def _checked_tag(tag: str) -> str:
    if not _TAG.fullmatch(tag):
        raise RegistryError("TAG_INVALID", "a tag has letters, digits and . _ - only, 128 at most", tag)
    return tag


def _unknown(repository: Repository, selector: str) -> RegistryError:
    if not repository.exists():
        return RegistryError("NAME_UNKNOWN", "there is no such repository", {"name": repository.name})
    return RegistryError("MANIFEST_UNKNOWN", "the repository has no such tag or digest", {"reference": selector})
