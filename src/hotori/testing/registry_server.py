"""A real image registry on a free port of loopback, and images for it that are built in a moment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotori.images.build_cache import BuildCache
from hotori.images.builder import build_image
from hotori.images.client import RegistryClient
from hotori.images.image import Layer
from hotori.images.image_files import ImageFiles
from hotori.images.recipe import FolderLayer, ImageRecipe
from hotori.images.registry import registry_app
from hotori.model.image_reference import ImageReference
from hotori.model.manifest import RegistryCredential
from hotori.model.platform import Platform
from hotori.model.secret import Secret
from hotori.net.http import HttpServer
from hotori.net.ports import bind
from hotori.runtimes.host import host_platform


@dataclass(frozen=True, slots=True)
class TestRegistry:
    """Where it listens, and the folder that it keeps everything in."""

    __test__ = False

    address: str
    files: ImageFiles
    folder: Path


@asynccontextmanager
async def registry_server(
    folder: Path, credentials: Mapping[str, Secret] | None = None, address: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[TestRegistry]:
    """Serve a registry from `folder`; a port that is not 0 lets a test start it again at the same place."""
    files = ImageFiles(folder)
    async with HttpServer(registry_app(files, credentials), bind(address, port, "registry")) as server:
        yield TestRegistry(f"{address}:{server.port}", files, folder)


@dataclass(frozen=True, slots=True)
class TinyImages:
    """Builds images of a few files and pushes them. `folder` holds sources and the build cache; `base` goes below
    the files, for container engines; `ca` is the authority of a registry off loopback."""

    registry: str
    folder: Path
    credential: RegistryCredential | None = None
    base: Layer | None = None
    ca: Path | None = None

    async def script(
        self, text: str, *, more: Mapping[str, str | bytes] | None = None, **recipe: Any
    ) -> ImageReference:
        """Push an image that runs a shell script; `more` are files beside it, the rest is as `publish` takes it."""
        return await self.publish(
            {"main.sh": f"#!/bin/sh\n{text}", **(more or {})}, entrypoint=("/app/main.sh",), **recipe
        )

    async def publish(
        self,
        files: Mapping[str, str | bytes],
        *,
        entrypoint: tuple[str, ...] = ("python3", "main.py"),
        name: str = "tiny",
        tag: str = "1.0",
        platform: Platform | None = None,
        env: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> ImageReference:
        """Push an image with these files in /app; those that are bytes or begin with #! may be executed."""
        source = self.folder / name / tag
        write_files(source, files)
        recipe = ImageRecipe(
            platform=platform or host_platform(),
            layers=(FolderLayer(source),),
            entrypoint=entrypoint,
            env=env or {},
            labels=labels or {},
            base=self.base,
        )
        image = await build_image(recipe, BuildCache(self.folder / "cache"))
        reference = ImageReference.parse(f"{self.registry}/{name}:{tag}")
        async with RegistryClient(self.registry, self.credential, self.ca) as client:
            await client.push(image, reference)
        return reference


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write a folder of files."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(data)
        if isinstance(content, bytes) or data.startswith(b"#!"):
            path.chmod(0o755)
    return folder
