"""What an edge device learns of those behind it: pages of devices and modules with their keys (contract 11.2).

The cloud answers from its registry, a parent edge device from what it knows of its own scope. Only what stands
behind the asker, at any depth, is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from hotori.hub.auth_chain import AuthChain, MalformedChainError, broken_link, chain_to
from hotori.hub.authentication_document import authentication_document
from hotori.hub.directory import Directory
from hotori.hub.identity_document import scope_members
from hotori.hub.registration import Registration
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.problems import Problem, Words
from hotori.problems.gateway import CHAIN_BROKEN, IDENTITY_ELSEWHERE
from hotori.problems.identity import DEVICE_UNKNOWN
from hotori.problems.modules import MODULE_UNKNOWN
from hotori.problems.service import REQUEST_MALFORMED

MOST = 1000
"""Devices on one page."""

_NOT_THE_ACTOR = Words(
    "the chain does not end with the edge device that asks", "チェーンの最後が呼び出し元ではありません"
)


class ScopeBook(Directory, Protocol):
    """A directory that can also be leafed through."""

    async def children(self, scope: str) -> list[Registration]:
        """The devices that stand directly behind the edge device of this scope, in the order of their names."""
        ...

    async def modules(self, device: str) -> list[Registration]: ...


async def read_chain(book: ScopeBook, text: str, actor: str) -> AuthChain:
    """The `authChain` of a request of the edge device `actor`, every link of it real.

    Raises `request-malformed` (400), `auth-chain-broken` (403), `device-unknown` (404), DirectoryNotReadyError.
    """
    try:
        chain = AuthChain.parse(text)
    except MalformedChainError as error:
        raise Problem(REQUEST_MALFORMED, reason=f"authChain cannot be read: {error}") from error
    if chain.actor.device != actor:
        raise Problem(CHAIN_BROKEN, actor=actor, identity=chain.target, reason=_NOT_THE_ACTOR)
    devices = {device: await _device(book, device) for device in chain.devices}
    if pair := broken_link(chain, devices):
        words = Words("{} does not stand behind {}".format(*pair), "{} は {} の配下にありません".format(*pair))
        raise Problem(CHAIN_BROKEN, actor=actor, identity=chain.target, reason=words)
    return chain


async def scope_page(book: ScopeBook, edge: str, size: int | None = None, after: str = "") -> JsonObject:
    """One page of an edge device's scope: on the first one also itself; with each device its modules.

    `after` is the `continuationLink` of the page before. Raises `device-unknown`.
    """
    target = await _device(book, edge)
    size = size if size is not None and 1 <= size <= MOST else MOST
    children = [child for child in await book.children(target.scope or "") if child.identity.device > after]
    page = [*([] if after else [target]), *children[:size]]
    modules = [module for device in page for module in await book.modules(device.identity.device)]
    document = scope_document(page, modules)
    if len(children) > size:
        document["continuationLink"] = page[-1].identity.device
    return document


async def scope_entry(book: ScopeBook, actor: str, device: str, module: str | None) -> JsonObject:
    """One device, and one of its modules if asked for. Raises `device-unknown` and `module-unknown`."""
    found = await _device(book, device)
    try:
        await chain_to(found.identity, book, actor)
    except Problem as problem:
        if problem.kind is not IDENTITY_ELSEWHERE:
            raise
        raise Problem(DEVICE_UNKNOWN, device=device) from problem
    if not module:
        return scope_document([found], [])
    registration = await book.find(Identity(device, module))
    if registration is None:
        raise Problem(MODULE_UNKNOWN, module=module, modules="-")
    return scope_document([found], [registration])


def wanted_entry(members: Mapping[str, object]) -> tuple[str, str | None]:
    """The device and module that a request names. Raises `request-malformed`."""
    device, module = members.get("targetDeviceId"), members.get("targetModuleId")
    if not isinstance(device, str) or not device:
        raise Problem(REQUEST_MALFORMED, reason="targetDeviceId is missing")
    return device, module if isinstance(module, str) and module else None


def scope_document(devices: list[Registration], modules: list[Registration]) -> JsonObject:
    return {"devices": [_describe(device) for device in devices], "modules": [module_entry(each) for each in modules]}


def module_entry(registration: Registration) -> JsonObject:
    return {
        "moduleId": registration.identity.module,
        "deviceId": registration.identity.device,
        "generationId": registration.generation,
        "managedBy": registration.managed_by,
        "authentication": authentication_document(registration),
    }


def _describe(registration: Registration) -> JsonObject:
    return {
        "deviceId": registration.identity.device,
        "generationId": registration.generation,
        "status": "enabled" if registration.enabled else "disabled",
        "authentication": authentication_document(registration),
        "capabilities": {"iotEdge": registration.edge},
        **scope_members(registration),
    }


async def _device(book: ScopeBook, name: str) -> Registration:
    found = await book.find(Identity(name))
    if found is None:
        raise Problem(DEVICE_UNKNOWN, device=name)
    return found
