"""Digests, media types and descriptors: how the parts of an image name each other."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from hotori.model.json import Json, JsonObject
from hotori.model.platform import Platform

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"

MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEXES = (OCI_INDEX, DOCKER_LIST)

LAYER_KIND = "org.hotori.layer"
"""Annotation of a layer descriptor; `base` marks what only a container engine needs."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def canonical(document: JsonObject) -> bytes:
    """The bytes of a document that we write ourselves: the same document gives the same bytes."""
    return json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A part of an image: what it is, its digest, its size in bytes."""

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None

    @classmethod
    def parse(cls, value: Json) -> Descriptor:
        """Read a descriptor. Raises ValueError where it is not one."""
        if not isinstance(value, dict):
            raise ValueError("a descriptor is an object")
        digest, size, annotations = value.get("digest"), value.get("size"), value.get("annotations")
        if not isinstance(digest, str) or not is_digest(digest):
            raise ValueError(f"{json.dumps(digest)} is not a digest")
        if not isinstance(size, int) or size < 0:
            raise ValueError(f"{json.dumps(size)} is not a size in bytes")
        platform = value.get("platform")
        return cls(
            media_type=str(value.get("mediaType") or ""),
            digest=digest,
            size=size,
            annotations={k: str(v) for k, v in annotations.items()} if isinstance(annotations, dict) else {},
            platform=Platform.of(platform) if isinstance(platform, dict) else None,
        )

    def document(self) -> JsonObject:
        document: JsonObject = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        if self.platform:
            document["platform"] = platform_document(self.platform)
        return document


def platform_document(platform: Platform) -> JsonObject:
    document: JsonObject = {"architecture": platform.architecture, "os": platform.os}
    if platform.variant:
        document["variant"] = platform.variant
    return document
