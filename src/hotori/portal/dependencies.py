"""What the portal needs of a cloud: a few questions, and no knowledge of how anything is stored."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from hotori.hub.events import Event, Start
from hotori.hub.registration import Registration
from hotori.hub.sessions import Presence
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.model.secret import Secret
from hotori.problems import Problem
from hotori.sdk.stream_frames import Frame


class Devices(Protocol):
    """The registry's devices."""

    async def find(self, identity: Identity) -> Registration | None: ...

    def all_devices(self) -> AsyncIterator[Registration]:
        """Every device, in the order of their names."""
        ...


class EventLog(Protocol):
    """The messages that arrived, and those to come."""

    @property
    def first(self) -> int: ...

    @property
    def next(self) -> int: ...

    def subscribe(self, start: Start) -> AsyncGenerator[Event, None]: ...


@dataclass(frozen=True, slots=True)
class PortalDependencies:
    """The cloud, as the portal sees it, and who may look."""

    hub_name: str
    devices: Devices
    presence: Callable[[Identity], Presence | None]
    reported: Callable[[Identity], Awaitable[JsonObject]]
    """The reported properties of an identity."""
    events: EventLog
    picture: Callable[[str], Awaitable[bytes | None]]
    """The bytes of a picture by its name in the object store, or None where there is none."""
    follow_log: Callable[[Identity], AsyncGenerator[Frame, None]]
    """A module's log as it is written; raises what keeps it from being had."""
    user: str
    password: Secret
    signing_key: Secret
    clock: Callable[[], float] = time.time
    chance: Callable[[int], bytes] = os.urandom
    problems: Callable[[], Sequence[Problem]] = tuple
    """What is wrong with the hub itself."""
