"""What a process group takes of the machine, from /proc."""

from __future__ import annotations

import os
from pathlib import Path

from hotori.runtimes.module_runtime import ModuleUsage

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def group_usage(group: int) -> ModuleUsage:
    """Of all processes of the group; network use is the machine's and is not counted."""
    memory = ticks = count = 0
    for process in Path("/proc").glob("[0-9]*"):
        if (fields := _fields(process)) and int(fields[2]) == group:
            count += 1
            ticks += sum(int(field) for field in fields[11:15])
            memory += int(fields[21]) * _PAGE
    return ModuleUsage(memory=memory, processor=ticks / _TICKS, processes=count)


def _fields(process: Path) -> list[str]:
    """proc(5): from the state, field 3, on."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
