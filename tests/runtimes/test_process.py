"""The process runtime keeps the contract of every runtime, and has a few promises of its own."""

from __future__ import annotations

import asyncio
import os
import struct
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import uvloop

from hotori.images.image_store import ImageStore
from hotori.problems import Problem
from hotori.runtimes.host import host_platform
from hotori.runtimes.local_image import PYTHON_LABEL
from hotori.runtimes.module_runtime import ModuleLaunch, ModuleState
from hotori.runtimes.process import ProcessRuntime
from hotori.runtimes.process_mark import ProcessMark
from hotori.runtimes.process_module import _Output
from hotori.runtimes.program import elf_interpreter
from hotori.testing.registry_server import TinyImages, registry_server
from hotori.testing.runtime_suite import WAITS, RuntimeSuite, observed, until_logged, until_state
from hotori.testing.shell_suite import ShellSuite

PYTHON = Path(sys.executable).resolve().read_bytes()[:4096]
PYTHONPATH = {"PYTHONPATH": "/app/packages"}


class TestProcessRuntime(ShellSuite, RuntimeSuite):
    @pytest.fixture
    def open_runtime(self, tmp_path: Path) -> Callable[[], ProcessRuntime]:
        return lambda: ProcessRuntime(tmp_path / "runtime", ImageStore(tmp_path / "images"))

    @pytest.fixture
    async def images(self, tmp_path: Path) -> AsyncIterator[TinyImages]:  # type: ignore[override]
        async with registry_server(tmp_path / "registry") as registry:
            yield TinyImages(registry.address, tmp_path / "sources")

    async def test_a_module_runs_on_the_hosts_python_without_the_hosts_packages(
        self, runtime: ProcessRuntime, images: TinyImages
    ) -> None:
        script = "import sys, mine\nprint(sys.version_info[:2], mine.WORD, [p for p in sys.path if 'site-pack' in p])\n"
        files = {"main.py": script, "packages/mine.py": "WORD = 'from the image'\n"}
        image = await images.publish(files, entrypoint=("/usr/local/bin/python3", "/app/main.py"), env=PYTHONPATH)
        await self.launch(runtime, image)
        await until_state(runtime, "tiny", ModuleState.STOPPED)
        expected = f"{sys.version_info[:2]} from the image []\n"
        assert (await runtime.logs("tiny")).decode() == expected

    async def test_images_are_listed_and_removed_unless_they_are_used(
        self, runtime: ProcessRuntime, images: TinyImages
    ) -> None:
        image = await images.script(WAITS, name="shelf")
        await self.launch(runtime, image)
        (held,) = await runtime.images()
        assert (held.names, held.used, held.size > 0) == ((str(image),), True, True)
        with pytest.raises(Problem) as caught:
            await runtime.remove_image(held.identifier)
        assert caught.value.code == "engine-refused"
        await runtime.stop("tiny")
        await runtime.remove("tiny")
        await runtime.remove_image(held.identifier)
        await runtime.remove_image(held.identifier)
        assert await runtime.images() == []

    async def test_a_module_does_not_see_the_agents_environment(
        self, runtime: ProcessRuntime, images: TinyImages, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AGENTS_SECRET", "hunter2")
        await self.launch(runtime, await images.publish({"main.py": "import os\nprint(dict(os.environ))\n"}))
        await until_state(runtime, "tiny", ModuleState.STOPPED)
        log = await runtime.logs("tiny")
        assert b"AGENTS_SECRET" not in log
        assert b"'HOME'" in log

    async def test_a_script_says_with_its_first_line_what_runs_it(
        self, runtime: ProcessRuntime, images: TinyImages
    ) -> None:
        files = {"run": '#!/bin/sh\nexec ./inner "$1"\n', "inner": '#!/usr/bin/env sh\necho "got $1 in $PWD"\n'}
        await self.launch(runtime, await images.publish(files, entrypoint=("/app/run", "word")))
        await until_state(runtime, "tiny", ModuleState.STOPPED)
        assert (await runtime.logs("tiny")).startswith(b"got word in ")

    async def test_a_python_script_runs_on_the_hosts_python(self, runtime: ProcessRuntime, images: TinyImages) -> None:
        files = {"run": "#!/usr/bin/env python3\nimport sys\nprint(sys.argv[1], sys.flags.no_site)\n"}
        await self.launch(runtime, await images.publish(files, entrypoint=("./run", "word")))
        await until_state(runtime, "tiny", ModuleState.STOPPED)
        assert await runtime.logs("tiny") == b"word 1\n"

    async def test_what_a_module_started_ends_with_it(self, runtime: ProcessRuntime, images: TinyImages) -> None:
        script = (
            "import subprocess, sys\n"
            "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
            "print(child.pid, flush=True)\n"
        )
        await self.launch(runtime, await images.publish({"main.py": script}))
        await until_state(runtime, "tiny", ModuleState.STOPPED)
        assert ProcessMark.of(int(await runtime.logs("tiny"))) is None

    async def test_modules_of_one_image_do_not_share_what_they_write(
        self, runtime: ProcessRuntime, images: TinyImages
    ) -> None:
        script = "import pathlib\nseen = pathlib.Path('seen')\nprint(seen.exists())\nseen.touch()\n"
        image = await images.publish({"main.py": script})
        await runtime.pull(image, None)
        for name in ("one", "two"):
            await runtime.create(ModuleLaunch(name, image, {}))
            await runtime.start(name)
            await until_state(runtime, name, ModuleState.STOPPED)
            assert await runtime.logs(name) == b"False\n"

    async def test_a_mislabelled_program_for_another_processor_is_told_from_a_script_without_interpreter(
        self, runtime: ProcessRuntime, images: TinyImages
    ) -> None:
        machine, name = (183, "arm64") if host_platform().architecture == "amd64" else (62, "amd64")
        program = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack("<HH", 2, machine)
        await self.launch(runtime, await images.publish({"run": program}, entrypoint=("/app/run",)), start=False)
        with pytest.raises(Problem) as caught:
            await runtime.start("tiny")
        assert (caught.value.code, caught.value.values["found"]) == ("module-program-wrong-cpu", name)
        assert caught.value.evidence == ("exec /app/run: exec format error",)
        assert (await until_state(runtime, "tiny", ModuleState.FAILED)).error == caught.value.evidence[0]

    @pytest.mark.parametrize(
        ("program", "code", "interpreter"),
        [
            (b"#!/usr/bin/no-such-shell\necho\n", "module-interpreter-missing", "/usr/bin/no-such-shell"),
            (b"#!/bin/sh\r\necho\r\n", "module-interpreter-missing", "/bin/sh\\r"),
            (b"#!\necho\n", "module-interpreter-missing", "#!"),
            (b"echo hello\n", "module-script-without-interpreter", None),
        ],
    )
    async def test_a_script_that_cannot_run_says_why(
        self, runtime: ProcessRuntime, images: TinyImages, program: bytes, code: str, interpreter: str | None
    ) -> None:
        await self.launch(runtime, await images.publish({"run": program}, entrypoint=("/app/run",)), start=False)
        with pytest.raises(Problem) as caught:
            await runtime.start("tiny")
        assert (caught.value.code, caught.value.values.get("interpreter")) == (code, interpreter)

    async def test_a_program_whose_loader_is_not_on_this_machine_says_which(
        self, runtime: ProcessRuntime, images: TinyImages
    ) -> None:
        loader = elf_interpreter(PYTHON)
        assert loader is not None
        program = PYTHON.replace(loader.encode(), b"/lib/ld-musl-x.so".ljust(len(loader), b"9"))
        await self.launch(runtime, await images.publish({"run": program}, entrypoint=("/app/run",)), start=False)
        with pytest.raises(Problem) as caught:
            await runtime.start("tiny")
        assert caught.value.code == "module-interpreter-missing"
        assert caught.value.values["interpreter"].startswith("/lib/ld-musl-x.so")

    async def test_a_file_without_execute_permission_is_named(
        self, runtime: ProcessRuntime, images: TinyImages
    ) -> None:
        image = await images.publish({"notes.txt": "not a program"}, entrypoint=("/app/notes.txt",))
        await self.launch(runtime, image, start=False)
        with pytest.raises(Problem) as caught:
            await runtime.start("tiny")
        assert (caught.value.code, caught.value.evidence) == (
            "module-program-not-executable",
            ('exec: "/app/notes.txt": permission denied',),
        )
        assert (await until_state(runtime, "tiny", ModuleState.FAILED)).exit_code == 126

    async def test_a_program_that_is_nowhere_in_the_path_is_named(
        self, runtime: ProcessRuntime, images: TinyImages
    ) -> None:
        await self.launch(runtime, await images.publish({"x": "y"}, entrypoint=("no-such-tool",)), start=False)
        with pytest.raises(Problem) as caught:
            await runtime.start("tiny")
        assert (caught.value.code, caught.value.evidence) == (
            "module-program-missing",
            ('exec: "no-such-tool": executable file not found in $PATH',),
        )

    async def test_an_image_with_nothing_to_run_is_refused(self, runtime: ProcessRuntime, images: TinyImages) -> None:
        with pytest.raises(Problem) as caught:
            await self.launch(runtime, await images.publish({"x": "y"}, entrypoint=()))
        assert caught.value.code == "module-without-command"

    @pytest.mark.parametrize(
        ("labels", "entrypoint"), [({PYTHON_LABEL: "3.9"}, ("python3",)), ({}, ("/usr/bin/python3.9",))]
    )
    async def test_an_image_for_another_python_is_refused_with_both_versions(
        self, runtime: ProcessRuntime, images: TinyImages, labels: dict[str, str], entrypoint: tuple[str, ...]
    ) -> None:
        image = await images.publish({"x": "y"}, labels=labels, entrypoint=entrypoint)
        await runtime.pull(image, None)
        with pytest.raises(Problem) as caught:
            await create_and_start(runtime, ModuleLaunch("tiny", image, {}))
        assert (caught.value.code, caught.value.values["wanted"]) == ("image-wrong-python", "3.9")

    async def test_a_folder_that_cannot_be_bound_is_named(self, runtime: ProcessRuntime, images: TinyImages) -> None:
        image = await images.script(WAITS)
        with pytest.raises(Problem) as caught:
            await self.launch(runtime, image, {"HostConfig": {"Binds": ["/dev/null/folder:/data"]}})
        assert (caught.value.code, caught.value.values["path"]) == ("file-unreadable", "/dev/null/folder")
        assert await runtime.observe() == []

    async def test_a_module_on_a_full_disk_is_told_so(
        self, images: TinyImages, tmp_path: Path, small_disk: Path
    ) -> None:
        """The image lies on another disk, so its files are copied, and there is no room for them."""
        runtime = ProcessRuntime(small_disk / "runtime", ImageStore(tmp_path / "images"))
        image = await images.script(WAITS, more={"big": os.urandom(2 << 20)})
        with pytest.raises(Problem) as caught:
            await self.launch(runtime, image)
        assert caught.value.code == "disk-full"
        assert await runtime.observe() == []
        await runtime.close()

    async def test_a_module_that_outlived_its_agent_is_ended_by_the_next_one(
        self, open_runtime: Callable[[], ProcessRuntime], images: TinyImages, tmp_path: Path
    ) -> None:
        image = await images.script("echo $$\n" + WAITS)
        folders = (str(tmp_path / "runtime"), str(tmp_path / "images"))
        script = str(Path(__file__).with_name("agent_that_dies.py"))
        agent = await asyncio.create_subprocess_exec(
            sys.executable, script, *folders, str(image), stdout=asyncio.subprocess.PIPE
        )
        assert agent.stdout is not None
        assert await agent.stdout.readline() == b"module runs\n"
        agent.kill()
        await agent.communicate()
        pid = int((tmp_path / "runtime/modules/tiny/log").read_bytes().split()[0])
        assert ProcessMark.of(pid) is not None

        runtime = open_runtime()
        found = await observed(runtime, "tiny")
        assert (found.state, found.error) == (ModuleState.FAILED, "the agent ended before the module did")
        assert ProcessMark.of(pid) is None
        await runtime.start("tiny")
        await until_state(runtime, "tiny", ModuleState.RUNNING)
        await runtime.close()

    async def test_a_folder_that_was_not_finished_is_cleared_away(
        self, open_runtime: Callable[[], ProcessRuntime], tmp_path: Path
    ) -> None:
        (tmp_path / "runtime/modules/half/rootfs").mkdir(parents=True)
        runtime = open_runtime()
        assert await runtime.observe() == []
        assert not (tmp_path / "runtime/modules/half").exists()
        await runtime.close()


async def create_and_start(runtime: ProcessRuntime, launch: ModuleLaunch) -> None:
    await runtime.create(launch)
    await runtime.start(launch.name)


def test_the_runtime_works_on_uvloop(tmp_path: Path) -> None:
    async def scenario() -> bytes:
        async with registry_server(tmp_path / "registry") as registry:
            images = TinyImages(registry.address, tmp_path / "sources")
            runtime = ProcessRuntime(tmp_path / "runtime", ImageStore(tmp_path / "images"))
            image = await images.script(WAITS)
            await RuntimeSuite().launch(runtime, image)
            await until_logged(runtime, "tiny", b"ready\n")
            await runtime.stop("tiny")
            log = await runtime.logs("tiny")
            await runtime.close()
            return log

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(scenario()) == b"ready\n"


def test_closing_a_modules_output_leaves_alone_what_other_threads_have_open() -> None:
    """uvloop's own pipe transports do not: they close a descriptor twice."""
    faults: list[OSError] = []
    done = threading.Event()

    def open_and_close() -> None:
        while not done.is_set():
            descriptor = os.open("/dev/null", os.O_RDONLY)
            try:
                os.read(descriptor, 1)
                os.close(descriptor)
            except OSError as error:
                faults.append(error)

    async def outputs() -> None:
        for _ in range(2000):
            output, write_end = _Output.open()
            os.close(write_end)
            assert await output.reader.read() == b""
            output.close()

    threads = [threading.Thread(target=open_and_close) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        uvloop.run(outputs())
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not faults
