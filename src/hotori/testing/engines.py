"""Real container engines for tests, each in a folder of its own, which ends without a trace."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

_PATIENCE = 30.0


class EngineMissingError(Exception):
    """There can be no such engine on this machine; the text says why."""


@dataclass(frozen=True, slots=True)
class TestEngine:
    """An engine that runs: its address, and the programs' folder. It takes plain HTTP from `registry`."""

    __test__ = False

    name: str
    address: str
    folder: Path
    process: int


@contextmanager
def dockerd(folder: Path, settings: Mapping[str, object] | None = None) -> Iterator[TestEngine]:
    """A dockerd of its own, without a default network. It takes plain HTTP from loopback addresses by itself."""
    daemon = Dockerd(folder, settings)
    try:
        yield daemon.start()
    finally:
        daemon.end()


class Dockerd:
    """A dockerd that can be killed and started again. `wrapper` is a command that runs it, such as one that enters a
    network namespace."""

    def __init__(self, folder: Path, settings: Mapping[str, object] | None = None, wrapper: Sequence[str] = ()) -> None:
        self.folder, self._settings, self._wrapper = folder, settings or {}, wrapper
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = f"{folder}/docker.sock"

    def start(self) -> TestEngine:
        """Raises EngineMissingError where it cannot be."""
        document = {
            "data-root": f"{self.folder}/data",
            "exec-root": f"{self.folder}/run",
            "pidfile": f"{self.folder}/docker.pid",
            "hosts": [f"unix://{self._socket}"],
            "bridge": "none",
            "default-address-pools": [{"base": "172.31.0.0/16", "size": 24}],
            **self._settings,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "daemon.json").write_text(json.dumps(document))
        command = [*self._wrapper, _program("dockerd"), "--config-file", f"{self.folder}/daemon.json"]
        log = self.folder / "docker.log"
        self._process = _start(command, log, {})
        _await_ready(self._socket, self._process, log)
        return TestEngine("docker", f"unix://{self._socket}", self.folder, self._process.pid)

    def kill(self) -> None:
        """As a fault would: containers run on. Its containerd must have gone before another can start."""
        if self._process is not None:
            containerd = Path("/proc", (self.folder / "run/containerd/containerd.pid").read_text().strip())
            self._process.kill()
            self._process.wait(_PATIENCE)
            deadline = time.monotonic() + _PATIENCE
            while containerd.exists() and time.monotonic() < deadline:
                time.sleep(0.05)

    def end(self) -> None:
        """With its containers and networks, and all that it mounted. Harmless where it does not run."""
        if self._process is not None:
            _end(self._process, self._socket, self.folder)


@contextmanager
def podman(folder: Path, registries: Sequence[str]) -> Iterator[TestEngine]:
    """A podman service of its own. `registries` are those that speak plain HTTP.

    The limits are those that a container of somebody without CAP_SYS_RESOURCE can have; without systemd, cgroups
    and events are podman's own affair.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "containers.conf").write_text(_CONTAINERS_CONF.format(folder=folder))
    storage = f'[storage]\ndriver="overlay"\ngraphroot="{folder}/graph"\nrunroot="{folder}/run"\n'
    (folder / "storage.conf").write_text(storage)
    entries = [f'[[registry]]\nlocation="{address}"\ninsecure=true\n' for address in registries]
    (folder / "registries.conf").write_text("unqualified-search-registries=[]\n" + "".join(entries))
    environment = {
        "CONTAINERS_CONF": f"{folder}/containers.conf",
        "CONTAINERS_STORAGE_CONF": f"{folder}/storage.conf",
        "CONTAINERS_REGISTRIES_CONF": f"{folder}/registries.conf",
    }
    command = [_program("podman"), "system", "service", "-t", "0", f"unix://{folder}/podman.sock"]
    with _engine("podman", command, folder, f"{folder}/podman.sock", environment) as engine:
        yield engine


_CONTAINERS_CONF = """\
[containers]
default_ulimits=["nofile=16384:16384","nproc=32768:32768"]
log_driver="k8s-file"
[network]
network_backend="netavark"
network_config_dir="{folder}/networks"
[engine]
cgroup_manager="cgroupfs"
events_logger="file"
runtime="runc"
volume_path="{folder}/volumes"
tmp_dir="{folder}/tmp"
"""


def _program(name: str) -> str:
    if os.getuid() != 0:
        raise EngineMissingError(f"{name} is started as root only")
    if (found := shutil.which(name)) is None:
        raise EngineMissingError(f"this machine has no {name}; tools/system-packages installs it")
    return found


@contextmanager
def _engine(
    name: str, command: Sequence[str], folder: Path, path: str, environment: Mapping[str, str]
) -> Iterator[TestEngine]:
    log = folder / f"{name}.log"
    process = _start(command, log, environment)
    try:
        _await_ready(path, process, log)
        yield TestEngine(name, f"unix://{path}", folder, process.pid)
    finally:
        _end(process, path, folder)


def _end(process: subprocess.Popen[bytes], path: str, folder: Path) -> None:
    """End an engine, which may be dead already, and what it left: nothing runs or stays mounted in its folder."""
    with suppress(httpx.HTTPError), _client(path) as client:
        _clear(client)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(_PATIENCE)
    _kill_left_over(folder)
    _unmount_below(folder)


def _kill_left_over(folder: Path) -> None:
    """Whatever names the folder in its command: shims and watchers of containers, with what they watch.

    Podman's watchers of programs in containers wait for five minutes more, and clean up then: in a folder that is
    long gone, which they mount anew.
    """
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if any(word.startswith(f"{folder}/".encode()) for word in words):
                watched = [each for task in path.parent.glob("task/*/children") for each in task.read_text().split()]
                for number in (path.parent.name, *watched):
                    os.kill(int(number), signal.SIGKILL)


def _start(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    # Tests that are killed take the engine with them. Podman leaves files in the folder in which it is started.
    command = [_program("setpriv"), "--pdeathsig", "TERM", *command]
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            cwd=log.parent,
            env={**os.environ, **environment},
            start_new_session=True,
        )


def _client(path: str) -> httpx.Client:
    return httpx.Client(transport=httpx.HTTPTransport(uds=path), base_url="http://engine", timeout=60.0)


def _await_ready(path: str, process: subprocess.Popen[bytes], log: Path) -> None:
    _await_listener(path, process, log)
    try:
        with _client(path) as client:
            client.get("/_ping").raise_for_status()
    except httpx.HTTPError as error:
        raise _not_started(log) from error


def _await_listener(path: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(path) == 0:
                return
        time.sleep(0.05)
    raise _not_started(log)


def _not_started(log: Path) -> EngineMissingError:
    last = log.read_text(errors="replace").splitlines()[-5:]
    return EngineMissingError(f"it does not start here: {' | '.join(last)}")


def _clear(client: httpx.Client) -> None:
    """Containers and networks would leave processes and interfaces on this machine."""
    for container in client.get("/containers/json", params={"all": "true"}).raise_for_status().json():
        client.delete(f"/containers/{container['Id']}", params={"force": "true", "v": "true"})
    for network in client.get("/networks").raise_for_status().json():
        client.delete(f"/networks/{network['Name']}")


def _unmount_below(folder: Path) -> None:
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in sorted((path for path in mounts if path.startswith(f"{folder}/")), reverse=True):
        subprocess.run([shutil.which("umount") or "umount", "--lazy", mount], check=False)
