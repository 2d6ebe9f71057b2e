"""The client of image registries: ours and any other that speaks the OCI distribution API."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import httpx

from hotori.images.content_files import CHUNK, hash_file
from hotori.images.descriptor import INDEXES, MANIFESTS, Descriptor, digest_of
from hotori.images.image import Image, ImageSet
from hotori.images.manifest import ImageIndex, ImageManifest, parse_manifest
from hotori.images.registry_answer import evidence, refusal, unreachable
from hotori.images.registry_auth import RegistryAuth
from hotori.model.image_reference import ImageReference
from hotori.model.manifest import RegistryCredential
from hotori.model.platform import Platform
from hotori.net.address import is_loopback
from hotori.net.tls import client_context
from hotori.problems import Problem
from hotori.problems.images import IMAGE_DAMAGED, IMAGE_NOT_FOUND, IMAGE_UNSUPPORTED, IMAGE_WRONG_PLATFORM
from hotori.runtimes.module_runtime import Progress

Advance = Callable[[int], None]
"""Called with the bytes that came or went since the last call."""

_ACCEPT = ", ".join((*MANIFESTS, *INDEXES))
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_SHOWN_TAGS = 12
_GZIP_LEAST = 18


@dataclass(frozen=True, slots=True)
class FetchedManifest:
    """An image's manifest for one platform. `digest` is what the reference resolves to: an index, perhaps."""

    digest: str
    manifest: ImageManifest


class RegistryClient:
    """Talks to one registry: plain HTTP on loopback, HTTPS elsewhere, trusting `ca` and the system's authorities.

    Every method raises `registry-unreachable`, `registry-unauthorized`, `certificate-untrusted` or
    `registry-refused` where the registry does not do its part.
    """

    def __init__(self, address: str, credential: RegistryCredential | None = None, ca: Path | None = None) -> None:
        self.address = address
        self._user = credential.username if credential else "anonymous"
        loopback = is_loopback(urlsplit(f"//{address}").hostname or "")
        self._http = httpx.AsyncClient(
            base_url=f"{'http' if loopback else 'https'}://{address}",
            auth=RegistryAuth(address, credential),
            # An empty context costs nothing; it is never used on loopback.
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if loopback else _trust(ca),
            trust_env=not loopback,
            follow_redirects=True,
            timeout=_TIMEOUT,
        )

    async def __aenter__(self) -> RegistryClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def resolve(self, reference: ImageReference) -> str:
        """The digest that a reference stands for now. Raises `image-not-found`."""
        async with self._request("HEAD", _manifest_path(reference), headers={"Accept": _ACCEPT}) as response:
            if response.status_code == 200 and (digest := response.headers.get("Docker-Content-Digest")):
                return str(digest)
        return digest_of((await self._manifest(reference))[0])

    async def manifest(self, reference: ImageReference, platform: Platform) -> FetchedManifest:
        """The image that a machine of `platform` would run. Raises `image-not-found`, `image-wrong-platform`,
        `image-damaged`, `image-unsupported`."""
        content, media_type = await self._manifest(reference)
        parsed = _parse(reference, content, media_type)
        if isinstance(parsed, ImageManifest):
            return FetchedManifest(digest_of(content), parsed)
        chosen = choose_platform(reference, parsed, platform)
        inner, media_type = await self._manifest(reference.pinned(chosen.digest))
        manifest = _parse(reference, inner, media_type)
        if isinstance(manifest, ImageIndex):
            raise Problem(IMAGE_UNSUPPORTED, image=reference, reason="an index inside an index")
        return FetchedManifest(digest_of(content), manifest)

    async def greet(self) -> None:
        """See that it answers, and takes the credential."""
        async with self._request("GET", "/v2/") as response:
            await self._expect(response, 200)

    async def tags(self, name: str) -> list[str] | None:
        """The tags of a repository; None where there is no such repository."""
        async with self._request("GET", f"/v2/{name}/tags/list") as response:
            if response.status_code == 404:
                return None
            await self._expect(response, 200)
            return list((await _json(response)).get("tags") or [])

    async def read_blob(self, reference: ImageReference, part: Descriptor) -> bytes:
        """A small blob, such as a configuration. Raises `image-damaged`."""
        async with self._request("GET", _blob_path(reference, part)) as response:
            await self._expect_blob(response, reference, part)
            content = await response.aread()
        if digest_of(content) != part.digest:
            raise Problem(IMAGE_DAMAGED, image=reference, digest=part.digest, reason=f"found {digest_of(content)}")
        return content

    async def unpacked_size(self, reference: ImageReference, part: Descriptor) -> int:
        """The bytes of a layer once it is unpacked, which the end of a gzip file tells; at least those that are sent,
        where it is something else, is larger than 4 GiB, or the registry sends no part of a blob."""
        if part.size < _GZIP_LEAST or "gzip" not in part.media_type:
            return part.size
        headers = {"Range": f"bytes={part.size - 4}-{part.size - 1}"}
        async with self._request("GET", _blob_path(reference, part), headers=headers) as response:
            if response.status_code != 206:
                return part.size
            return max(part.size, int.from_bytes((await response.aread())[:4], "little"))

    async def download(self, reference: ImageReference, part: Descriptor, target: Path, advance: Advance) -> None:
        """Bring a blob into the file `target`, going on where an earlier attempt broke off. A break is mended as
        long as bytes keep coming. Raises `image-damaged`; `target` is then gone."""
        while (size := _size(target)) < part.size:
            try:
                await self._download_rest(reference, part, target, advance)
            except httpx.TransportError as error:
                if _size(target) <= size:
                    raise unreachable(error, self.address) from error
        await asyncio.to_thread(_check_file, reference, part, target)

    async def push(self, image: Image | ImageSet, reference: ImageReference, progress: Progress | None = None) -> str:
        """Send an image, or one image for several platforms; blobs that are there already are not sent. Its digest."""
        images = image.images if isinstance(image, ImageSet) else (image,)
        blobs = {part.digest: (part, source) for one in images for part, source in one.blobs()}
        tally = _Tally(progress, sum(part.size for part, _ in blobs.values()))
        for part, source in blobs.values():
            await self._push_blob(reference, part, source, tally.advance)
        if isinstance(image, ImageSet):
            for one in images:
                await self._push_manifest(reference.pinned(one.descriptor.digest), one.manifest, one.descriptor)
        await self._push_manifest(reference, image.manifest, image.descriptor)
        return image.descriptor.digest

    async def _push_blob(
        self, reference: ImageReference, part: Descriptor, source: bytes | Path, advance: Advance
    ) -> None:
        async with self._request("HEAD", _blob_path(reference, part)) as response:
            if response.status_code == 200:
                advance(part.size)
                return
        async with self._request("POST", f"/v2/{reference.name}/blobs/uploads/") as response:
            await self._expect(response, 202)
            location = response.url.join(response.headers["Location"]).copy_merge_params({"digest": part.digest})
        headers = {"Content-Length": str(part.size), "Content-Type": "application/octet-stream"}
        async with self._request("PUT", location, content=_pieces(source, advance), headers=headers) as response:
            await self._expect(response, 201)

    async def _push_manifest(self, reference: ImageReference, content: bytes, descriptor: Descriptor) -> None:
        headers = {"Content-Type": descriptor.media_type}
        async with self._request("PUT", _manifest_path(reference), content=content, headers=headers) as response:
            await self._expect(response, 201)

    async def _manifest(self, reference: ImageReference) -> tuple[bytes, str]:
        async with self._request("GET", _manifest_path(reference), headers={"Accept": _ACCEPT}) as response:
            if response.status_code == 404:
                raise await self._not_found(reference, await evidence(response))
            await self._expect(response, 200)
            content = await response.aread()
            media_type = response.headers.get("Content-Type", "").partition(";")[0]
        if reference.digest and reference.digest.startswith("sha256:") and digest_of(content) != reference.digest:
            found = f"found {digest_of(content)}"
            raise Problem(IMAGE_DAMAGED, image=reference, digest=reference.digest, reason=found)
        return content, media_type

    async def _not_found(self, reference: ImageReference, seen: str) -> Problem:
        tags = await self.tags(reference.name)
        kind = "digest" if reference.digest else "tag"
        missing = f"repository {reference.name}" if tags is None else f"{kind} {reference.selector}"
        shown = ", ".join(sorted(tags or ())[-_SHOWN_TAGS:]) or "-"
        return Problem(IMAGE_NOT_FOUND, seen, image=reference, missing=missing, name=reference.name, tags=shown)

    async def _download_rest(self, reference: ImageReference, part: Descriptor, target: Path, advance: Advance) -> None:
        done = _size(target)
        headers = {"Range": f"bytes={done}-"} if done else {}
        async with self._stream("GET", _blob_path(reference, part), headers=headers) as response:
            if response.status_code == 416:
                raise _too_short(reference, part, target)
            await self._expect_blob(response, reference, part)
            goes_on = response.status_code == 206 and response.headers.get("Content-Range", "").startswith(
                f"bytes {done}-"
            )
            with await asyncio.to_thread(target.open, "ab" if goes_on else "wb") as file:
                await _write_pieces(response, file, advance)
        if _size(target) < part.size:
            raise _too_short(reference, part, target)

    async def _expect_blob(self, response: httpx.Response, reference: ImageReference, part: Descriptor) -> None:
        if response.status_code == 404:
            seen = await evidence(response)
            raise Problem(IMAGE_DAMAGED, seen, image=reference, digest=part.digest, reason="the registry has lost it")
        await self._expect(response, 200, 206)

    async def _expect(self, response: httpx.Response, *statuses: int) -> None:
        if response.status_code not in statuses:
            raise await refusal(response, self.address, self._user)

    @asynccontextmanager
    async def _request(self, method: str, url: str | httpx.URL, **options: Any) -> AsyncIterator[httpx.Response]:
        try:
            async with self._stream(method, url, **options) as response:
                yield response
        except httpx.TransportError as error:
            raise unreachable(error, self.address) from error

    @asynccontextmanager
    async def _stream(self, method: str, url: str | httpx.URL, **options: Any) -> AsyncIterator[httpx.Response]:
        async with self._http.stream(method, url, **options) as response:
            if response.status_code in (401, 403):
                raise await refusal(response, self.address, self._user)
            yield response


def choose_platform(reference: ImageReference, index: ImageIndex, platform: Platform) -> Descriptor:
    """The entry of an index that `platform` runs. Raises `image-wrong-platform`, naming what there is."""
    for part in index.manifests:
        if part.platform and platform.runs(part.platform):
            return part
    found = ", ".join(str(part.platform) for part in index.manifests if part.platform) or "no platform"
    raise Problem(IMAGE_WRONG_PLATFORM, image=reference, found=found, wanted=platform)


def _trust(ca: Path | None) -> ssl.SSLContext:
    """Images come from the installation's own registry and from public ones."""
    context = client_context(ca)
    if ca is not None:
        context.load_default_certs()
    return context


class _Tally:
    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def advance(self, count: int) -> None:
        self._done += count
        if self._progress:
            self._progress(self._done, self._total)


def _parse(reference: ImageReference, content: bytes, media_type: str) -> ImageManifest | ImageIndex:
    try:
        return parse_manifest(content, media_type)
    except ValueError as error:
        raise Problem(IMAGE_UNSUPPORTED, str(error), image=reference, reason=str(error)) from error


async def _json(response: httpx.Response) -> dict[str, Any]:
    await response.aread()
    document = response.json()
    return document if isinstance(document, dict) else {}


async def _pieces(source: bytes | Path, advance: Advance) -> AsyncIterator[bytes]:
    if isinstance(source, bytes):
        yield source
        advance(len(source))
        return
    with await asyncio.to_thread(source.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, CHUNK):
            yield piece
            advance(len(piece))


async def _write_pieces(response: httpx.Response, file: BinaryIO, advance: Advance) -> None:
    """Write what comes; also what came before a break, so that the next attempt can go on from there."""
    buffer = bytearray()
    try:
        async for piece in response.aiter_raw():
            buffer += piece
            advance(len(piece))
            if len(buffer) >= CHUNK:
                await asyncio.to_thread(file.write, bytes(buffer))
                buffer.clear()
    finally:
        file.write(buffer)


def _check_file(reference: ImageReference, part: Descriptor, target: Path) -> None:
    found = hash_file(target, part.digest.partition(":")[0])
    if found != part.digest:
        target.unlink()
        raise Problem(IMAGE_DAMAGED, image=reference, digest=part.digest, reason=f"found {found}")


def _too_short(reference: ImageReference, part: Descriptor, target: Path) -> Problem:
    reason = f"the registry has {_size(target)} bytes of {part.size}"
    target.unlink(missing_ok=True)
    return Problem(IMAGE_DAMAGED, image=reference, digest=part.digest, reason=reason)


def _manifest_path(reference: ImageReference) -> str:
    return f"/v2/{reference.name}/manifests/{reference.selector}"


def _blob_path(reference: ImageReference, part: Descriptor) -> str:
    return f"/v2/{reference.name}/blobs/{part.digest}"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
