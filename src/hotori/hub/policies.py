"""The hub's policies: named keys with rights, for services and people's tools (contract 2.1)."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from hotori.model.connection_string import ServiceConnection
from hotori.model.secret import Secret
from hotori.store.records import Records

COLLECTION = "policies"
OWNER = "iothubowner"
_KEY_BYTES = 32


class Right(StrEnum):
    """What a policy can allow."""

    REGISTRY_READ = "RegistryRead"
    REGISTRY_WRITE = "RegistryWrite"
    SERVICE = "ServiceConnect"
    DEVICE = "DeviceConnect"
    ENROLMENT_READ = "EnrollmentRead"
    ENROLMENT_WRITE = "EnrollmentWrite"
    SHELL = "ModuleShell"
    """To run programs in modules that are at work: not the contract's, and no part of any of its other rights."""


RIGHTS: Mapping[str, frozenset[Right]] = {
    OWNER: frozenset(Right),
    "service": frozenset({Right.SERVICE}),
    "device": frozenset({Right.DEVICE}),
    "registryRead": frozenset({Right.REGISTRY_READ}),
    "registryReadWrite": frozenset({Right.REGISTRY_READ, Right.REGISTRY_WRITE}),
    "shell": frozenset({Right.SERVICE, Right.SHELL}),
    "provisioningserviceowner": frozenset({Right.ENROLMENT_READ, Right.ENROLMENT_WRITE}),
    "enrollmentread": frozenset({Right.ENROLMENT_READ}),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """A named pair of keys and what they open."""

    name: str
    rights: frozenset[Right]
    primary: Secret
    secondary: Secret

    @property
    def keys(self) -> tuple[Secret, Secret]:
        return (self.primary, self.secondary)

    def connection(self, host: str) -> ServiceConnection:
        """What a tool needs to use this policy; `host` may carry a port."""
        return ServiceConnection(host, self.name, self.primary)


class Policies:
    """The policies of a hub, with keys of its own."""

    def __init__(self, policies: Mapping[str, Policy]) -> None:
        self._policies = policies

    @classmethod
    async def open(cls, records: Records, chance: Callable[[int], bytes] = os.urandom) -> Policies:
        """Read the keys, or make them on first use."""
        policies = {name: await _open(records, name, chance) for name in RIGHTS}
        return cls(policies)

    def find(self, name: str) -> Policy | None:
        return self._policies.get(name)

    @property
    def owner(self) -> Policy:
        """The one with every right."""
        return self._policies[OWNER]


async def _open(records: Records, name: str, chance: Callable[[int], bytes]) -> Policy:
    record = await records.get(COLLECTION, name)
    if record is not None:
        primary, secondary = msgspec.json.decode(record.value, type=tuple[str, str])
    else:
        primary, secondary = (base64.b64encode(chance(_KEY_BYTES)).decode() for _ in range(2))
        await records.put(COLLECTION, name, msgspec.json.encode((primary, secondary)), expected=0)
    return Policy(name, RIGHTS[name], Secret(primary), Secret(secondary))
