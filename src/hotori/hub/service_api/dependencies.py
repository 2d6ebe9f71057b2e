"""What the service API works on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hotori.hub.apply import Deployments
from hotori.hub.events import Events
from hotori.hub.file_uploads import FileUploads
from hotori.hub.hub import Hub
from hotori.hub.policies import Policies
from hotori.hub.registry import Registry


@dataclass(frozen=True, slots=True)
class ServiceDependencies:
    """The parts of a cloud's hub. `clock` gives Unix seconds."""

    hub: Hub
    registry: Registry
    policies: Policies
    events: Events
    uploads: FileUploads
    clock: Callable[[], float] = time.time
    deployments: Deployments = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "deployments", Deployments(self.hub, self.registry))
