"""What stays of the launcher beside a version that was found healthy: real processes, started as the launcher does."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hotori.edge import waiter
from hotori.edge.launched import RESTART

LAUNCH = """
import json, os, signal, subprocess, sys
waiter, program, again, first = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), sys.argv[4]
child = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE)
os.set_inheritable(child.stderr.fileno(), True)
given = json.dumps({"child": child.pid, "words": child.stderr.fileno(), "again": again})
exec(first)
os.execv(sys.executable, [sys.executable, "-I", "-S", waiter, given])
"""
AGAIN = [sys.executable, "-c", "print('launched again')"]


@contextmanager
def started(program: str, first: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """The waiter beside the program; `first` is what its launcher does before it turns into it."""
    command = [sys.executable, "-c", LAUNCH, waiter.__file__, program, json.dumps(AGAIN), first]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as waiting:
        yield waiting


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("import sys; sys.exit(3)", 3),
        ("", 0),
        ("import os, time; time.sleep(0.5); os._exit(4)", 4),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 128 + signal.SIGKILL),
    ],
)
def test_it_ends_as_the_program_ended(program: str, status: int) -> None:
    with started(program) as waiting:
        waiting.communicate(timeout=20)
    assert waiting.returncode == status


def test_it_passes_on_what_the_program_writes_though_somebody_else_holds_its_end_open() -> None:
    held = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(9)'], stdout=2)"
    with started(f"{held}; sys.stderr.write('a word'); sys.stderr.flush(); import time; time.sleep(0.3)") as waiting:
        assert waiting.stderr is not None
        assert waiting.stderr.read() == b"a word"
        assert waiting.wait(20) == 0


def test_a_program_that_asks_for_it_is_launched_again() -> None:
    with started(f"import sys; sys.exit({waiter.RESTART})") as waiting:
        out, _ = waiting.communicate(timeout=20)
    assert out == b"launched again\n"


def test_signals_reach_the_program() -> None:
    ends = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(9)); "
    with started(ends + "sys.stderr.write('ready'); sys.stderr.flush(); signal.pause()") as waiting:
        assert waiting.stderr is not None
        assert waiting.stderr.read(5) == b"ready"
        waiting.terminate()
        assert waiting.wait(20) == 9


def test_a_signal_that_comes_before_it_waits_reaches_the_program() -> None:
    ends = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(9)); "
    early = "child.stderr.read(5); signal.pthread_sigmask(signal.SIG_BLOCK, [15]); os.kill(os.getpid(), 15)"
    with started(ends + "sys.stderr.write('ready'); sys.stderr.flush(); signal.pause()", early) as waiting:
        assert waiting.wait(20) == 9


def test_it_takes_little_memory() -> None:
    with started("import sys, time; sys.stderr.write('ready'); sys.stderr.flush(); time.sleep(60)") as waiting:
        assert waiting.stderr is not None
        assert waiting.stderr.read(5) == b"ready"
        status = Path(f"/proc/{waiting.pid}/status").read_text()
        waiting.terminate()
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    assert resident < 16_000, "kilobytes"


def test_its_exit_status_for_another_launch_is_the_one_that_programs_use() -> None:
    assert waiter.RESTART == RESTART
