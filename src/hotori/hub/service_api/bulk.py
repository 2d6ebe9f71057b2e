"""Many changes of the registry in one request; each succeeds or fails by itself (contract 2.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from starlette.responses import Response

from hotori.hub.hub import Hub
from hotori.hub.identity_document import read_draft
from hotori.hub.registry import Draft, Registry
from hotori.hub.removal import apply_change, remove_identity
from hotori.hub.service_api.answer import json_answer
from hotori.hub.service_api.call import Call, as_object
from hotori.hub.service_api.errors import status_of
from hotori.hub.twin_document import twin_etag
from hotori.hub.twin_write import TwinWrite
from hotori.model.identity import Identity
from hotori.model.json import Json, JsonObject
from hotori.problems import Problem
from hotori.problems.service import CHANGED_MEANWHILE, REQUEST_MALFORMED

MOST_CHANGES = 100


@dataclass(frozen=True, slots=True)
class _Change:
    """One entry of the request."""

    hub: Hub
    registry: Registry
    identity: Identity
    entry: JsonObject

    @property
    def draft(self) -> Draft:
        return read_draft(self.identity, {name: value for name, value in self.entry.items() if name != "moduleId"})

    def etag(self, name: str) -> str:
        return str(self.entry.get(name) or "").strip('"')

    async def create(self) -> None:
        registry, identity = self.registry, self.identity
        TwinWrite.parse(self.entry)
        if identity.module is None:
            await registry.create_device(identity.device, self.draft)
        else:
            await registry.create_module(identity.device, identity.module, self.draft)
        await self._write_twin()

    async def update(self, etag: str | None = None) -> None:
        after = await self.registry.update(self.identity, self.draft, etag)
        await apply_change(self.hub, self.registry, after)

    async def update_if_match(self) -> None:
        await self.update(self.etag("eTag"))

    async def delete(self, etag: str | None = None) -> None:
        await remove_identity(self.hub, self.registry, self.identity, etag)

    async def delete_if_match(self) -> None:
        await self.delete(self.etag("eTag"))

    async def update_twin(self) -> None:
        await self.registry.get(self.identity)
        await self._write_twin()

    async def update_twin_if_match(self) -> None:
        await self.registry.get(self.identity)
        record = await self.hub.twins.record(self.identity)
        if twin_etag(record) != self.etag("twinETag"):
            raise Problem(CHANGED_MEANWHILE, what=self.identity)
        await self._write_twin(record.revision)

    async def _write_twin(self, expected: int | None = None) -> None:
        write = TwinWrite.parse(self.entry)
        if not write.empty:
            await self.hub.twins.write(self.identity, write, expected)


_Mode: TypeAlias = Callable[[_Change], Awaitable[None]]
_MODES: Mapping[str, _Mode] = {
    "create": _Change.create,
    "update": _Change.update,
    "updateIfMatchETag": _Change.update_if_match,
    "delete": _Change.delete,
    "deleteIfMatchETag": _Change.delete_if_match,
    "updateTwin": _Change.update_twin,
    "updateTwinIfMatchETag": _Change.update_twin_if_match,
}


async def change_many(call: Call) -> Response:
    """Up to 100 changes, one after another; 400 with the same kind of body where one of them failed."""
    entries = await call.json()
    if not isinstance(entries, list) or len(entries) > MOST_CHANGES:
        raise Problem(REQUEST_MALFORMED, reason=f"the body is an array of at most {MOST_CHANGES} devices")
    errors = [
        error for entry in entries if (error := await error_of(call.deps.hub, call.deps.registry, entry)) is not None
    ]
    result: JsonObject = {"isSuccessful": not errors, "errors": [*errors], "warnings": []}
    return json_answer(result, 400 if errors else 200)


async def error_of(hub: Hub, registry: Registry, value: Json) -> JsonObject | None:
    """Make one change; what went wrong with it, if anything."""
    entry = value if isinstance(value, dict) else {}
    try:
        await _perform(hub, registry, as_object(value))
    except Problem as problem:
        return {
            "deviceId": entry.get("id"),
            "moduleId": entry.get("moduleId"),
            "errorCode": status_of(problem)[1],
            "errorStatus": f"{problem.title()}. {problem.cause()}",
            "operation": entry.get("importMode"),
        }
    return None


async def _perform(hub: Hub, registry: Registry, entry: JsonObject) -> None:
    device, module = entry.get("id"), entry.get("moduleId")
    if not isinstance(device, str) or not isinstance(module, str | None):
        raise Problem(REQUEST_MALFORMED, reason="id is missing")
    mode = _MODES.get(str(entry.get("importMode") or "create"))
    if mode is None:
        raise Problem(REQUEST_MALFORMED, reason=f"importMode is one of {', '.join(_MODES)}")
    await mode(_Change(hub, registry, Identity(device, module or None), entry))
