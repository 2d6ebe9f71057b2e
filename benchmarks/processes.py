"""What processes of this machine use, as the kernel counts it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from hotori.sdk.program import cpu_seconds


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor time so far in seconds; resident memory, and the process's share of it, in megabytes (10^6)."""

    cpu: float = 0.0
    resident: float = 0.0
    proportional: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.cpu + other.cpu, self.resident + other.resident, self.proportional + other.proportional)


def usage(pid: int) -> Usage:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    sizes = {name: int(rest.split()[0]) * 1024 / 1e6 for name, _, rest in (line.partition(":") for line in lines)}
    return Usage(cpu_seconds(pid), sizes["Rss"], sizes["Pss"])


def running_commands(ending: bytes) -> int:
    """How many processes have a command line that ends so; its parts end with a zero byte each."""
    return sum(command.endswith(ending) for command in _commands())


def _commands() -> list[bytes]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found.append((process / "cmdline").read_bytes())
        except OSError:  # it has ended
            continue
    return found


def others(seconds: float = 1.0) -> float:
    """How much of a core is in use for this long, while nothing of ours is done: what others do meanwhile."""
    before = _busy()
    time.sleep(seconds)
    return (_busy() - before) / seconds


def _busy() -> float:
    fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    idle = int(fields[3]) + int(fields[4])
    return (sum(map(int, fields[:8])) - idle) / os.sysconf("SC_CLK_TCK")
