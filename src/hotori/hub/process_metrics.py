"""This process and its machine, by the names that Prometheus's own clients use."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from hotori.hub.metrics import Family, Kind

_PAGE = os.sysconf("SC_PAGE_SIZE")


def process_families() -> Iterator[Family]:
    cpu = Family("process_cpu_seconds_total", Kind.COUNTER, "Processor time of this process")
    yield cpu.add(time.process_time())
    resident = Family("process_resident_memory_bytes", Kind.GAUGE, "Memory of this process")
    yield resident.add(int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE)
    files = Family("process_open_fds", Kind.GAUGE, "Open files of this process")
    yield files.add(len(list(Path("/proc/self/fd").iterdir())))


def host_cpu() -> float:
    """Seconds that the machine's processors were at work."""
    ticks = [int(field) for field in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    idle, waiting = ticks[3:5]
    return (sum(ticks) - idle - waiting) / os.sysconf("SC_CLK_TCK")


def host_memory() -> tuple[int, int]:
    """Bytes of the machine's memory: all, and those in use."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    sizes = {line.partition(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    return sizes["MemTotal"], sizes["MemTotal"] - sizes["MemAvailable"]


def host_uptime() -> float:
    """Seconds since the machine was started."""
    return float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
