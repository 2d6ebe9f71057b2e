"""The client of registries, and every problem that a registry can make, provoked for real."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from hotori.images.build_cache import BuildCache
from hotori.images.builder import build_images
from hotori.images.client import RegistryClient
from hotori.images.descriptor import OCI_MANIFEST, Descriptor, digest_of
from hotori.images.image import Image, ImageSet
from hotori.images.image_files import ImageFiles
from hotori.images.recipe import FolderLayer, ImageRecipe
from hotori.images.registry import registry_app
from hotori.images.registry_auth import parse_challenge
from hotori.model.image_reference import ImageReference
from hotori.model.manifest import RegistryCredential
from hotori.model.platform import Platform
from hotori.model.secret import Secret
from hotori.net.authority import Authority
from hotori.net.http import HttpServer
from hotori.net.ports import bind
from hotori.problems import Problem
from hotori.testing.addresses import loopback_address
from hotori.testing.registry_server import TestRegistry, TinyImages, registry_server, write_files

AMD64, ARM64 = Platform("amd64"), Platform("arm64")


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[TestRegistry]:
    async with registry_server(tmp_path / "registry") as registry:
        yield registry


@pytest.fixture
def images(registry: TestRegistry, tmp_path: Path) -> TinyImages:
    return TinyImages(registry.address, tmp_path / "sources")


async def build(folder: Path, *platforms: Platform) -> Image | ImageSet:
    source = write_files(folder / "source", {"main.py": "print('hello')\n"})
    recipes = [ImageRecipe(platform, (FolderLayer(source),), ("python3",)) for platform in platforms]
    return await build_images(recipes, BuildCache(folder / "cache"))


def reference(registry: TestRegistry, text: str) -> ImageReference:
    return ImageReference.parse(f"{registry.address}/{text}")


async def test_what_was_pushed_is_resolved_and_read_back(registry: TestRegistry, tmp_path: Path) -> None:
    image = await build(tmp_path, AMD64)
    assert isinstance(image, Image)
    target = reference(registry, "team/app:1.0")
    async with RegistryClient(registry.address) as client:
        assert await client.push(image, target) == image.descriptor.digest
        assert await client.resolve(target) == image.descriptor.digest
        fetched = await client.manifest(target, AMD64)
        assert fetched.digest == image.descriptor.digest
        assert await client.read_blob(target, fetched.manifest.config) == image.config
        await client.download(target, fetched.manifest.layers[0], tmp_path / "layer", lambda count: None)
        assert await client.tags("team/app") == ["1.0"]
        assert await client.tags("nobody") is None
    assert (tmp_path / "layer").read_bytes() == image.layers[0].path.read_bytes()


async def test_a_second_push_sends_nothing_that_is_there_and_still_tells_of_its_progress(
    registry: TestRegistry, tmp_path: Path
) -> None:
    image = await build(tmp_path, AMD64)
    heard: list[tuple[int, int]] = []
    async with RegistryClient(registry.address) as client:
        await client.push(image, reference(registry, "app:1"))
        before = {path: path.stat().st_mtime_ns for path in (registry.folder / "blobs").rglob("*") if path.is_file()}
        await client.push(image, reference(registry, "app:2"), lambda done, total: heard.append((done, total)))
    after = {path: path.stat().st_mtime_ns for path in (registry.folder / "blobs").rglob("*") if path.is_file()}
    assert after == before
    assert heard[-1][0] == heard[-1][1] == sum(part.size for part, _ in image.blobs())  # type: ignore[union-attr]


async def test_each_platform_gets_its_own_image_of_a_set(registry: TestRegistry, tmp_path: Path) -> None:
    both = await build(tmp_path, AMD64, ARM64)
    assert isinstance(both, ImageSet)
    target = reference(registry, "app:1")
    async with RegistryClient(registry.address) as client:
        assert await client.push(both, target) == both.descriptor.digest
        for image in both.images:
            fetched = await client.manifest(target, image.platform)
            assert fetched.digest == both.descriptor.digest
            assert fetched.manifest.config.digest == digest_of(image.config)


async def test_a_set_without_the_wanted_platform_is_named_with_what_it_has(
    registry: TestRegistry, tmp_path: Path
) -> None:
    target = reference(registry, "app:1")
    async with RegistryClient(registry.address) as client:
        await client.push(await build(tmp_path, AMD64, ARM64), target)
        with pytest.raises(Problem) as caught:
            await client.manifest(target, Platform("riscv64"))
    assert caught.value.code == "image-wrong-platform"
    assert caught.value.values["found"] == "linux/amd64, linux/arm64"
    assert caught.value.values["wanted"] == "linux/riscv64"


async def test_a_missing_tag_is_told_from_a_missing_repository(registry: TestRegistry, images: TinyImages) -> None:
    await images.publish({"x": "y"}, name="camera", tag="1.0")
    async with RegistryClient(registry.address) as client:
        with pytest.raises(Problem) as caught:
            await client.resolve(reference(registry, "camera:9.9"))
        assert (caught.value.code, caught.value.values["missing"]) == ("image-not-found", "tag 9.9")
        assert caught.value.values["tags"] == "1.0"
        assert "404" in caught.value.evidence[0]
        assert "MANIFEST_UNKNOWN" in caught.value.evidence[0]
        with pytest.raises(Problem) as caught:
            await client.resolve(reference(registry, "camara:1.0"))
        assert caught.value.values["missing"] == "repository camara"


async def test_a_registry_that_is_not_there_is_unreachable() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
        async with RegistryClient(address) as client:
            with pytest.raises(Problem) as caught:
                await client.resolve(ImageReference.parse(f"{address}/app:1"))
    assert caught.value.code == "registry-unreachable"
    assert caught.value.values["reason"] == "Connection refused"


async def test_a_name_that_nobody_knows_is_unreachable() -> None:
    async with RegistryClient("registry.invalid:5000") as client:
        with pytest.raises(Problem) as caught:
            await client.resolve(ImageReference.parse("registry.invalid:5000/app:1"))
    assert caught.value.code == "registry-unreachable"
    assert "name" in caught.value.values["reason"].lower()


@pytest.mark.parametrize("password", [None, "wrong"])
async def test_a_wrong_password_or_none_is_refused_without_being_shown(tmp_path: Path, password: str | None) -> None:
    async with registry_server(tmp_path, {"alice": Secret("right")}) as registry:
        credential = RegistryCredential(registry.address, "alice", Secret(password)) if password else None
        async with RegistryClient(registry.address, credential) as client:
            with pytest.raises(Problem) as caught:
                await client.resolve(reference(registry, "app:1"))
    assert (caught.value.code, caught.value.values["status"]) == ("registry-unauthorized", "401")
    assert caught.value.values["user"] == ("alice" if password else "anonymous")
    assert "wrong" not in json.dumps(caught.value.document())


async def test_the_right_password_lets_push_and_pull(tmp_path: Path) -> None:
    async with registry_server(tmp_path / "registry", {"alice": Secret("right")}) as registry:
        credential = RegistryCredential(registry.address, "alice", Secret("right"))
        target = await TinyImages(registry.address, tmp_path, credential).publish({"x": "y"})
        async with RegistryClient(registry.address, credential) as client:
            assert (await client.resolve(target)).startswith("sha256:")


async def test_a_token_is_fetched_where_the_registry_asks_for_one(tmp_path: Path) -> None:
    """Contract 4: Bearer challenge, the token from its realm with Basic credentials."""
    files = ImageFiles(tmp_path / "registry")
    inner = registry_app(files)
    asked: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        basic = "Basic " + base64.b64encode(b"alice:right").decode()
        if request.url.path == "/token":
            asked.append(str(request.query_params["scope"]))
            allowed = request.headers.get("authorization") == basic
            await JSONResponse({"token": "t1"} if allowed else {}, 200 if allowed else 401)(scope, receive, send)
        elif request.headers.get("authorization") == "Bearer t1":
            await inner(scope, receive, send)
        else:
            realm = (
                f'Bearer realm="http://{request.headers["host"]}/token",service="S",scope="repository:tiny:pull,push"'
            )
            await JSONResponse({"errors": []}, 401, {"WWW-Authenticate": realm})(scope, receive, send)

    async with HttpServer(app, bind("127.0.0.1", 0, "registry")) as server:
        address = f"127.0.0.1:{server.port}"
        credential = RegistryCredential(address, "alice", Secret("right"))
        target = await TinyImages(address, tmp_path, credential).publish({"x": "y"})
        async with RegistryClient(address, credential) as client:
            assert (await client.resolve(target)).startswith("sha256:")
        assert set(asked) == {"repository:tiny:pull,push"}
        async with RegistryClient(address, RegistryCredential(address, "alice", Secret("wrong"))) as client:
            with pytest.raises(Problem) as caught:
                await client.resolve(target)
        assert caught.value.code == "registry-unauthorized"


def test_a_challenge_is_read() -> None:
    header = 'Bearer realm="https://r/token",service="S",scope="repository:a:pull,push"'
    expected = {"realm": "https://r/token", "service": "S", "scope": "repository:a:pull,push"}
    assert parse_challenge(header) == ("bearer", expected)
    assert parse_challenge('Basic realm="x"') == ("basic", {"realm": "x"})
    assert parse_challenge("") == ("", {})


async def test_a_damaged_layer_is_named_and_not_kept(
    registry: TestRegistry, images: TinyImages, tmp_path: Path
) -> None:
    target = await images.publish({"x": "y"})
    async with RegistryClient(registry.address) as client:
        layer = (await client.manifest(target, AMD64)).manifest.layers[0]
        stored = registry.files.content.path(layer.digest)
        stored.write_bytes(stored.read_bytes()[:-1] + b"!")
        with pytest.raises(Problem) as caught:
            await client.download(target, layer, tmp_path / "layer", lambda count: None)
        assert (caught.value.code, caught.value.values["digest"]) == ("image-damaged", layer.digest)
        assert not (tmp_path / "layer").exists()
        stored.write_bytes(b"short")
        with pytest.raises(Problem) as caught:
            await client.download(target, layer, tmp_path / "layer", lambda count: None)
        assert caught.value.code == "image-damaged"
        stored.unlink()
        with pytest.raises(Problem) as caught:
            await client.download(target, layer, tmp_path / "layer", lambda count: None)
        assert caught.value.values["reason"] == "the registry has lost it"


async def test_a_manifest_that_is_not_what_its_digest_says_is_damaged(
    registry: TestRegistry, images: TinyImages
) -> None:
    target = await images.publish({"x": "y"})
    async with RegistryClient(registry.address) as client:
        digest = await client.resolve(target)
        stored = registry.files.content.path(digest)
        stored.write_bytes(stored.read_bytes() + b" ")
        with pytest.raises(Problem) as caught:
            await client.manifest(target.pinned(digest), AMD64)
    assert caught.value.code == "image-damaged"


async def test_a_registry_that_has_trouble_is_quoted(tmp_path: Path) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse({"errors": [{"code": "TOOMANYREQUESTS"}]}, 429)(scope, receive, send)

    async with HttpServer(app, bind("127.0.0.1", 0, "registry")) as server:
        address = f"127.0.0.1:{server.port}"
        async with RegistryClient(address) as client:
            with pytest.raises(Problem) as caught:
                await client.resolve(ImageReference.parse(f"{address}/app:1"))
    assert (caught.value.code, caught.value.values["status"]) == ("registry-refused", "429")
    assert "TOOMANYREQUESTS" in caught.value.evidence[0]


async def test_a_broken_download_goes_on_where_it_broke_off(tmp_path: Path) -> None:
    content = bytes(range(256)) * 4096
    part = Descriptor("", digest_of(content), len(content))
    ranges: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        wanted = next((line for line in head.decode().split("\r\n") if line.lower().startswith("range:")), "")
        ranges.append(wanted.partition("=")[2])
        start = int(wanted.partition("=")[2].rstrip("-") or 0)
        status = f"206 Partial\r\nContent-Range: bytes {start}-{len(content) - 1}/{len(content)}" if start else "200 OK"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(content) - start}\r\n\r\n".encode())
        writer.write(content[start : start + 300_000])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    heard: list[int] = []
    async with server, RegistryClient(address) as client:
        await client.download(ImageReference.parse(f"{address}/app:1"), part, tmp_path / "blob", heard.append)
    assert (tmp_path / "blob").read_bytes() == content
    assert (ranges[0], len(ranges) > 1, sum(heard)) == ("", True, len(content))


async def test_a_registry_off_this_machine_is_asked_over_tls_and_must_be_trusted(tmp_path: Path) -> None:
    """A name other than localhost is dialled with HTTPS; the installation's own authority vouches for it."""
    authority = Authority.open(tmp_path / "authority")
    address = loopback_address()
    certificate = authority.issue_server(["localhost.localdomain", address])
    files = ImageFiles(tmp_path / "registry")
    async with HttpServer(registry_app(files), bind(address, 0, "registry"), certificate) as server:
        url = f"https://{address}:{server.port}"
        client = RegistryClient("registry.invalid", ca=authority.certificate)
        client._http.base_url = httpx.URL(url)
        async with client:
            assert await client.tags("nobody") is None
        stranger = RegistryClient("registry.invalid")
        stranger._http.base_url = httpx.URL(url)
        async with stranger:
            with pytest.raises(Problem) as caught:
                await stranger.tags("nobody")
        assert caught.value.code == "certificate-untrusted"


async def test_a_manifest_of_an_old_kind_is_unsupported(tmp_path: Path) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        document = {"schemaVersion": 1, "fsLayers": []}
        await JSONResponse(document, headers={"Content-Type": OCI_MANIFEST})(scope, receive, send)

    async with HttpServer(app, bind("127.0.0.1", 0, "registry")) as server:
        address = f"127.0.0.1:{server.port}"
        async with RegistryClient(address) as client:
            with pytest.raises(Problem) as caught:
                await client.manifest(ImageReference.parse(f"{address}/app:1"), AMD64)
    assert caught.value.code == "image-unsupported"


async def test_many_may_push_the_same_image_at_once(registry: TestRegistry, tmp_path: Path) -> None:
    """Contract 6 E: concurrent pushes of one blob."""
    image = await build(tmp_path, AMD64)

    async def push(tag: int) -> str:
        async with RegistryClient(registry.address) as client:
            return await client.push(image, reference(registry, f"app:{tag}"))

    digests = await asyncio.gather(*(push(tag) for tag in range(5)))
    assert len(set(digests)) == 1
    assert registry.files.repository("app").tags() == [str(tag) for tag in range(5)]
    assert list(registry.folder.rglob("_uploads/*")) == []
