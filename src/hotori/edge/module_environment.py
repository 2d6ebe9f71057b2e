"""The environment that a module finds (contract 6.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hotori.model.manifest import ModuleSpec

WORKLOAD_API_VERSION = "2022-08-03"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is the same for every module of a device. `hub` is the hub's name, `gateway` the name to dial; `parent`
    that of the edge device above this one, if there is one."""

    device: str
    hub: str
    gateway: str
    parent: str | None = None
    log_level: str = "info"
    extra: Mapping[str, str] | None = None


def module_environment(spec: ModuleSpec, around: Surroundings, generation: str, workload_uri: str) -> dict[str, str]:
    """The manifest's `env`, over it what the agent injects, and over both `Env` of createOptions (trap in 3.2)."""
    return {
        "RuntimeLogLevel": around.log_level,
        **spec.env,
        "IOTEDGE_WORKLOADURI": workload_uri,
        "IOTEDGE_AUTHSCHEME": "sasToken",
        "IOTEDGE_MODULEGENERATIONID": generation,
        "IOTEDGE_IOTHUBHOSTNAME": around.hub,
        "IOTEDGE_GATEWAYHOSTNAME": around.gateway,
        "IOTEDGE_DEVICEID": around.device,
        "IOTEDGE_MODULEID": spec.name,
        "IOTEDGE_APIVERSION": WORKLOAD_API_VERSION,
        **({"IOTEDGE_PARENTHOSTNAME": around.parent} if around.parent else {}),
        **(around.extra or {}),
        **_of_create_options(spec),
    }


def _of_create_options(spec: ModuleSpec) -> dict[str, str]:
    entries = spec.create_options.get("Env")
    if not isinstance(entries, list):
        return {}
    pairs = (entry.partition("=") for entry in entries if isinstance(entry, str))
    return {name: value for name, equals, value in pairs if name and equals}
