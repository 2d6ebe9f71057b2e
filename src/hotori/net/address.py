"""Addresses: which of them stay on this machine."""

from __future__ import annotations

import ipaddress


def is_loopback(address: str) -> bool:
    """Whether what is said to this address stays on this machine. Names other than localhost are not."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
