"""Where a route can lead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, order=True)
class Upstream:
    """The parent: the cloud, or the edge device above this one."""

    def __str__(self) -> str:
        return "$upstream"


@dataclass(frozen=True, slots=True, order=True)
class ModuleInput:
    """An input of a module on this device; it waits there if the module does not exist yet."""

    module: str
    input: str

    def __str__(self) -> str:
        return f"modules/{self.module}/inputs/{self.input}"


Endpoint: TypeAlias = "Upstream | ModuleInput"
