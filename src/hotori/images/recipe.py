"""What an image is to be made of, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from hotori.images.image import Layer
from hotori.model.platform import Platform


@dataclass(frozen=True, slots=True)
class FolderLayer:
    """A folder of files, or one file, put at `target`. Names in `without` are left out at every depth."""

    source: Path
    target: str = "/app"
    without: tuple[str, ...] = (".git", "__pycache__", ".env", ".venv", ".DS_Store")


@dataclass(frozen=True, slots=True)
class RequirementsLayer:
    """Python packages from a lock file in which every line has its hashes; wheels only.

    With `wheels` they are taken from that folder, and no index is asked.
    """

    lock: Path
    target: str = "/packages"
    wheels: Path | None = None


@dataclass(frozen=True, slots=True)
class PackageLayer:
    """Parts of an installed Python package: `parts` are dotted names below it, folders or single modules."""

    package: str
    parts: tuple[str, ...]
    target: str = "/packages"


LayerSource: TypeAlias = FolderLayer | RequirementsLayer | PackageLayer


@dataclass(frozen=True, slots=True)
class ImageRecipe:
    """Layers lowest first, and what the configuration says. `base` goes below everything, for container engines."""

    platform: Platform
    layers: tuple[LayerSource, ...]
    entrypoint: tuple[str, ...]
    command: tuple[str, ...] = ()
    working_dir: str = "/app"
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    base: Layer | None = None
