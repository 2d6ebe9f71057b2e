"""Image manifests and indexes, read from the exact bytes that a registry keeps."""

from __future__ import annotations

import json
from dataclasses import dataclass

from hotori.images.descriptor import INDEXES, Descriptor
from hotori.model.json import Json, JsonObject

_NOT_DISTRIBUTED = ("nondistributable", ".foreign.")


@dataclass(frozen=True, slots=True)
class ImageManifest:
    """One image: a configuration and its layers, lowest first."""

    config: Descriptor
    layers: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True)
class ImageIndex:
    """The same image for several platforms."""

    manifests: tuple[Descriptor, ...]


def parse_document(content: bytes) -> JsonObject:
    """A manifest's JSON object, as yet unchecked. Raises ValueError."""
    document = json.loads(content)
    if not isinstance(document, dict):
        raise ValueError("a manifest is a JSON object")
    return document


def parse_manifest(content: bytes, media_type: str = "") -> ImageManifest | ImageIndex:
    """Read a manifest or an index. `media_type` decides where the document does not say. Raises ValueError."""
    document = parse_document(content)
    media_type = str(document.get("mediaType") or media_type)
    if media_type in INDEXES or ("manifests" in document and "layers" not in document):
        return ImageIndex(_descriptors(document.get("manifests")))
    if "config" not in document:
        raise ValueError("it has neither `config` nor `manifests`; manifests of schema 1 are not supported")
    return ImageManifest(Descriptor.parse(document["config"]), _descriptors(document.get("layers")))


def required_blobs(manifest: ImageManifest) -> tuple[Descriptor, ...]:
    """The blobs that a registry must have before it takes the manifest (contract 3)."""
    layers = (layer for layer in manifest.layers if not any(mark in layer.media_type for mark in _NOT_DISTRIBUTED))
    return (manifest.config, *layers)


def _descriptors(value: Json) -> tuple[Descriptor, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ValueError("a list of descriptors is needed")
    return tuple(Descriptor.parse(item) for item in value)
