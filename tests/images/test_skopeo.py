"""A client that is not ours pushes to the registry, reads from it, and understands what the builder makes."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hotori.images.build_cache import BuildCache
from hotori.images.builder import build_image
from hotori.images.client import RegistryClient
from hotori.images.image import ImageSet
from hotori.images.recipe import FolderLayer, ImageRecipe
from hotori.model.image_reference import ImageReference
from hotori.model.manifest import RegistryCredential
from hotori.model.platform import Platform
from hotori.model.secret import Secret
from hotori.testing.registry_server import TestRegistry, registry_server, write_files

PASSWORD = "not-a-secret"


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[TestRegistry]:
    async with registry_server(tmp_path / "registry", {"alice": Secret(PASSWORD)}) as registry:
        yield registry


@pytest.fixture
async def reference(registry: TestRegistry, tmp_path: Path) -> ImageReference:
    """An image for two platforms, built by us and pushed by us."""
    source = write_files(tmp_path / "source", {"main.py": "print('hello')\n", "data": os.urandom(3 << 20)})
    cache = BuildCache(tmp_path / "cache")
    recipes = [
        ImageRecipe(Platform(name), (FolderLayer(source),), ("python3", "main.py")) for name in ("amd64", "arm64")
    ]
    images = tuple([await build_image(recipe, cache) for recipe in recipes])
    reference = ImageReference.parse(f"{registry.address}/team/camera:1.0")
    credential = RegistryCredential(registry.address, "alice", Secret(PASSWORD))
    async with RegistryClient(registry.address, credential) as client:
        await client.push(ImageSet(images), reference)
    return reference


async def skopeo(*arguments: str, expect: int = 0) -> str:
    process = await asyncio.create_subprocess_exec(
        "skopeo", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output = (await process.communicate())[0].decode()
    assert (process.returncode == 0) == (expect == 0), output
    return output


async def test_it_inspects_an_image_that_we_built(reference: ImageReference) -> None:
    text = await skopeo(
        "inspect",
        "--tls-verify=false",
        "--creds",
        f"alice:{PASSWORD}",
        "--override-arch",
        "arm64",
        f"docker://{reference}",
    )
    seen = json.loads(text)
    assert (seen["Architecture"], seen["Os"], seen["RepoTags"]) == ("arm64", "linux", ["1.0"])


async def test_it_copies_an_image_out_and_in_again_unchanged(
    registry: TestRegistry, reference: ImageReference, tmp_path: Path
) -> None:
    """Contract 5: its push is HEAD, POST, one chunked PATCH, PUT; its pull is GET after GET."""
    folder = f"dir:{tmp_path / 'copied'}"
    credentials = ("--src-creds", f"alice:{PASSWORD}")
    await skopeo("copy", "--all", "--src-tls-verify=false", *credentials, f"docker://{reference}", folder)
    target = f"docker://{registry.address}/copied/camera:2.0"
    await skopeo("copy", "--all", "--dest-tls-verify=false", "--dest-creds", f"alice:{PASSWORD}", folder, target)
    again = ImageReference.parse(f"{registry.address}/copied/camera:2.0")
    async with RegistryClient(
        registry.address, RegistryCredential(registry.address, "alice", Secret(PASSWORD))
    ) as client:
        assert await client.resolve(again) == await client.resolve(reference)


async def test_it_lists_and_deletes(registry: TestRegistry, reference: ImageReference) -> None:
    """Contract 3: skopeo's delete takes the digest, and every tag with it."""
    options = ("--tls-verify=false", "--creds", f"alice:{PASSWORD}")
    assert json.loads(await skopeo("list-tags", *options, f"docker://{registry.address}/team/camera"))["Tags"] == [
        "1.0"
    ]
    await skopeo("delete", *options, f"docker://{reference}")
    assert registry.files.repository("team/camera").tags() == []


async def test_without_a_password_it_is_refused_in_its_own_words(reference: ImageReference) -> None:
    """Contract 4: it answers the challenge with an empty user and password."""
    text = await skopeo("inspect", "--tls-verify=false", "--no-creds", f"docker://{reference}", expect=1)
    assert "unauthorized" in text or "authentication required" in text
