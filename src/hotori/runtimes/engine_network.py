"""The network that modules share, and its address on this side: what a module dials to reach the edge hub."""

from __future__ import annotations

from hotori.problems import Problem
from hotori.problems.engines import ENGINE_REFUSED, MODULE_NETWORK_MISSING
from hotori.runtimes.container_spec import OWNER
from hotori.runtimes.engine import Engine, EngineRefusedError

_BUILT_IN = ("bridge", "default", "host", "none", "podman", "slirp4netns", "private")


async def ensure_network(engine: Engine, name: str, owner: str) -> str:
    """Make the network where it is missing; the address of its gateway."""
    if (gateway := await _gateway(engine, name)) is None:
        body = {"Name": name, "Driver": "bridge", "CheckDuplicate": True, "Labels": {OWNER: owner}}
        try:
            await engine.post("networks/create", body)
        except EngineRefusedError as error:
            # Another agent on this engine may have been quicker.
            if "already exists" not in error.text:
                values = {"module": name, "action": "make the network", "reason": error.text}
                raise Problem(ENGINE_REFUSED, error.text, **values) from error
        gateway = await _gateway(engine, name)
    if not gateway:
        reason = f"the network {name} has no gateway address"
        raise Problem(ENGINE_REFUSED, reason, module=name, action="use the network", reason=reason)
    return gateway


async def check_network(engine: Engine, module: str, name: str) -> None:
    """Raise `module-network-missing`: dockerd says so only when the container is to start."""
    if name in _BUILT_IN or ":" in name:
        return
    if await _gateway(engine, name) is None:
        raise Problem(MODULE_NETWORK_MISSING, f"network {name} not found", module=module, network=name)


async def _gateway(engine: Engine, name: str) -> str | None:
    """The network's first IPv4 gateway, empty where it has none; None where there is no such network."""
    try:
        document = await engine.get(f"networks/{name}")
    except EngineRefusedError as error:
        if error.status == 404:
            return None
        raise
    pools = (document.get("IPAM") or {}).get("Config") or []
    return next((str(pool["Gateway"]) for pool in pools if "." in str(pool.get("Gateway", ""))), "")
