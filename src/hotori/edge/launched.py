"""What the launcher and the program that it starts say to each other: environment, one socket, one exit status.

This is the whole contract between an installed launcher and the releases of years to come; it must stay.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from hotori.reconcile.release import INSTALLED

RESTART = 75
"""The exit status of a program that is to be started again by its launcher (EX_TEMPFAIL)."""
HEALTHY, NOTED = b"healthy\n", b"noted\n"
"""What the program on trial says once, and the launcher's answer when that is on disk."""

VERSION, COMMAND, TRIAL, LOCK = "HOTORI_RELEASE", "HOTORI_LAUNCHER", "HOTORI_TRIAL", "HOTORI_LAUNCHER_LOCK"


@dataclass(frozen=True, slots=True)
class Trial:
    """`socket` is a file descriptor to the launcher, which waits at its other end; `offline_after` as in TrialRules."""

    socket: int
    offline_after: float


@dataclass(frozen=True, slots=True)
class Launched:
    """How this program was launched: its version, the launcher's command line, and whether it is on trial."""

    version: str
    command: tuple[str, ...]
    restored: Mapping[str, str | None]
    """Variables as they were for the launcher; None where there was none."""
    trial: Trial | None = None

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Launched | None:
        """None where it was started without a launcher."""
        if COMMAND not in environment:
            return None
        trial = json.loads(environment[TRIAL]) if TRIAL in environment else None
        launcher = json.loads(environment[COMMAND])
        return cls(
            environment.get(VERSION, INSTALLED),
            tuple(launcher["command"]),
            launcher["environment"],
            Trial(int(trial["socket"]), float(trial["offlineAfter"])) if trial else None,
        )

    def again(self) -> NoReturn:
        """Have the launcher decide anew. It waits for a program on trial; of any other it takes the place."""
        if self.trial is not None:
            sys.stdout.flush()
            os._exit(RESTART)  # everything is closed; nothing may turn this status into another
        kept = {name: value for name, value in os.environ.items() if name not in (VERSION, COMMAND)}
        kept |= {name: value for name, value in self.restored.items() if value is not None}
        for name in (name for name, value in self.restored.items() if value is None):
            kept.pop(name, None)
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(self.command[0], self.command, kept)  # noqa: S606 - a shell would only get between
