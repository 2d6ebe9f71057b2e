"""An image that is here: its unpacked files and what its configuration says, and the port that brings it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from hotori.model.image_reference import ImageReference
from hotori.model.json import Json, JsonObject
from hotori.model.manifest import RegistryCredential
from hotori.model.platform import Platform
from hotori.runtimes.held_image import HeldImage
from hotori.runtimes.module_runtime import Progress

PYTHON_LABEL = "org.hotori.python"
"""Label of images that carry compiled Python packages: the `major.minor` that those are for."""


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What an image's configuration says of running it (OCI image specification, `config`)."""

    platform: Platform
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, document: JsonObject) -> ImageConfig:
        """Read the configuration blob, parsed. What is absent or of another type counts as empty."""
        config = document.get("config")
        config = config if isinstance(config, dict) else {}
        labels = config.get("Labels")
        return cls(
            platform=Platform.of(document),
            entrypoint=_texts(config.get("Entrypoint")),
            command=_texts(config.get("Cmd")),
            env=split_env(_texts(config.get("Env"))),
            working_dir=str(config.get("WorkingDir") or ""),
            labels={name: str(value) for name, value in labels.items()} if isinstance(labels, dict) else {},
        )


@dataclass(frozen=True, slots=True)
class LocalImage:
    """`rootfs` is shared by whoever uses the image: files in it must not be written to."""

    reference: str
    digest: str
    rootfs: Path
    config: ImageConfig


class ImageFetcher(Protocol):
    """Where a runtime without an engine of its own gets its images from."""

    async def fetch(
        self, reference: ImageReference, credential: RegistryCredential | None, progress: Progress | None = None
    ) -> LocalImage:
        """Bring the image here, unpacked; what is here already is not fetched again. Raises problems."""
        ...

    async def find(self, reference: ImageReference) -> LocalImage | None:
        """The image as it was last fetched, without asking anyone."""
        ...

    async def held(self) -> list[HeldImage]:
        """Every image that is here, none of them `used`."""
        ...

    async def drop(self, digest: str) -> None:
        """Remove an image; nothing where it is not here."""
        ...


def split_env(entries: tuple[str, ...]) -> dict[str, str]:
    """`("A=1", "B=x=y")` as a mapping."""
    pairs = (entry.partition("=") for entry in entries)
    return {name: value for name, _, value in pairs}


def _texts(value: Json) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()
