"""The steps that an agent can take: all of them stand here. Each names its module and says why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class PullImage:
    """Bring the image here. It comes before the old module is stopped, so that a failed pull stops nothing."""

    module: str
    image: str
    why: str


@dataclass(frozen=True, slots=True)
class CreateModule:
    module: str
    fingerprint: str
    why: str


@dataclass(frozen=True, slots=True)
class StartModule:
    """`restart` marks a start that counts as a restart."""

    module: str
    why: str
    restart: bool = False


@dataclass(frozen=True, slots=True)
class StopModule:
    module: str
    why: str


@dataclass(frozen=True, slots=True)
class RemoveModule:
    module: str
    why: str


@dataclass(frozen=True, slots=True)
class AwaitHealth:
    """Wait until no health check of the modules `of` is still to pass, `within` seconds at most, then go on.

    It comes before `module` is started, and before the old one is stopped.
    """

    module: str
    of: tuple[str, ...]
    within: float
    why: str


Step: TypeAlias = PullImage | AwaitHealth | CreateModule | StartModule | StopModule | RemoveModule
