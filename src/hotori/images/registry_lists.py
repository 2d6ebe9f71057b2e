"""Tags, repositories and referrers: the registry's lists, in pages (contract 1: 8, cat and 12)."""

from __future__ import annotations

import asyncio
import bisect
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hotori.images.descriptor import OCI_INDEX
from hotori.images.image_files import ImageFiles
from hotori.images.registry_blobs import checked_digest
from hotori.images.registry_error import RegistryError
from hotori.model.json import Json


async def list_tags(files: ImageFiles, request: Request, name: str) -> Response:
    repository = files.repository(name)
    if not repository.exists():
        raise RegistryError("NAME_UNKNOWN", "there is no such repository", {"name": name})
    tags, link = _page(request, await asyncio.to_thread(repository.tags))
    return JSONResponse({"name": name, "tags": tags}, headers=link)


async def list_repositories(files: ImageFiles, request: Request) -> Response:
    names, link = _page(request, await asyncio.to_thread(files.repositories))
    return JSONResponse({"repositories": names}, headers=link)


async def list_referrers(files: ImageFiles, request: Request, name: str, digest: str) -> Response:
    """An index of what speaks of `digest`; empty where nothing does, never 404."""
    found = await asyncio.to_thread(files.repository(name).referrers, checked_digest(digest))
    headers = {}
    if wanted := request.query_params.get("artifactType"):
        found = [item for item in found if isinstance(item, dict) and item.get("artifactType") == wanted]
        headers["OCI-Filters-Applied"] = "artifactType"
    index: Json = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found}
    return JSONResponse(index, headers=headers, media_type=OCI_INDEX)


def _page(request: Request, names: list[str]) -> tuple[list[str], dict[str, str]]:
    """What comes after `last`, `n` at most, and a Link to the rest. `names` is sorted."""
    count, last = request.query_params.get("n"), request.query_params.get("last", "")
    rest = names[bisect.bisect_right(names, last) :] if last else names
    if count is None:
        return rest, {}
    if not (count.isascii() and count.isdigit()):
        raise RegistryError("PAGINATION_NUMBER_INVALID", "n is a whole number, 0 or more", {"n": count})
    page = rest[: int(count)]
    if not page or len(page) == len(rest):
        return page, {}
    query = urlencode({"n": count, "last": page[-1]})
    return page, {"Link": f'<{request.url.path}?{query}>; rel="next"'}
