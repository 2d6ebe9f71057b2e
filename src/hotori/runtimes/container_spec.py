"""What a container is created from: the manifest's createOptions, and over them what every module of ours gets."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hotori.model.json import JsonObject
from hotori.model.log_config import ROTATED
from hotori.runtimes.local_image import split_env
from hotori.runtimes.module_runtime import ModuleLaunch

OWNER = "org.hotori.owner"
"""Label of every container of a device, with the device's mark as value: nothing without it is ever touched."""
MODULE = "org.hotori.module"
IMAGE = "net.azure-devices.edge.original-image"
DIGEST = "org.hotori.digest"
FINGERPRINT = "org.hotori.fingerprint"
SPEC = "org.hotori.spec"
_CONTRACT_LABELS = {"net.azure-devices.edge.owner": "Microsoft.Azure.Devices.Edge.Agent"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class ContainerHost:
    """What is the same for every module. `hosts` are names by address that modules shall find; `network` is theirs
    where createOptions name none."""

    owner: str
    network: str
    hosts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """The name, the body of the create call, and the networks to join before it starts (engines take one at
    creation)."""

    name: str
    body: JsonObject
    more_networks: Mapping[str, Any] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        """Changes with whatever the container is made from."""
        return str(self.body["Labels"][SPEC])  # type: ignore[index,call-overload]


def container_name(module: str) -> str:
    """As the module's, where engines take such a name: they want two letters, and none of `_-` in front."""
    return module if _NAME.fullmatch(module) else f"module-{module}"


def container_spec(launch: ModuleLaunch, image: str, digest: str, host: ContainerHost) -> ContainerSpec:
    """Merge. `image` is what the engine is to run, `digest` its manifest's (contract 6.1)."""
    body: Any = copy.deepcopy(launch.create_options)
    settings: Any = body.get("HostConfig") or {}
    body["HostConfig"] = settings
    body["Image"] = image
    env = {**launch.env, **split_env(tuple(body.get("Env") or ()))}
    body["Env"] = [f"{name}={value}" for name, value in env.items()]
    settings["Binds"] = [*(settings.get("Binds") or ()), *(f"{path}:{path}:ro" for path in launch.folders)]
    settings["LogConfig"] = settings.get("LogConfig") or ROTATED.document()
    # A port that is bound and not exposed is left out by engines without a word.
    bound: JsonObject = {port: {} for port in settings.get("PortBindings") or ()}
    if bound:
        body["ExposedPorts"] = {**(body.get("ExposedPorts") or {}), **bound}
    more = _connect(body, settings, launch.name, host)
    labels = {
        **(body.get("Labels") or {}),
        **_CONTRACT_LABELS,
        OWNER: host.owner,
        MODULE: launch.name,
        IMAGE: str(launch.image),
        DIGEST: digest,
        FINGERPRINT: launch.fingerprint,
    }
    labels[SPEC] = hashlib.sha256(json.dumps([body, labels, more], sort_keys=True).encode()).hexdigest()
    body["Labels"] = labels
    return ContainerSpec(container_name(launch.name), body, more)


def _connect(body: Any, settings: Any, module: str, host: ContainerHost) -> dict[str, Any]:
    """Choose the network, and let the module find the hub in it; the networks beyond the first."""
    given: dict[str, Any] = dict((body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {})
    mode = settings.get("NetworkMode") or (next(iter(given)) if given else host.network)
    settings["NetworkMode"] = mode
    if not given and mode == host.network:
        given = {mode: {"Aliases": [module]}}
    first = {mode: given[mode]} if mode in given else {}
    if first:
        body["NetworkingConfig"] = {"EndpointsConfig": first}
    else:
        body.pop("NetworkingConfig", None)
    if mode != "none" and not mode.startswith("container:"):
        known = {entry.partition(":")[0] for entry in settings.get("ExtraHosts") or ()}
        ours = [f"{name}:{address}" for name, address in host.hosts.items() if name not in known]
        settings["ExtraHosts"] = [*(settings.get("ExtraHosts") or ()), *ours]
    return {name: endpoint for name, endpoint in given.items() if name != mode}
