"""The contract of `hotori.runtimes.module_runtime.ModuleRuntime`, as tests that run on any runtime.

Subclass it in a test file and give two fixtures: `open_runtime`, which opens the runtime on the same place each
time it is called, and `images`, which publishes to a registry that the runtime pulls from.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from hotori.model.image_reference import ImageReference
from hotori.model.json import JsonObject
from hotori.model.platform import Platform
from hotori.problems import Problem
from hotori.runtimes.host import host_platform
from hotori.runtimes.module_runtime import ModuleLaunch, ModuleObservation, ModuleRuntime, ModuleState, ModuleUsage
from hotori.testing.registry_server import TinyImages

PATIENCE = 60.0
"""Seconds that a module gets to do what a test waits for."""
_PACE = 0.05
"""Seconds between two looks: an engine has much to do for each."""

WAITS = "trap 'exit 143' TERM\necho ready\nwhile :; do sleep 60 & wait; done\n"
FOREVER = "trap 'exit 143' TERM\necho ready\nsleep 86399 & wait\n"
STUBBORN = "trap '' TERM\necho ready\nwhile :; do sleep 60; done\n"


async def observed(runtime: ModuleRuntime, name: str) -> ModuleObservation:
    """The one module of that name."""
    return next(module for module in await runtime.observe() if module.name == name)


async def find(runtime: ModuleRuntime, name: str) -> ModuleState | None:
    """The module's state, None where it is not there."""
    return next((module.state for module in await runtime.observe() if module.name == name), None)


async def until_state(runtime: ModuleRuntime, name: str, state: ModuleState) -> ModuleObservation:
    """Wait until a module is in a state."""
    async with asyncio.timeout(PATIENCE):
        while (module := await observed(runtime, name)).state is not state:  # noqa: ASYNC110 - the port is looked at
            await asyncio.sleep(_PACE)
    return module


async def until_logged(runtime: ModuleRuntime, name: str, text: bytes) -> bytes:
    """Wait until a module has written something."""
    async with asyncio.timeout(PATIENCE):
        while text not in (log := await runtime.logs(name)):  # noqa: ASYNC110 - the port is looked at
            await asyncio.sleep(_PACE)
    return log


def processes(argument: bytes) -> list[int]:
    """Those of this machine with such an argument."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if argument in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


class RuntimeSuite:
    """Every runtime passes all of it."""

    @pytest.fixture
    def open_runtime(self) -> Callable[[], ModuleRuntime]:
        raise NotImplementedError("a subclass says how to open its runtime")

    @pytest.fixture
    def images(self) -> TinyImages:
        raise NotImplementedError("a subclass says where images are published")

    @pytest.fixture
    async def runtime(self, open_runtime: Callable[[], ModuleRuntime]) -> AsyncIterator[ModuleRuntime]:
        runtime = open_runtime()
        yield runtime
        await runtime.close()

    async def launch(
        self,
        runtime: ModuleRuntime,
        image: ImageReference,
        options: JsonObject | None = None,
        env: dict[str, str] | None = None,
        *,
        start: bool = True,
    ) -> None:
        """Pull, create and start the module `tiny`; a problem of its start shows in what is observed afterwards."""
        await runtime.pull(image, None)
        await runtime.create(ModuleLaunch("tiny", image, env or {}, options or {}, "fingerprint-1"))
        if start:
            with suppress(Problem):
                await runtime.start("tiny")

    async def test_a_pull_returns_the_digest_and_hears_of_progress(
        self, runtime: ModuleRuntime, images: TinyImages
    ) -> None:
        image = await images.script(WAITS)
        heard: list[tuple[int, int]] = []
        digest = await runtime.pull(image, None, lambda done, total: heard.append((done, total)))
        assert digest.startswith("sha256:")
        assert heard[-1][0] == heard[-1][1] > 0
        assert await runtime.pull(image.pinned(digest), None) == digest

    async def test_an_image_that_nobody_pushed_cannot_be_pulled(
        self, runtime: ModuleRuntime, images: TinyImages
    ) -> None:
        with pytest.raises(Problem) as caught:
            await runtime.pull(ImageReference.parse(f"{images.registry}/nobody:1"), None)
        assert caught.value.code == "image-not-found"

    async def test_a_created_module_is_observed_and_does_not_run(
        self, runtime: ModuleRuntime, images: TinyImages
    ) -> None:
        image = await images.script(WAITS)
        digest = await runtime.pull(image, None)
        await self.launch(runtime, image, start=False)
        assert await runtime.observe() == [
            ModuleObservation("tiny", ModuleState.CREATED, str(image), "fingerprint-1", image_digest=digest)
        ]

    async def test_a_module_cannot_be_created_from_an_image_that_is_not_here(
        self, runtime: ModuleRuntime, images: TinyImages
    ) -> None:
        image = ImageReference.parse(f"{images.registry}/never-pulled:1")
        with pytest.raises(Problem) as caught:
            await runtime.create(ModuleLaunch("tiny", image, {}))
        assert caught.value.code == "image-absent"
        assert await runtime.observe() == []

    async def test_a_started_module_runs_and_a_second_start_changes_nothing(
        self, runtime: ModuleRuntime, images: TinyImages
    ) -> None:
        await self.launch(runtime, await images.script(WAITS))
        first = await until_state(runtime, "tiny", ModuleState.RUNNING)
        await runtime.start("tiny")
        assert await observed(runtime, "tiny") == first
        assert first.started_at > 0

    async def test_a_second_create_of_the_same_spec_leaves_the_module_running(
        self, runtime: ModuleRuntime, images: TinyImages
    ) -> None:
        image = await images.script(WAITS)
        await self.launch(runtime, image)
        before = await until_state(runtime, "tiny", ModuleState.RUNNING)
        await self.launch(runtime, image)
        assert await observed(runtime, "tiny") == before

    async def test_a_module_that_ends_with_status_zero_is_stopped(
        self, runtime: ModuleRuntime, images: TinyImages
    ) -> None:
        await self.launch(runtime, await images.script("echo done\n"))
        ended = await until_state(runtime, "tiny", ModuleState.STOPPED)
        assert (ended.exit_code, ended.error) == (0, "")
        assert ended.exited_at >= ended.started_at > 0

    async def test_a_module_that_ends_with_another_status_has_failed(
        self, runtime: ModuleRuntime, images: TinyImages
    ) -> None:
        await self.launch(runtime, await images.script("exit 3\n"))
        assert (await until_state(runtime, "tiny", ModuleState.FAILED)).exit_code == 3

    async def test_a_module_that_a_signal_ended_has_failed_with_128_and_the_signal(
        self, runtime: ModuleRuntime, images: TinyImages
    ) -> None:
        # Process 1 of a container is safe from its own signals, so a child does it and its status is passed on.
        await self.launch(runtime, await images.script("sh -c 'kill -SEGV $$'\nexit $?\n"))
        assert (await until_state(runtime, "tiny", ModuleState.FAILED)).exit_code == 139

    async def test_what_happens_to_a_module_is_told_at_once(self, runtime: ModuleRuntime, images: TinyImages) -> None:
        changes = runtime.changes()
        assert await anext(changes) == ""
        await self.launch(runtime, await images.script("exit 3\n"))
        async with asyncio.timeout(PATIENCE):
            while (await find(runtime, "tiny")) != ModuleState.FAILED:
                assert await anext(changes) in ("tiny", "")
        await changes.aclose()  # type: ignore[attr-defined]

    async def test_what_a_module_writes_can_be_followed_to_its_end(
        self, runtime: ModuleRuntime, images: TinyImages, tmp_path: Path
    ) -> None:
        script = 'echo first\necho before\nuntil [ -e "$DATA/go" ]; do sleep 0.1; done\necho after\n'
        image = await images.script(script, env={"DATA": "/data"})
        (tmp_path / "shared").mkdir()
        await self.launch(runtime, image, {"HostConfig": {"Binds": [f"{tmp_path}/shared:/data"]}})
        await until_logged(runtime, "tiny", b"before\n")
        heard = b""
        async for piece in runtime.follow("tiny", 1):
            heard += piece
            (tmp_path / "shared" / "go").touch()
        assert heard == b"before\nafter\n"

    async def test_a_log_that_is_followed_since_a_runs_end_begins_with_the_next_run(
        self, runtime: ModuleRuntime, images: TinyImages
    ) -> None:
        await self.launch(runtime, await images.script("echo began\n" + WAITS))
        await until_logged(runtime, "tiny", b"ready\n")
        await runtime.stop("tiny")
        ended = (await observed(runtime, "tiny")).exited_at
        await runtime.start("tiny")
        following = runtime.follow("tiny", None, ended)
        heard = b""
        async with asyncio.timeout(PATIENCE):
            async for piece in following:
                heard += piece
                if b"ready" in heard:
                    await runtime.stop("tiny")
        assert heard == b"began\nready\n"

    async def test_a_log_that_is_followed_ends_with_a_run_however_soon_the_next_one_begins(
        self, runtime: ModuleRuntime, images: TinyImages
    ) -> None:
        await self.launch(runtime, await images.script("echo began\n" + WAITS))
        await until_logged(runtime, "tiny", b"ready\n")
        heard = b""
        async with asyncio.timeout(PATIENCE):
            async for piece in runtime.follow("tiny"):
                heard += piece
                if heard.endswith(b"ready\n"):
                    await runtime.stop("tiny")
                    await runtime.start("tiny")
        assert heard == b"began\nready\n"

    async def test_a_log_waits_for_whoever_follows_it_slowly(self, runtime: ModuleRuntime, images: TinyImages) -> None:
        lines = "i=0; while [ $i -lt 6000 ]; do echo $i; i=$((i+1)); done\n"
        await self.launch(runtime, await images.script("sleep 1\n" + lines))
        heard = b""
        async with asyncio.timeout(PATIENCE):
            async for piece in runtime.follow("tiny"):
                heard += piece
                await asyncio.sleep(0.01 if len(heard) < 2000 else 0)
        assert heard.split() == [str(number).encode() for number in range(6000)]

    async def test_what_a_module_takes_is_measured(self, runtime: ModuleRuntime, images: TinyImages) -> None:
        image = await images.script("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done\n" + WAITS)
        await self.launch(runtime, image)
        await until_logged(runtime, "tiny", b"ready\n")
        taken = await runtime.usage("tiny")
        assert 1 << 14 < taken.memory < 64 << 20
        assert 0 < taken.processor < 60
        assert taken.processes >= 1
        await runtime.stop("tiny")
        assert await runtime.usage("tiny") == ModuleUsage()

    async def test_a_process_is_the_modules_or_it_is_not(self, runtime: ModuleRuntime, images: TinyImages) -> None:
        await self.launch(runtime, await images.script(FOREVER))
        await until_logged(runtime, "tiny", b"ready")
        async with asyncio.timeout(PATIENCE):
            while not (found := processes(b"86399")):  # noqa: ASYNC110 - a shell starts it
                await asyncio.sleep(0.01)
        # Others on this machine may run the same test.
        assert any([await runtime.owns("tiny", pid) for pid in found])
        assert not await runtime.owns("tiny", os.getpid())
        assert not await runtime.owns("other", found[0])

    async def test_both_streams_of_a_module_are_in_its_logs(self, runtime: ModuleRuntime, images: TinyImages) -> None:
        await self.launch(runtime, await images.script("echo out\necho err >&2\necho last\n"))
        await until_state(runtime, "tiny", ModuleState.STOPPED)
        # Engines read the two streams separately, so only lines of one stream have an order.
        log = (await runtime.logs("tiny")).splitlines(keepends=True)
        assert sorted(log) == [b"err\n", b"last\n", b"out\n"]
        assert log.index(b"out\n") < log.index(b"last\n")
        assert await runtime.logs("tiny", tail=1) == log[-1]
        assert await runtime.logs("tiny", tail=0) == b""

    async def test_a_log_is_kept_within_the_size_that_the_options_give(
        self, runtime: ModuleRuntime, images: TinyImages
    ) -> None:
        config: JsonObject = {"Type": "json-file", "Config": {"max-size": "20k", "max-file": "2"}}
        image = await images.script("seq 10000 20000\n" + WAITS)
        await self.launch(runtime, image, {"HostConfig": {"LogConfig": config}})
        log = await until_logged(runtime, "tiny", b"20000\nready\n")
        assert log.endswith(b"ready\n")
        assert len(log) < 40_000 < len(b"12345\n") * 10_001

    async def test_logs_of_a_module_that_is_not_there_are_a_problem(self, runtime: ModuleRuntime) -> None:
        with pytest.raises(Problem) as caught:
            await runtime.logs("nobody")
        assert caught.value.code == "module-unknown"

    async def test_the_environment_is_the_images_then_the_launchs_then_that_of_create_options(
        self, runtime: ModuleRuntime, images: TinyImages
    ) -> None:
        image = await images.script('echo "$A $B $C"\n', env={"A": "image", "B": "image", "C": "image"})
        options: JsonObject = {"Env": ["C=options"]}
        await self.launch(runtime, image, options, {"B": "launch", "C": "launch"})
        await until_state(runtime, "tiny", ModuleState.STOPPED)
        assert await runtime.logs("tiny") == b"image launch options\n"

    async def test_create_options_replace_the_command(self, runtime: ModuleRuntime, images: TinyImages) -> None:
        other = '#!/bin/sh\nfor word; do echo "[$word]"; done\n'
        image = await images.script("echo wrong\n", more={"other.sh": other})
        await self.launch(runtime, image, {"Entrypoint": ["/app/other.sh", "x"], "Cmd": ["a b", "c"]})
        await until_state(runtime, "tiny", ModuleState.STOPPED)
        assert await runtime.logs("tiny") == b"[x]\n[a b]\n[c]\n"

    async def test_a_bound_folder_is_shared_with_the_host(
        self, runtime: ModuleRuntime, images: TinyImages, tmp_path: Path
    ) -> None:
        image = await images.script('echo hello > "$DATA/from-module"\n', env={"DATA": "/data"})
        await self.launch(runtime, image, {"HostConfig": {"Binds": [f"{tmp_path}/shared:/data:rw"]}})
        await until_state(runtime, "tiny", ModuleState.STOPPED)
        assert (tmp_path / "shared" / "from-module").read_text() == "hello\n"

    async def test_create_options_of_a_wrong_type_are_refused_with_their_place(
        self, runtime: ModuleRuntime, images: TinyImages
    ) -> None:
        image = await images.script(WAITS)
        with pytest.raises(Problem) as caught:
            await self.launch(runtime, image, {"Cmd": "python3 -V"})
        assert (caught.value.code, caught.value.values["pointer"]) == ("create-options-invalid", "/Cmd")

    async def test_a_stopped_module_is_stopped_and_may_be_stopped_again(
        self, runtime: ModuleRuntime, images: TinyImages
    ) -> None:
        await self.launch(runtime, await images.script(WAITS))
        await until_logged(runtime, "tiny", b"ready\n")
        await runtime.stop("tiny")
        assert (await observed(runtime, "tiny")).state is ModuleState.STOPPED
        await runtime.stop("tiny")
        assert (await observed(runtime, "tiny")).state is ModuleState.STOPPED

    async def test_a_module_that_does_not_listen_is_ended_after_the_grace(
        self, runtime: ModuleRuntime, images: TinyImages
    ) -> None:
        await self.launch(runtime, await images.script(STUBBORN))
        await until_logged(runtime, "tiny", b"ready\n")
        await runtime.stop("tiny", grace=0.2)
        ended = await observed(runtime, "tiny")
        assert (ended.state, ended.exit_code) == (ModuleState.STOPPED, 137)

    async def test_a_crashed_module_starts_again_and_its_logs_go_on(
        self, runtime: ModuleRuntime, images: TinyImages
    ) -> None:
        script = '[ -e "$DATA/seen" ] && echo again && exit 0\necho first\ntouch "$DATA/seen"\nexit 7\n'
        image = await images.script(script, env={"DATA": "/data"})
        await self.launch(runtime, image, {"HostConfig": {"Binds": ["kept:/data"]}})
        assert (await until_state(runtime, "tiny", ModuleState.FAILED)).exit_code == 7
        await runtime.start("tiny")
        assert (await until_state(runtime, "tiny", ModuleState.STOPPED)).exit_code == 0
        assert await runtime.logs("tiny") == b"first\nagain\n"

    async def test_a_removed_module_is_gone_and_its_image_stays(
        self, runtime: ModuleRuntime, images: TinyImages
    ) -> None:
        image = await images.script(WAITS)
        await self.launch(runtime, image)
        await runtime.stop("tiny")
        await runtime.remove("tiny")
        await runtime.remove("tiny")
        assert await runtime.observe() == []
        await runtime.create(ModuleLaunch("tiny", image, {}))
        assert (await observed(runtime, "tiny")).state is ModuleState.CREATED

    async def test_a_program_that_is_not_there_fails_with_the_runtimes_words(
        self, runtime: ModuleRuntime, images: TinyImages
    ) -> None:
        await self.launch(runtime, await images.publish({"x": "y"}, entrypoint=("/app/no-such-program",)))
        failed = await until_state(runtime, "tiny", ModuleState.FAILED)
        assert failed.exit_code == 127
        assert "/app/no-such-program" in failed.error
        assert "no such file or directory" in failed.error

    async def test_a_script_that_does_not_name_its_interpreter_leaves_the_kernels_words(
        self, runtime: ModuleRuntime, images: TinyImages
    ) -> None:
        image = await images.publish({"run": b"echo hello\n"}, entrypoint=("/app/run",))
        await self.launch(runtime, image)
        await until_state(runtime, "tiny", ModuleState.FAILED)
        assert b"exec /app/run: exec format error" in await runtime.logs("tiny")

    async def test_an_image_for_another_processor_is_not_made_into_a_module(
        self, runtime: ModuleRuntime, images: TinyImages
    ) -> None:
        other = Platform("arm64" if host_platform().architecture == "amd64" else "amd64")
        image = await images.script(WAITS, platform=other)
        with pytest.raises(Problem) as caught:
            await self.launch(runtime, image)
        assert caught.value.code == "image-wrong-platform"
        assert str(other) in caught.value.title()
        assert str(host_platform()) in caught.value.title()
        assert await runtime.observe() == []

    async def test_a_runtime_that_was_closed_and_opened_finds_its_modules(
        self, open_runtime: Callable[[], ModuleRuntime], images: TinyImages
    ) -> None:
        runtime = open_runtime()
        await self.launch(runtime, await images.script(WAITS))
        await until_logged(runtime, "tiny", b"ready\n")
        await runtime.close()
        again = open_runtime()
        found = await observed(again, "tiny")
        assert (found.state, found.fingerprint) == (ModuleState.STOPPED, "fingerprint-1")
        assert await again.logs("tiny") == b"ready\n"
        await again.close()
