"""The images that a device has, unpacked: each layer once by its digest, each image as a tree of links to layers.

    layers/DIGEST/              a layer's files, written by nobody afterwards
    images/DIGEST/rootfs/       the merged tree of an image
    images/DIGEST/config.json   the image's configuration
    names/QUOTED-REFERENCE      the digest that a reference had when it was last fetched
    partial/DIGEST              a layer on its way; a broken download goes on from here

Layers that only a container engine needs (annotation `org.hotori.layer=base`) are not fetched.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import uuid
from collections.abc import Collection, Sequence
from pathlib import Path
from urllib.parse import quote, unquote

from hotori.images.client import Advance, FetchedManifest, RegistryClient
from hotori.images.content_files import write_durably
from hotori.images.descriptor import LAYER_KIND, Descriptor
from hotori.images.tree import merge
from hotori.images.unpack import UnsafeLayerError, UnsupportedLayerError, unpack
from hotori.model.image_reference import ImageReference
from hotori.model.manifest import RegistryCredential
from hotori.model.platform import Platform
from hotori.problems import Problem
from hotori.problems.images import IMAGE_DAMAGED, IMAGE_UNSUPPORTED, REGISTRY_UNREACHABLE
from hotori.runtimes.held_image import HeldImage
from hotori.runtimes.host import host_platform
from hotori.runtimes.image_shelf import Disk, ImageLayer
from hotori.runtimes.local_image import ImageConfig, LocalImage
from hotori.runtimes.module_runtime import Progress
from hotori.store.disk import disk_problem

_log = logging.getLogger(__name__)


class ImageStore:
    """Fetches images and keeps them (the ports `ImageFetcher` and `ImageShelf`). One process on a folder at a time."""

    def __init__(self, folder: Path, ca: Path | None = None, platform: Platform | None = None) -> None:
        """`ca` is an authority that registries off loopback are trusted by, beside those of the system."""
        self._folder = folder
        self._ca = ca
        self._platform = platform or host_platform()
        self._lock = asyncio.Lock()

    async def fetch(
        self, reference: ImageReference, credential: RegistryCredential | None, progress: Progress | None = None
    ) -> LocalImage:
        """Bring an image here. By digest, an image that is here needs no network; by tag, the registry is asked
        whether the tag moved, and if it does not answer, the image that the tag last meant is used."""
        found = await self.find(reference)
        if found and reference.digest:
            return found
        async with self._lock, RegistryClient(reference.registry, credential, self._ca) as client:
            try:
                return await self._fetch(client, reference, progress)
            except Problem as problem:
                if found is None or problem.kind is not REGISTRY_UNREACHABLE:
                    raise
                _log.warning("%s; %s stays at %s", problem, reference, found.digest)
                return found
            except OSError as error:
                raise disk_problem(error, self._folder) from error

    async def platform(self) -> Platform:
        return self._platform

    async def holds(self, image: ImageReference) -> bool:
        return bool(image.digest) and await self.find(image) is not None

    async def missing(self, layers: Sequence[ImageLayer]) -> tuple[ImageLayer, ...]:
        return tuple(layer for layer in layers if not layer.base and not self._layer(layer.digest).is_dir())

    async def disk(self) -> Disk:
        usage = await asyncio.to_thread(shutil.disk_usage, self._folder.parent)
        return Disk(self._folder, usage.free, usage.total, base=False)

    async def peek(self, reference: ImageReference, credential: RegistryCredential | None) -> ImageConfig:
        """What an image's configuration says, before its layers are fetched; of one that is here without asking."""
        if found := await self.find(reference):
            return found.config
        async with RegistryClient(reference.registry, credential, self._ca) as client:
            fetched = await client.manifest(reference, self._platform)
            return ImageConfig.parse(json.loads(await client.read_blob(reference, fetched.manifest.config)))

    async def find(self, reference: ImageReference) -> LocalImage | None:
        return await asyncio.to_thread(self._find, reference)

    async def prune(self, keep: Collection[str]) -> int:
        """Remove every image whose digest is not in `keep`, and the layers that no other image has. How many
        images went."""
        async with self._lock:
            return await asyncio.to_thread(self._prune, frozenset(keep))

    async def held(self) -> list[HeldImage]:
        """Every image, with the names that it had when it was last fetched."""
        async with self._lock:
            return await asyncio.to_thread(self._held)

    async def drop(self, digest: str) -> None:
        """Remove an image, and the layers that no other one has."""
        async with self._lock:
            await asyncio.to_thread(self._drop, digest)

    def _drop(self, digest: str) -> None:
        whole = {folder.name for folder in _folders(self._folder / "images") if (folder / "config.json").is_file()}
        self._prune(frozenset(whole - {_file_name(digest)}))

    def _held(self) -> list[HeldImage]:
        names: dict[str, list[str]] = {}
        for file in _folders(self._folder / "names"):
            names.setdefault(_file_name(file.read_text()), []).append(unquote(file.name))
        return [
            HeldImage(
                identifier=folder.name.replace("-", ":", 1),
                names=tuple(names.get(folder.name, ())),
                size=_bytes_in(folder / "rootfs"),
                created_at=folder.stat().st_mtime,
                used=False,
            )
            for folder in _folders(self._folder / "images")
            if (folder / "config.json").is_file()
        ]

    def _find(self, reference: ImageReference) -> LocalImage | None:
        digest = reference.digest or _read_text(self._name(reference))
        folder = self._image(digest) if digest else None
        if digest is None or folder is None or not (folder / "config.json").is_file():
            return None
        config = ImageConfig.parse(json.loads((folder / "config.json").read_bytes()))
        return LocalImage(str(reference), digest, folder / "rootfs", config)

    async def _fetch(self, client: RegistryClient, reference: ImageReference, progress: Progress | None) -> LocalImage:
        fetched = await client.manifest(reference, self._platform)
        if not (self._image(fetched.digest) / "config.json").is_file():
            config = await client.read_blob(reference, fetched.manifest.config)
            layers = _wanted_layers(fetched)
            await self._fetch_layers(client, reference, layers, progress)
            await asyncio.to_thread(self._assemble, fetched.digest, layers, config)
        await asyncio.to_thread(write_durably, self._name(reference), fetched.digest.encode())
        image = self._find(reference)
        assert image is not None
        return image

    async def _fetch_layers(
        self,
        client: RegistryClient,
        reference: ImageReference,
        layers: list[Descriptor],
        progress: Progress | None,
    ) -> None:
        done, total = 0, sum(layer.size for layer in layers)

        def advance(count: int) -> None:
            nonlocal done
            done += count
            if progress:
                progress(done, total)

        for layer in layers:
            if self._layer(layer.digest).is_dir():
                advance(layer.size)
                continue
            await self._fetch_layer(client, reference, layer, advance)

    async def _fetch_layer(
        self, client: RegistryClient, reference: ImageReference, layer: Descriptor, advance: Advance
    ) -> None:
        partial = self._folder / "partial" / _file_name(layer.digest)
        partial.parent.mkdir(parents=True, exist_ok=True)
        advance(partial.stat().st_size if partial.exists() else 0)
        await client.download(reference, layer, partial, advance)
        try:
            await asyncio.to_thread(self._unpack, partial, layer.digest)
        except UnsafeLayerError as error:
            raise Problem(IMAGE_DAMAGED, str(error), image=reference, digest=layer.digest, reason=error) from error
        except UnsupportedLayerError as error:
            raise Problem(IMAGE_UNSUPPORTED, str(error), image=reference, reason=error) from error
        finally:
            partial.unlink(missing_ok=True)

    def _unpack(self, file: Path, digest: str) -> None:
        with _Replacing(self._layer(digest)) as folder:
            unpack(file, folder)

    def _assemble(self, digest: str, layers: list[Descriptor], config: bytes) -> None:
        with _Replacing(self._image(digest)) as folder:
            merge([self._layer(layer.digest) for layer in layers], folder / "rootfs")
            (folder / "layers.json").write_text(json.dumps([_file_name(layer.digest) for layer in layers]))
            (folder / "config.json").write_bytes(config)

    def _prune(self, keep: frozenset[str]) -> int:
        images = _folders(self._folder / "images")
        names = {_file_name(digest) for digest in keep}
        gone = [folder for folder in images if folder.name not in names]
        for folder in gone:
            shutil.rmtree(folder)
        used = {
            layer
            for folder in images
            if folder.name in names
            for layer in json.loads((folder / "layers.json").read_bytes())
        }
        for folder in _folders(self._folder / "layers"):
            if folder.name not in used:
                shutil.rmtree(folder)
        return len(gone)

    def _layer(self, digest: str) -> Path:
        return self._folder / "layers" / _file_name(digest)

    def _image(self, digest: str) -> Path:
        return self._folder / "images" / _file_name(digest)

    def _name(self, reference: ImageReference) -> Path:
        return self._folder / "names" / quote(str(reference), safe="")


class _Replacing:
    """A folder that is written beside its place and moved there when it is whole."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._folder = target.parent / f".new-{uuid.uuid4().hex}"

    def __enter__(self) -> Path:
        self._folder.mkdir(parents=True)
        return self._folder

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            # What is named must be whole, also after a power cut; one call instead of one a file.
            os.sync()
            shutil.rmtree(self._target, ignore_errors=True)
            self._folder.replace(self._target)
        else:
            shutil.rmtree(self._folder, ignore_errors=True)


def _wanted_layers(fetched: FetchedManifest) -> list[Descriptor]:
    return [layer for layer in fetched.manifest.layers if layer.annotations.get(LAYER_KIND) != "base"]


def _file_name(digest: str) -> str:
    return digest.replace(":", "-")


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir()) if folder.is_dir() else []


def _bytes_in(folder: Path) -> int:
    """Of all its files, each counted in full also where another image has it, too."""
    return sum((Path(root) / name).lstat().st_size for root, _, names in os.walk(folder) for name in names)


def _read_text(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None
