"""Starts the version of the edge program that is in force, watches over one that is on trial, and goes back.

A version that was confirmed takes the launcher's place (exec): it costs no memory and no second process. A version on
trial is a child; the launcher waits for the word that it is healthy, and then turns into something smaller (`waiter`)
that stays until the child ends. Which version is started next is decided by `reconcile.release`; everything is on disk
before it is done.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO

from hotori.edge import waiter
from hotori.edge.launched import COMMAND, HEALTHY, LOCK, NOTED, TRIAL, VERSION
from hotori.edge.release_folder import ReleaseFolder, shown_version
from hotori.problems import Problem
from hotori.problems.storage import FILE_UNREADABLE
from hotori.reconcile.release import (
    INSTALLED,
    Outcome,
    Releases,
    TrialRules,
    confirmed,
    next_start,
    stopped,
    trial_failed,
)

_LAST_LINES = 12
_LOOK = 0.2
"""Seconds between two looks at a child that is on trial."""
_GRACE = 40.0
"""Seconds that a child has to end when it is asked to: it stops its modules in order."""
_PAUSE = 1.0
_OF_RELEASES = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
"""Variables that a release is given, and that the launcher must not have."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Launch:
    """`arguments` are those of `hotori edge run`, `command` is the launcher's own command line."""

    arguments: tuple[str, ...]
    command: tuple[str, ...]
    rules: TrialRules


class Launcher:
    """One on a data folder at a time. `run` ends with the exit status of the program, or does not return."""

    def __init__(self, folder: ReleaseFolder, launch: Launch, say: Say) -> None:
        self._folder, self._launch, self._say = folder, launch, say
        self._asked = 0
        """The signal by which somebody asked to stop."""
        self._child: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Start the program until it ends by itself. Takes over the process's signals. Raises `file-unreadable`."""
        lock = self._hold()
        for number in waiter.PASSED:
            signal.signal(number, self._pass_on)
        ended = ""
        while not self._asked:
            before = self._folder.read()
            present = self._folder.present()
            version, state = next_start(before, present, self._launch.rules, time.time(), ended)
            if not self._write(before, state) and state.candidate is not None:
                # An attempt that cannot be counted might be made for ever.
                version, state = next_start(Releases(before.current, before.previous), present, TrialRules(), 0.0)
            self._tell(before, state)
            if state.candidate is None:
                self._become(version, lock)
            ended, status = self._attempt(version, lock)
            if status is not None:
                return status
        return 128 + self._asked

    def _hold(self) -> int:
        """Wait until nobody else runs a program from this folder: who was just ended may need a moment."""
        path = self._folder.root / "lock"
        try:
            self._folder.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Problem(FILE_UNREADABLE, str(error), path=path, reason=error.strerror or "unknown") from error
        held = int(os.environ.get(LOCK, "-1"))
        if held >= 0 and _same_file(held, lock):  # the program that held it has become this launcher
            os.close(lock)
            return held
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._say(f"another program runs from {self._folder.root}; waiting for its end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        return lock

    def _write(self, before: Releases, state: Releases) -> bool:
        if state == before:
            return True
        try:
            self._folder.write(state)
        except OSError as error:
            self._say(f"which version runs cannot be written down: {error}")
            return False
        return True

    def _tell(self, before: Releases, state: Releases) -> None:
        if state.failed is not None and state.failed != before.failed:
            name, back = shown_version(state.failed.version), shown_version(state.current)
            self._say(f"{name} failed ({state.failed.outcome}); going back to {back}")
        if state.candidate is not None:
            self._say(f"trying {shown_version(state.candidate)}, attempt {state.attempts}")

    def _become(self, version: str, lock: int) -> None:
        """Turn into the program. The lock stays held by whatever this process is."""
        os.set_inheritable(lock, True)
        environment = self._environment(version, lock)
        sys.stdout.flush()
        sys.stderr.flush()
        command = self._command(version)
        os.execve(command[0], command, environment)  # noqa: S606 - a shell would only get between

    def _command(self, version: str) -> list[str]:
        program = ["-m", "hotori.cli", "edge", "run", *self._launch.arguments]
        # A release brings everything that it needs; what is installed here must not get between (-S).
        return [sys.executable, *([] if version == INSTALLED else ["-S"]), *program]

    def _environment(self, version: str, lock: int, trial: socket.socket | None = None) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if name not in (TRIAL, VERSION)}
        own = {name: os.environ.get(name) for name in _OF_RELEASES}
        launcher = {"command": self._launch.command, "environment": own}
        environment |= {COMMAND: json.dumps(launcher), LOCK: str(lock)}
        if version != INSTALLED:
            packages = str(self._folder.packages(version))
            environment |= {VERSION: version, "PYTHONPATH": packages, "PYTHONDONTWRITEBYTECODE": "1"}
        if trial is not None:
            offline = self._launch.rules.offline_after
            environment[TRIAL] = json.dumps({"socket": trial.fileno(), "offlineAfter": offline})
        return environment

    def _attempt(self, version: str, lock: int) -> tuple[str, int | None]:
        """One start of a version on trial: how it ended, and the exit status where the launcher is to end, too."""
        ours, its = socket.socketpair()
        with ours, its:
            environment = self._environment(version, lock, its)
            handles = (its.fileno(), lock)
            child = self._child = subprocess.Popen(
                self._command(version), env=environment, pass_fds=handles, stderr=subprocess.PIPE
            )
            its.close()
            assert child.stderr is not None
            words = _Words(child.stderr)
            if self._wait_healthy(child, ours):
                self._say(f"{shown_version(version)} is healthy, and in force from now on")
                self._shrink(child, (ours.fileno(), lock, child.stderr.fileno()))
            elif child.poll() is None and not self._asked:
                self._take_back(child, words)
            elif child.poll() is None:
                child.terminate()  # the signal may have come before there was a child to pass it on to
        status = self._end(child)
        words.close()
        if self._asked:
            before = self._folder.read()
            self._write(before, stopped(before))
            return "", status
        time.sleep(_PAUSE)
        return f"exit status {status}\n{words.last()}", None

    def _shrink(self, child: subprocess.Popen[bytes], handles: tuple[int, int, int]) -> None:
        """Turn into the waiter, which keeps the socket and the lock open and reads on what the child writes."""
        for handle in handles:
            os.set_inheritable(handle, True)
        _, lock, words = handles
        given = json.dumps({"child": child.pid, "words": words, "again": self._launch.command})
        command = [sys.executable, "-I", "-S", waiter.__file__, given]
        environment = {**os.environ, LOCK: str(lock)}
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, waiter.PASSED)  # until the waiter passes them on
        os.execve(command[0], command, environment)  # noqa: S606 - a shell would only get between

    def _wait_healthy(self, child: subprocess.Popen[bytes], ours: socket.socket) -> bool:
        """Whether it said so in time, and that is on disk."""
        deadline = time.monotonic() + self._launch.rules.healthy_within
        said = b""
        while child.poll() is None and not self._asked and time.monotonic() < deadline:
            if select.select([ours], [], [], _LOOK)[0]:
                piece = ours.recv(64)
                if not piece:
                    time.sleep(_LOOK)
                said += piece
            if said.startswith(HEALTHY):
                before = self._folder.read()
                if self._write(before, confirmed(before)):
                    ours.sendall(NOTED)
                    return True
                time.sleep(_LOOK)
        return False

    def _take_back(self, child: subprocess.Popen[bytes], words: _Words) -> None:
        """It runs and is not healthy: end it, and never start it again by ourselves."""
        child.terminate()
        self._end(child)
        before = self._folder.read()
        within = f"not healthy within {self._launch.rules.healthy_within:g} s"
        after = trial_failed(before, Outcome.SILENT, time.time(), f"{within}\n{words.last()}")
        self._write(before, after)
        self._tell(before, after)

    def _end(self, child: subprocess.Popen[bytes]) -> int:
        """Wait for it; who does not end in time is ended."""
        try:
            status = child.wait(_GRACE)
        except subprocess.TimeoutExpired:
            child.kill()
            status = child.wait()
        return status if status >= 0 else 128 - status

    def _pass_on(self, number: int, _: object) -> None:
        self._asked = number
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(number)


class _Words:
    """Passes on what the program on trial writes, and keeps its last lines as evidence."""

    def __init__(self, source: IO[bytes]) -> None:
        self._lines: deque[bytes] = deque(maxlen=_LAST_LINES)
        self._thread = threading.Thread(target=self._copy, args=(source,), daemon=True)
        self._thread.start()

    def last(self) -> str:
        return b"".join(self._lines).decode(errors="replace").strip()

    def close(self) -> None:
        """What a child of the child may still write is not waited for."""
        self._thread.join(1.0)

    def _copy(self, source: IO[bytes]) -> None:
        for line in source:
            self._lines.append(line)
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()


def _same_file(held: int, other: int) -> bool:
    try:
        return os.path.sameopenfile(held, other)
    except OSError:
        return False


def own_command(arguments: Sequence[str]) -> tuple[str, ...]:
    """The command line that starts this launcher again, by the installed program."""
    return (sys.executable, "-m", "hotori.cli", "edge", "launch", *arguments)
