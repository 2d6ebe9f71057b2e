"""Who speaks for whom: connections that an edge hub opens for those behind it (contract 11.3).

An authentication chain is written `leaf;bottom;middle`: first the identity that is meant, last the edge device whose
`$edgeHub` signed, and each device is the parent of the one before it. The judgement has no clock and no network;
whoever cannot be looked up yet makes the directory raise, and is told to come back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from hotori.hub.credentials import Admission, Claim, Refusal, judge
from hotori.hub.directory import Directory, DirectoryNotReadyError
from hotori.hub.registration import Registration, device_of_scope
from hotori.model.identity import EDGE_HUB, Identity
from hotori.mqtt.packets import ConnackCode
from hotori.problems import Kind, Problem, Words
from hotori.problems.gateway import CHAIN_BROKEN, IDENTITY_ELSEWHERE
from hotori.problems.identity import IDENTITY_DISABLED, IDENTITY_UNKNOWN

MOST_DEVICES = 16
"""Devices in a chain: deeper nests are taken for a loop."""


class MalformedChainError(ValueError):
    """The text is no chain."""


@dataclass(frozen=True, slots=True)
class AuthChain:
    """`devices` lead from the target's own device to the edge device that acts; the last is the actor."""

    target: Identity
    devices: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> AuthChain:
        """Raises MalformedChainError."""
        first, *others = text.split(";")
        try:
            target = Identity.parse(first)
            parents = [Identity.parse(other) for other in others]
        except Problem as problem:
            raise MalformedChainError(problem.title()) from problem
        if any(parent.module for parent in parents) or (target.module and parents[:1] != [target.parent()]):
            raise MalformedChainError("a module may only come first, followed by its device")
        devices = tuple(parent.device for parent in parents)
        devices = devices if target.module else (target.device, *devices)
        if len(set(devices)) != len(devices) or len(devices) > MOST_DEVICES:
            raise MalformedChainError("a device comes twice, or there are too many")
        return cls(target, devices)

    def __str__(self) -> str:
        return ";".join([str(self.target), *self.devices[0 if self.target.module else 1 :]])

    @property
    def actor(self) -> Identity:
        """The edge device that speaks."""
        return Identity(self.devices[-1])

    @property
    def hub(self) -> Identity:
        """Whose token it shows."""
        return Identity(self.devices[-1], EDGE_HUB)

    def through(self, edge: str) -> AuthChain:
        """The same chain as that edge device hands it on."""
        return AuthChain(self.target, (*self.devices, edge))

    def links(self) -> Iterable[tuple[str, str]]:
        """Pairs of a device and its parent."""
        return zip(self.devices, self.devices[1:], strict=False)


def stands_behind(device: Registration | None, edge: Registration | None) -> bool:
    """Whether the edge device is the device's parent (contract 11.2)."""
    if device is None or edge is None or not edge.edge or edge.scope is None or device.identity == edge.identity:
        return False
    return edge.scope in device.parent_scopes or (not device.edge and device.scope == edge.scope)


def broken_link(chain: AuthChain, devices: Mapping[str, Registration | None]) -> tuple[str, str] | None:
    """The first pair in which the second is not the parent of the first."""
    return next((pair for pair in chain.links() if not stands_behind(*map(devices.get, pair))), None)


async def judge_on_behalf(
    claim: Claim, chain: AuthChain, directory: Directory, names: Iterable[str], host: str | None, now: float
) -> Admission | Refusal:
    """Admit or refuse a client that an edge hub speaks for. `host` is the edge device that judges; None in the cloud.

    Nobody else is looked up before the actor's token is found good. Raises DirectoryNotReadyError.
    """
    if chain.target != claim.identity:
        return _deny(CHAIN_BROKEN, claim.identity, actor=chain.actor, reason=_another(chain.target))
    actor = await directory.find(chain.actor)
    acting = replace(claim, identity=chain.hub)
    verdict = judge(acting, await directory.find(chain.hub), actor, names, now)
    if isinstance(verdict, Refusal):
        return verdict
    devices = {device: await directory.find(Identity(device)) for device in chain.devices}
    target = await directory.find(claim.identity)
    if host is not None:
        chain = chain.through(host)
        devices[host] = await _host(directory, host)
    return _judge_links(chain, target, devices) or replace(verdict, identity=claim.identity)


def _judge_links(
    chain: AuthChain, target: Registration | None, devices: Mapping[str, Registration | None]
) -> Refusal | None:
    everyone = {str(chain.target): target, **devices}
    for name, registration in everyone.items():
        if registration is None:
            return _deny(IDENTITY_UNKNOWN, name)
        if not registration.enabled:
            return _deny(IDENTITY_DISABLED, name)
    if pair := broken_link(chain, devices):
        return _deny(CHAIN_BROKEN, chain.target, actor=chain.actor, reason=_not_behind(*pair))
    return None


async def judge_place(identity: Identity, directory: Directory, host: str) -> Refusal | None:
    """An edge device serves its own modules and those directly behind it (contract 11.1)."""
    if identity.device == host:
        return None
    device = await directory.find(identity.parent())
    return (
        None if stands_behind(device, await _host(directory, host)) else _deny(IDENTITY_ELSEWHERE, identity, edge=host)
    )


async def chain_to(target: Identity, directory: Directory, edge: str) -> AuthChain:
    """The chain by which `edge` speaks for the target. Raises `identity-elsewhere` and DirectoryNotReadyError."""
    devices = [target.device]
    while devices[-1] != edge:
        device = await directory.find(Identity(devices[-1]))
        parent = await _parent(device, directory) if device else None
        if parent is None or parent in devices or len(devices) == MOST_DEVICES:
            raise Problem(IDENTITY_ELSEWHERE, identity=target, edge=edge)
        devices.append(parent)
    return AuthChain(target, tuple(devices))


async def _parent(device: Registration, directory: Directory) -> str | None:
    """The edge device that a device stands directly behind."""
    scopes = device.parent_scopes or ((device.scope,) if device.scope and not device.edge else ())
    for scope in scopes:
        name = device_of_scope(scope)
        if name is not None and stands_behind(device, await directory.find(Identity(name))):
            return name
    return None


async def _host(directory: Directory, host: str) -> Registration:
    """The edge device that judges: before it knows its own scope it can refuse nobody."""
    found = await directory.find(Identity(host))
    if found is None or found.scope is None:
        raise DirectoryNotReadyError("the edge device does not know its own scope yet")
    return found


def _another(target: Identity) -> Words:
    return Words(f"the chain is that of {target}", f"チェーンは {target} のものです")


def _not_behind(device: str, edge: str) -> Words:
    return Words(f"{device} does not stand behind {edge}", f"{device} は {edge} の配下にありません")


def _deny(kind: Kind, identity: object, **values: object) -> Refusal:
    return Refusal(ConnackCode.NOT_AUTHORIZED, Problem(kind, identity=identity, **values))
