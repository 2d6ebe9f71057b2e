"""The modules of a device as its management and workload APIs list them (contract 6.3, 6.4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hotori.model.json import JsonObject

_STATES = {"running": "running", "unhealthy": "running", "stopped": "stopped", "backoff": "failed", "failed": "failed"}
_NEVER = "0001-01-01"


def module_details(report: JsonObject) -> Iterator[JsonObject]:
    """From the agent's report; without environment and createOptions, which are a module's own affair."""
    modules: Any = report.get("modules") or {}
    for name, module in sorted(modules.items()):
        yield _details(name, module)


def _details(name: str, module: dict[str, Any]) -> JsonObject:
    state = _STATES.get(module["runtimeStatus"], "unknown")
    status: dict[str, Any] = {"runtimeStatus": {"status": state, "description": module["statusDescription"]}}
    if not module["lastStartTimeUtc"].startswith(_NEVER):
        status["startTime"] = module["lastStartTimeUtc"]
    if state != "running" and not module["lastExitTimeUtc"].startswith(_NEVER):
        status["exitStatus"] = {"exitTime": module["lastExitTimeUtc"], "statusCode": str(module["exitCode"])}
    settings = {"image": module["settings"]["image"]}
    return {
        "id": name,
        "name": name,
        "type": module["type"],
        "config": {"settings": settings, "env": []},
        "status": status,
    }
