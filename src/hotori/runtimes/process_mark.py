"""Which process it was: a number alone may mean another one by now."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """A process id with the kernel's start time of the process (clock ticks) and the id of this boot."""

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> ProcessMark | None:
        """The mark of a process; None where it does not run."""
        started = _start_time(pid)
        return None if started is None else cls(pid, started, _boot())

    def alive(self) -> bool:
        return _boot() == self.boot and _start_time(self.pid) == self.started


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process group, if there still is one."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


async def end_stale(mark: ProcessMark, grace: float = 5.0) -> None:
    """End a process group that an earlier agent left behind: politely, then surely."""
    if mark.alive():
        signal_group(mark.pid, signal.SIGTERM)
        await _gone(mark, grace)
    if mark.alive():
        signal_group(mark.pid, signal.SIGKILL)
        await _gone(mark, grace)


async def _gone(mark: ProcessMark, seconds: float) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    # Only a parent is told of a process's end, and the parent is no more.
    while mark.alive() and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.02)


def _start_time(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    # proc(5): the state is field 3, the start time field 22. A zombie has ended.
    return None if fields[0] == "Z" else int(fields[19])


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
