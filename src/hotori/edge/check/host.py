"""What of the machine itself makes containers fail: libraries, forwarding, the size of packets."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from pathlib import Path

from hotori.problems import Problem
from hotori.problems.checks import FORWARDING_OFF, LIBSECCOMP_OLD, PACKETS_TOO_LARGE

_LIBSECCOMP = re.compile(r"libseccomp\.so\.(\d+)\.(\d+)\.(\d+)")
_LEAST_LIBSECCOMP = (2, 4, 2)


@dataclass(frozen=True, slots=True)
class Machine:
    """Its files, below `root`."""

    root: Path = Path("/")

    def libseccomp(self) -> str:
        """FAILURES.md D28. Raises `libseccomp-old` where programs in containers are refused the clock."""
        folders = ("lib", "usr/lib", "lib64", "usr/lib64", "usr/local/lib")
        found = [
            (tuple(int(part) for part in match.groups()), path)
            for folder in folders
            for path in (self.root / folder).glob("**/libseccomp.so.*.*")
            if (match := _LIBSECCOMP.fullmatch(path.name))
        ]
        if not found:
            return "no libseccomp is installed"
        version, path = max(found)
        text = ".".join(map(str, version))
        if version < _LEAST_LIBSECCOMP:
            wanted = ".".join(map(str, _LEAST_LIBSECCOMP))
            raise Problem(LIBSECCOMP_OLD, str(path), version=text, wanted=wanted)
        return f"libseccomp {text}"

    def forwarding(self) -> None:
        """FAILURES.md D14. Raises `forwarding-off`."""
        path = self.root / "proc/sys/net/ipv4/ip_forward"
        if path.exists() and path.read_text().strip() == "0":
            raise Problem(FORWARDING_OFF, f"{path}: 0")

    def packets(self, network: str, size: int) -> str:
        """The largest packets in the modules' network against those of the way out. Raises `packets-too-large`."""
        interface = self._way_out()
        if interface is None:
            return "there is no way out"
        path = self.root / "sys/class/net" / interface / "mtu"
        limit = int(path.read_text())
        if size > limit:
            seen = f"{interface}: mtu {limit}"
            raise Problem(PACKETS_TOO_LARGE, seen, network=network, size=size, interface=interface, limit=limit)
        return f"{network} {size}, {interface} {limit}"

    def _way_out(self) -> str | None:
        """The interface of the default route with the least metric."""
        try:
            lines = (self.root / "proc/net/route").read_text().splitlines()[1:]
        except OSError:
            return None
        fields = [line.split() for line in lines]
        ways = [each for each in fields if each[1] == "00000000" and each[7] == "00000000" and int(each[3], 16) & 1]
        return min(ways, key=lambda each: int(each[6]))[0] if ways else None


def is_address(host: str) -> bool:
    """Whether it is an address, which nobody has to look up."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return True
    return False
