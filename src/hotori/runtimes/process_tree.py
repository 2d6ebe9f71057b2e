"""Who started whom on this machine."""

from __future__ import annotations

from pathlib import Path


def belongs(pid: int, root: int) -> bool:
    """Whether a process is that of `root`, in its session, or was started by one that is."""
    while pid > 1 and (kin := _parent_and_session(pid)) is not None:
        if root in (pid, kin[1]):
            return True
        pid = kin[0]
    return False


def _parent_and_session(pid: int) -> tuple[int, int] | None:
    """None where it does not run."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc(5): after the name come state (3), ppid (4), pgrp (5), session (6).
    fields = stat.rpartition(")")[2].split()
    return int(fields[1]), int(fields[3])
