"""`image.json`: how a module's image is built, instead of a Dockerfile."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from hotori.images.recipe import FolderLayer, ImageRecipe, LayerSource, PackageLayer, RequirementsLayer
from hotori.model.platform import Platform
from hotori.problems import Problem
from hotori.problems.solution import VARIABLE_MISSING
from hotori.solution.solution import read_file
from hotori.solution.template import expand

PACKAGES = "/packages"
"""Where Python packages lie in an image; PYTHONPATH names it."""


class _Copy(msgspec.Struct, rename={"source": "from", "target": "to"}, forbid_unknown_fields=True):
    source: str
    target: str


class _Python(msgspec.Struct, forbid_unknown_fields=True):
    requirements: list[str] | str = []
    hotori: list[str] = []


class BuildFile(msgspec.Struct, rename={"working_dir": "workdir"}, forbid_unknown_fields=True):
    """What the file says. Paths are relative to it; `from` may name a variable such as `${MODEL}`."""

    entrypoint: list[str]
    python: _Python | None = None
    copy: list[_Copy] = []
    working_dir: str = "/app"
    env: dict[str, str] = {}
    labels: dict[str, str] = {}


def read_recipe(path: Path, platform: Platform, variables: Mapping[str, str]) -> ImageRecipe:
    """The recipe for one platform. Raises `module-file-invalid` and `variable-missing`."""
    build = read_file(path, BuildFile)
    env = dict(build.env)
    if build.python:
        env.setdefault("PYTHONPATH", PACKAGES)
    return ImageRecipe(
        platform=platform,
        layers=(*_python_layers(build.python, path), *_copies(build.copy, path, variables)),
        entrypoint=tuple(build.entrypoint),
        working_dir=build.working_dir,
        env=env,
        labels=build.labels,
    )


def _python_layers(python: _Python | None, path: Path) -> list[LayerSource]:
    """Third-party packages first: they change least, so their layers are found in caches most."""
    if python is None:
        return []
    locks = [python.requirements] if isinstance(python.requirements, str) else python.requirements
    layers: list[LayerSource] = [RequirementsLayer(path.parent / lock, PACKAGES) for lock in locks]
    if python.hotori:
        layers.append(PackageLayer("hotori", tuple(python.hotori), PACKAGES))
    return layers


def _copies(copies: list[_Copy], path: Path, variables: Mapping[str, str]) -> list[LayerSource]:
    return [FolderLayer(path.parent / _filled(copy.source, path, variables), copy.target) for copy in copies]


def _filled(text: str, path: Path, variables: Mapping[str, str]) -> str:
    filled = expand(text, variables)
    if "$" in filled:
        name = filled.partition("$")[2].strip("{").partition("}")[0]
        raise Problem(VARIABLE_MISSING, name=name, path=path)
    return filled
