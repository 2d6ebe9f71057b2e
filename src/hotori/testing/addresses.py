"""Loopback addresses of one's own, for programs whose clients dial fixed ports."""

from __future__ import annotations

import itertools
import os

_counter = itertools.count(1)


def loopback_address() -> str:
    """A 127.x.y.z that no other test process and no earlier call in this one was given.

    Linux answers on all of 127.0.0.0/8; the process id picks the middle, the call the last part.
    """
    number = next(_counter)
    high, low = divmod(os.getpid() * 7 + number // 250, 250)
    return f"127.{high % 200 + 20}.{low + 1}.{number % 250 + 1}"
