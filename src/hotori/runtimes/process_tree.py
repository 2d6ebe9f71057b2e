"""Who started whom on this machine."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

_LOOK = 0.02


async def end_session(leader: int, grace: float = 1.0) -> bool:
    """End what belongs to a session: hang up, as a terminal that goes does, and after `grace` seconds surely.

    Returns whether it is gone; processes of others, as those in containers may be, cannot be ended from here.
    """
    deadline = asyncio.get_running_loop().time() + grace
    for number in (signal.SIGHUP, signal.SIGKILL):
        if not _signal_all(await asyncio.to_thread(session_members, leader), number):
            return False
        # Nobody tells of the end of a process that is not one's own child.
        while await asyncio.to_thread(session_members, leader):
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(_LOOK)
        deadline += grace
    return not await asyncio.to_thread(session_members, leader)


def session_members(leader: int) -> list[int]:
    """The processes of a session that run, by the id of the process that began it, which may have ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        kin = _kin(int(path.name))
        if kin is not None and kin[2] == leader and kin[0] not in "ZX":
            found.append(int(path.name))
    return found


def _signal_all(pids: list[int], number: signal.Signals) -> bool:
    """Whether all of them could be told."""
    for pid in pids:
        try:
            os.kill(pid, number)
            # A stopped process hears nothing but the end.
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            continue
        except PermissionError:
            return False
    return True


def belongs(pid: int, root: int) -> bool:
    """Whether a process is that of `root`, in its session, or was started by one that is."""
    while pid > 1 and (kin := _kin(pid)) is not None:
        if root in (pid, kin[2]):
            return True
        pid = kin[1]
    return False


def _kin(pid: int) -> tuple[str, int, int] | None:
    """State, parent and session; None where it does not run."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc(5): after the name come state (3), ppid (4), pgrp (5), session (6).
    fields = stat.rpartition(")")[2].split()
    return fields[0], int(fields[1]), int(fields[3])
