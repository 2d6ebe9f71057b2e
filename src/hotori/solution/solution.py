"""A solution: a folder with a deployment template and the modules that it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from hotori.model.json import JsonObject
from hotori.problems import Problem
from hotori.problems.solution import MODULE_FILE_INVALID, NO_SOLUTION
from hotori.solution.environment import parse_environment
from hotori.solution.template import expand

TEMPLATE = "deployment.template.json"
T = TypeVar("T")


class _Tag(msgspec.Struct):
    version: str
    platforms: dict[str, str]


class _Image(msgspec.Struct):
    repository: str
    tag: _Tag


class _ModuleFile(msgspec.Struct):
    image: _Image


@dataclass(frozen=True, slots=True)
class SolutionModule:
    """One `modules/NAME/module.json`: where its image is kept and which file builds it for each platform."""

    name: str
    folder: Path
    repository: str
    version: str
    platforms: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> SolutionModule:
        """Read a module.json (contract 3.5). Raises `module-file-invalid`."""
        image = read_file(path, _ModuleFile).image
        return cls(path.parent.name, path.parent, image.repository, image.tag.version, image.tag.platforms)

    def build_file(self, platform: str) -> Path:
        """The file that says how the image is built for a platform. Raises `module-file-invalid`."""
        if platform not in self.platforms:
            known = ", ".join(sorted(self.platforms)) or "none"
            reason = f"it has no build file for the platform {platform}, only for {known}"
            raise Problem(MODULE_FILE_INVALID, path=self.folder / "module.json", reason=reason)
        return self.folder / self.platforms[platform]

    def reference(self, platform: str, variables: Mapping[str, str]) -> str:
        """REGISTRY/NAME:VERSION-PLATFORM, as other tools name it."""
        return f"{expand(self.repository, variables).lower()}:{expand(self.version, variables)}-{platform}"


@dataclass(frozen=True, slots=True)
class Solution:
    """A solution as read from disk; a plain manifest file is one without modules."""

    path: Path
    template: JsonObject
    modules: tuple[SolutionModule, ...]
    environment: Mapping[str, str]

    @classmethod
    def open(cls, path: Path) -> Solution:
        """Read a solution's folder, or a manifest or template file. Raises `no-solution`, `module-file-invalid`."""
        template = path / TEMPLATE if path.is_dir() else path
        if not template.is_file():
            reason = f"there is no {TEMPLATE} in it" if path.is_dir() else "there is no such file"
            raise Problem(NO_SOLUTION, path=path, reason=reason)
        folder = template.parent
        dotenv = folder / ".env"
        return cls(
            path=template,
            template=read_file(template, dict[str, Any]),
            modules=tuple(SolutionModule.read(file) for file in sorted(folder.glob("modules/*/module.json"))),
            environment=parse_environment(dotenv.read_text(encoding="utf-8")) if dotenv.is_file() else {},
        )


def read_file(path: Path, shape: type[T]) -> T:
    """A JSON file in the shape that is expected. Raises `module-file-invalid` with the place of the fault."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=shape)
    except OSError as error:
        raise Problem(MODULE_FILE_INVALID, str(error), path=path, reason="it cannot be read") from error
    except msgspec.DecodeError as error:
        raise Problem(MODULE_FILE_INVALID, str(error), path=path, reason=str(error)) from error
