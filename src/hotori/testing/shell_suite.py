"""The contract of `hotori.runtimes.shell.ShellOpener`, as tests for runtimes that are one. Mix it into their suite."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import pytest

from hotori.model.image_reference import ImageReference
from hotori.problems import Problem
from hotori.runtimes.module_runtime import ModuleRuntime
from hotori.runtimes.shell import Channel, Shell, ShellOpener, ShellRequest
from hotori.testing.registry_server import TinyImages
from hotori.testing.runtime_suite import PATIENCE, WAITS, processes, until_logged


class Looked(ModuleRuntime, ShellOpener, Protocol):
    """A runtime that is both."""


async def heard(shell: Shell, until: bytes | None = None) -> tuple[bytes, bytes]:
    """What it wrote, by channel: all of it, or up to some words."""
    out, errors = b"", b""
    async with asyncio.timeout(PATIENCE):
        while True:
            channel, piece = await shell.read()
            if channel is Channel.ERRORS:
                errors += piece
            else:
                out += piece
            if not piece or (until is not None and until in out):
                return out, errors


def a_number() -> str:
    """Seconds to sleep that nobody else on this machine sleeps: a process is found by its arguments."""
    return str(random.randrange(80_000_000, 90_000_000))  # noqa: S311 - no secret


async def gone(argument: str) -> bool:
    """Whether no process with that argument runs any more, soon."""
    for _ in range(100):
        if not processes(argument.encode()):
            return True
        await asyncio.sleep(0.05)
    return False


class ShellSuite:
    """Every runtime with shells passes all of it."""

    launch: Any

    @asynccontextmanager
    async def opened(self, runtime: Looked, images: TinyImages, request: ShellRequest) -> AsyncIterator[Shell]:
        """A shell in the module `tiny`, which waits."""
        image: ImageReference = await images.script(WAITS, env={"WORD": "of the image"})
        await self.launch(runtime, image)
        await until_logged(runtime, "tiny", b"ready\n")
        shell = await runtime.shell("tiny", request)
        try:
            yield shell
        finally:
            await shell.close()

    async def test_a_terminal_in_a_module_hears_and_answers(self, runtime: Looked, images: TinyImages) -> None:
        async with self.opened(runtime, images, ShellRequest(columns=100, rows=30, term="vt220")) as shell:
            await shell.write(b'stty size; echo "$WORD $TERM $((20+22))"\nexit 7\n')
            words, _ = await heard(shell)
            assert await shell.wait() == 7
        assert b"30 100" in words
        assert b"\r\nof the image vt220 42\r\n" in words

    async def test_a_terminal_is_told_of_its_new_size(self, runtime: Looked, images: TinyImages) -> None:
        async with self.opened(runtime, images, ShellRequest(("sh",))) as shell:
            await shell.write(b"trap 'echo wi''nch' WINCH; echo rea''dy\n")
            await heard(shell, until=b"ready")
            await shell.resize(132, 43)
            await shell.write(b"stty size; exit\n")
            words, _ = await heard(shell)
        assert b"43 132" in words

    async def test_the_end_of_what_a_person_types_ends_a_program_on_a_terminal(
        self, runtime: Looked, images: TinyImages
    ) -> None:
        async with self.opened(runtime, images, ShellRequest(("cat",))) as shell:
            await shell.write(b"one\n")
            await heard(shell, until=b"one\r\none\r\n")
            await shell.write_end()
            await heard(shell)
            assert await shell.wait() == 0

    async def test_a_program_without_a_terminal_has_an_end_of_input_and_outputs_of_their_own(
        self, runtime: Looked, images: TinyImages
    ) -> None:
        request = ShellRequest(("sh", "-c", "cat; echo to the side >&2; exit 3"), terminal=False)
        async with self.opened(runtime, images, request) as shell:
            await shell.write(b"\x00\x04bytes\r\n")
            await shell.write_end()
            assert await heard(shell) == (b"\x00\x04bytes\r\n", b"to the side\n")
            assert await shell.wait() == 3

    async def test_much_output_arrives_whole_however_slowly_it_is_taken(
        self, runtime: Looked, images: TinyImages
    ) -> None:
        request = ShellRequest(("sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; echo end"), terminal=False)
        async with self.opened(runtime, images, request) as shell:
            await asyncio.sleep(0.3)
            words, _ = await heard(shell)
            assert await shell.wait() == 0
        assert (len(words), words[-5:]) == (3_000_004, b"xend\n")

    @pytest.mark.parametrize("terminal", [True, False])
    async def test_a_shell_that_is_closed_leaves_nothing_of_what_it_started(
        self, runtime: Looked, images: TinyImages, terminal: bool
    ) -> None:
        first, second = a_number(), a_number()
        request = ShellRequest(("sh",), terminal=terminal)
        async with self.opened(runtime, images, request) as shell:
            await shell.write(f"(trap '' HUP; sleep {first}) & echo rea''dy; sleep {second}\n".encode())
            await heard(shell, until=b"ready")
            async with asyncio.timeout(PATIENCE):
                while not (processes(first.encode()) and processes(second.encode())):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        assert await gone(first)
        assert await gone(second)
        assert (await runtime.observe())[0].state == "running"

    async def test_what_a_program_left_behind_goes_when_its_shell_is_closed(
        self, runtime: Looked, images: TinyImages
    ) -> None:
        number = a_number()
        request = ShellRequest(("sh", "-c", f"sleep {number} >/dev/null 2>&1 </dev/null & sleep 0.3"), terminal=False)
        async with self.opened(runtime, images, request) as shell:
            await heard(shell)
            assert await shell.wait() == 0
        assert await gone(number)

    async def test_a_shell_ends_with_its_module(self, runtime: Looked, images: TinyImages) -> None:
        number = a_number()
        async with self.opened(runtime, images, ShellRequest(("sh", "-c", f"echo ready; sleep {number}"))) as shell:
            await heard(shell, until=b"ready")
            await runtime.stop("tiny", grace=1)
            await heard(shell)
            assert await gone(number)

    @pytest.mark.parametrize("terminal", [True, False])
    async def test_a_program_that_is_not_there_is_named(
        self, runtime: Looked, images: TinyImages, terminal: bool
    ) -> None:
        async def run() -> None:
            async with self.opened(runtime, images, ShellRequest(("no-such-shell",), terminal=terminal)) as shell:
                await heard(shell)
                await shell.wait()

        with pytest.raises(Problem) as caught:
            await run()
        assert caught.value.code == "shell-program-missing"
        assert "no-such-shell" in caught.value.title()
        assert caught.value.evidence

    async def test_a_program_that_fails_by_itself_is_no_missing_program(
        self, runtime: Looked, images: TinyImages
    ) -> None:
        for words in ("echo Error: tried; ", ""):
            request = ShellRequest(("sh", "-c", f"{words}exit 127"), terminal=False)
            async with self.opened(runtime, images, request) as shell:
                assert (await heard(shell))[0] == (b"Error: tried\n" if words else b"")
                assert await shell.wait() == 127

    async def test_a_module_that_does_not_run_has_no_shells(self, runtime: Looked, images: TinyImages) -> None:
        await self.launch(runtime, await images.script(WAITS), start=False)
        for module, code in (("tiny", "module-not-running"), ("nobody", "module-unknown")):
            with pytest.raises(Problem) as caught:
                await runtime.shell(module, ShellRequest())
            assert caught.value.code == code
