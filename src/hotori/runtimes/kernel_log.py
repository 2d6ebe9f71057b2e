"""What the kernel wrote of containers that it ended for their memory; some engines do not say so."""

from __future__ import annotations

import os
import time

_RECORD = 8192


def ended_for_memory(container: str, since: float) -> bool:
    """Whether the kernel ended a process of this container after `since` (Unix seconds); False where its log may not
    be read."""
    try:
        handle = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    booted = time.time() - time.monotonic()
    try:
        return any(
            container in line and "oom" in line and booted + _seconds(line) >= since - 1.0 for line in _lines(handle)
        )
    finally:
        os.close(handle)


def _lines(handle: int) -> list[str]:
    found = []
    while True:
        try:
            found.append(os.read(handle, _RECORD).decode(errors="replace"))
        except BrokenPipeError:
            continue  # overwritten meanwhile; the next read goes on behind it
        except OSError:
            return found


def _seconds(line: str) -> float:
    """Since boot: a record begins `level,number,microseconds,flags;`."""
    fields = line.split(",", 3)
    return int(fields[2]) / 1e6 if len(fields) > 3 and fields[2].isdigit() else 0.0
