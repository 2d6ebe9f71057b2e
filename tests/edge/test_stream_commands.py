"""`hotori logs --follow` and `hotori shell` as a person has them: programs of their own, on a terminal or in a pipe."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hotori.testing.runtime_suite import processes
from hotori.testing.shell_suite import a_number, gone
from tests.edge.stream_site import COUNTS, Site, a_site


@asynccontextmanager
async def a_person(folder: Path, script: str = COUNTS) -> AsyncIterator[Person]:
    async with a_site(folder, script) as site:
        yield Person(site, folder / "cloud")


class Person:
    """Somebody at a terminal beside a cloud."""

    def __init__(self, site: Site, cloud: Path) -> None:
        self.site, self._cloud = site, cloud

    async def hotori(self, *arguments: str, typed: bytes = b"") -> tuple[int, bytes, bytes]:
        """A command in a pipe: its exit status and both outputs."""
        program = await self.begun(*arguments)
        out, errors = await asyncio.wait_for(program.communicate(typed), 60)
        return program.returncode or 0, out, errors

    async def begun(self, *arguments: str, terminal: int | None = None) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        names, options = arguments, ["--cloud", str(self._cloud)]
        before, after = (names, ()) if "--" not in names else _split(names)
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "hotori.cli",
            *before,
            *options,
            *after,
            stdin=pipe if terminal is None else terminal,
            stdout=pipe if terminal is None else terminal,
            stderr=pipe if terminal is None else terminal,
            env={**os.environ, "XDG_CONFIG_HOME": str(self._cloud.parent), "TERM": "vt102", "HOTORI_LANG": "en"},
            start_new_session=True,
        )


def _split(names: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return names[: names.index("--")], names[names.index("--") :]


async def test_a_log_is_followed_until_ctrl_c(tmp_path: Path) -> None:
    async with a_person(tmp_path) as person:
        following = await person.begun("logs", "edge-1", "camera", "--follow", "--tail", "1", "--level", "5")
        assert following.stdout is not None
        lines = [await asyncio.wait_for(following.stdout.readline(), 30) for _ in range(4)]
        following.send_signal(signal.SIGINT)
        _, errors = await asyncio.wait_for(following.communicate(), 30)
        assert (following.returncode, errors.strip()) == (130, b"")
        numbers = [int(line.split()[-1]) for line in lines]
        assert numbers == list(range(numbers[0], numbers[0] + 8, 2))
        assert all(line.startswith(b"<5>") for line in lines)


async def test_a_script_gets_one_json_object_a_line_and_is_told_of_restarts(tmp_path: Path) -> None:
    async with a_person(tmp_path, "import time\nprint('<4> began', flush=True)\ntime.sleep(600)\n") as person:
        following = await person.begun("logs", "edge-1", "camera", "--follow", "--json")
        assert following.stdout is not None
        found = [json.loads(await asyncio.wait_for(following.stdout.readline(), 30))]
        invoked = await person.hotori(
            "invoke", "edge-1/$edgeAgent", "RestartModule", '{"schemaVersion":"1.0","id":"camera"}'
        )
        assert invoked[0] == 0
        while "text" not in found[-1] or len(found) == 1:
            found.append(json.loads(await asyncio.wait_for(following.stdout.readline(), 30)))
        following.terminate()
        await following.communicate()
    line = {"device": "edge-1", "id": "camera", "text": "<4> began", "loglevel": 4}
    assert [{name: found[index].get(name) for name in line} for index in (0, -1)] == [line, line]
    told = [note["event"] for note in found[1:-1]]
    assert told in (["waiting", "started"], ["started"])  # it may be quick
    assert found[-2] == {"event": "started", "module": "camera"}


async def test_whoever_reads_only_the_first_lines_of_a_log_ends_it(tmp_path: Path) -> None:
    async with a_person(tmp_path) as person:
        following = await person.begun("logs", "edge-1", "camera", "--follow")
        assert following.stdout is not None
        await asyncio.wait_for(following.stdout.readline(), 30)
        following.stdout._transport.close()  # type: ignore[attr-defined]
        assert following.stderr is not None
        assert await asyncio.wait_for(following.stderr.read(), 30) == b""
        assert await asyncio.wait_for(following.wait(), 30) == 0


async def test_a_command_in_a_pipe_has_its_input_its_outputs_and_its_exit_status(tmp_path: Path) -> None:
    sent = bytes(range(256)) * 2000
    async with a_person(tmp_path) as person:
        script = "cat; echo aside >&2; exit 9"
        done = await person.hotori("shell", "edge-1", "camera", "--", "sh", "-c", script, typed=sent)
        lines = await person.hotori("shell", "edge-1", "camera", typed=b"echo $((6*7))\nexit 2\n")
        missing = await person.hotori("shell", "edge-1", "camera", "--lang", "ja", "--", "no-such-program")
    assert done == (9, sent, b"aside\n")
    assert lines[:2] == (2, b"42\n")
    assert missing[:2] == (1, b"")
    assert b"no-such-program" in missing[2]
    assert "イメージにあるプログラム".encode() in missing[2]


async def test_a_terminal_in_a_module_is_that_of_the_person(tmp_path: Path) -> None:
    number = a_number()
    async with a_person(tmp_path) as person:
        ours, theirs = os.openpty()
        resize(theirs, 90, 25)
        before = termios.tcgetattr(theirs)
        program = await person.begun("shell", "edge-1", "camera", "--", "sh", terminal=theirs)
        screen = Screen(ours)
        screen.type(b"stty size; echo $TERM-$((6*7))\n")
        await screen.until(b"vt102-42")
        assert b"25 90" in screen.seen
        resize(theirs, 133, 44)
        os.kill(program.pid, signal.SIGWINCH)
        screen.type(b'until [ "$(stty size)" = "44 13""3" ]; do sleep 0.1; done; stty size\n')
        await screen.until(b"44 133")
        screen.type(f"sleep {number}\n".encode())
        async with asyncio.timeout(20):
            while not processes(number.encode()):
                await asyncio.sleep(0.02)
        screen.type(b"\x03")  # Ctrl-C is the module's, not ours
        assert await gone(number)
        screen.type(b"echo st''ill; exit 6\n")
        await screen.until(b"still")
        assert await asyncio.wait_for(program.wait(), 30) == 6
        assert termios.tcgetattr(theirs) == before
        screen.close()
        os.close(theirs)
        os.close(ours)


class Screen:
    """The other side of a terminal."""

    def __init__(self, descriptor: int) -> None:
        self.seen = b""
        self._descriptor = descriptor
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    def type(self, text: bytes) -> None:
        os.write(self._descriptor, text)

    async def until(self, words: bytes) -> None:
        async with asyncio.timeout(30):
            while words not in self.seen:
                self._news.clear()
                await self._news.wait()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)

    def _read(self) -> None:
        self.seen += os.read(self._descriptor, 4096)
        self._news.set()


def resize(descriptor: int, columns: int, rows: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
