"""What is left of the launcher once a version on trial was found healthy: it waits for that program's end.

Started as a file by a bare interpreter, with nothing of this package or of any other: it may wait for months, on a
machine where every megabyte counts.
"""

from __future__ import annotations

import json
import os
import signal
import sys

RESTART = 75
"""As in `launched`, which must not be imported here."""
PASSED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals for the program. The launcher blocks them while it turns into the waiter: one that comes then is not lost."""


class _EndedError(Exception):
    """The program has ended."""


def wait(child: int, words: int, again: list[str]) -> int:
    """Pass on signals and what the program writes, until it ends; its exit status.

    `words` is the file descriptor to read from, `again` the launcher, for a program that asks to be started again.
    """
    for number in PASSED:
        signal.signal(number, lambda number, _: os.kill(child, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED)
    signal.signal(signal.SIGCHLD, _end)
    try:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            _copy(words)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    except _EndedError:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == RESTART:
        os.execv(again[0], again)  # noqa: S606 - a shell would only get between
    return status if status >= 0 else 128 - status


def _copy(words: int) -> None:
    while piece := os.read(words, 65536):
        try:
            os.write(sys.stderr.fileno(), piece)
        except OSError:  # nobody reads any more, and the program need not care
            return


def _end(_: int, __: object) -> None:
    raise _EndedError


if __name__ == "__main__":
    sys.exit(wait(**json.loads(sys.argv[1])))
