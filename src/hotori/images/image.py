"""A built image: its manifest, configuration and layers, ready to be pushed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hotori.images.descriptor import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Descriptor, canonical, digest_of
from hotori.model.json import JsonObject
from hotori.model.platform import Platform


@dataclass(frozen=True, slots=True)
class Layer:
    """A compressed layer in a file. `diff_id` is the digest of the tar inside; `python` is the `major.minor` that
    its compiled packages are for, empty where it has none."""

    path: Path
    descriptor: Descriptor
    diff_id: str
    python: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """One image for one platform. The same recipe and sources give the same digest."""

    platform: Platform
    config: bytes
    layers: tuple[Layer, ...]

    @property
    def config_descriptor(self) -> Descriptor:
        return Descriptor(OCI_CONFIG, digest_of(self.config), len(self.config))

    @property
    def manifest(self) -> bytes:
        document: JsonObject = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self.config_descriptor.document(),
            "layers": [layer.descriptor.document() for layer in self.layers],
        }
        return canonical(document)

    @property
    def descriptor(self) -> Descriptor:
        manifest = self.manifest
        return Descriptor(OCI_MANIFEST, digest_of(manifest), len(manifest), platform=self.platform)

    def blobs(self) -> Iterator[tuple[Descriptor, bytes | Path]]:
        """Every blob, with its bytes or the file that has them."""
        for layer in self.layers:
            yield layer.descriptor, layer.path
        yield self.config_descriptor, self.config


@dataclass(frozen=True, slots=True)
class ImageSet:
    """One image for several platforms, under one name."""

    images: tuple[Image, ...]

    @property
    def manifest(self) -> bytes:
        document: JsonObject = {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [image.descriptor.document() for image in self.images],
        }
        return canonical(document)

    @property
    def descriptor(self) -> Descriptor:
        manifest = self.manifest
        return Descriptor(OCI_INDEX, digest_of(manifest), len(manifest))
