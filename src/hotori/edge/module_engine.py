"""Which engine runs a device's modules, and where its modules find the edge hub."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from hotori.net.address import is_loopback

_WILDCARDS = ("0.0.0.0", "::", "")  # noqa: S104 - they are recognised, not listened on


@dataclass(frozen=True, slots=True)
class ModuleEngine:
    """A container engine by its address, `unix:///run/docker.sock` or the like; `network` is the modules' own."""

    address: str
    network: str = "azure-iot-edge"


def hub_names(name: str) -> tuple[str, ...]:
    """What modules may call the hub by: the contract's `edgeHub`, and the device's name where it is no address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return tuple(dict.fromkeys(("edgeHub", *([name] if name else []))))
    return ("edgeHub",)


def hub_address(listen: str) -> str:
    """The address at which containers reach a hub that listens there; empty for that of their network's gateway.

    On loopback they could not reach it: each container has a loopback of its own.
    """
    return "" if listen in _WILDCARDS or is_loopback(listen) else listen
