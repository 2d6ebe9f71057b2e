"""The sockets of the workload API: one for each module, in a folder that only their owner can enter.

Each has a folder of its own below that one: a container is given the folder, so that it finds the socket again
which a later agent makes, and any user inside it may call.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from hotori.edge.workload import WorkloadApi, WorkloadSources
from hotori.net.http import HttpServer
from hotori.net.ports import bind_unix
from hotori.problems import Problem, Words
from hotori.problems.storage import FILE_UNREADABLE

_LONGEST_PATH = 107
_NOT_OURS = Words("it is not a folder of ours that is closed to others", "他者に閉じた自分のフォルダーではありません")
_SOCKET = "workload.sock"
_LONGEST_NAME = len("/" + "x" * 32 + "/" + _SOCKET)


def socket_path(data: Path) -> Path:
    """Where the sockets of the device with this data folder are: in it, or in a short folder where its path is long.

    Unix sockets have paths of 107 bytes at most. The short folder is the same in every life of the device, so
    that modules that outlive the agent find it again.
    """
    folder = data.absolute() / "run"
    if len(os.fsencode(folder)) + _LONGEST_NAME <= _LONGEST_PATH:
        return folder
    mark = hashlib.sha256(os.fsencode(data.absolute())).hexdigest()[:16]
    return Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"hotori-{os.getuid()}-{mark}"


def socket_folder(data: Path) -> Path:
    """The folder of `socket_path`, made where it is missing; it must be ours and closed to others."""
    folder = socket_path(data)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise Problem(FILE_UNREADABLE, path=folder, reason=_NOT_OURS)
    return folder


class WorkloadSockets:
    """Opens and closes the modules' sockets."""

    def __init__(self, folder: Path, sources: WorkloadSources) -> None:
        self._folder, self._sources = folder, sources
        self._servers: dict[str, HttpServer] = {}

    def uri(self, module: str) -> str:
        """What the module finds in `IOTEDGE_WORKLOADURI`."""
        return f"unix://{self._path(module)}"

    def folder(self, module: str) -> str:
        """The folder of the host that the module must see, under the same path."""
        return str(self._path(module).parent)

    async def serve(self, modules: Iterable[str]) -> None:
        """Answer exactly these modules from now on."""
        wanted = set(modules)
        for module in wanted - self._servers.keys():
            await self._open(module)
        gone = self._servers.keys() - wanted
        for module in gone:
            self._path(module).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                self._path(module).parent.rmdir()
        await asyncio.gather(*(self._servers.pop(module).stop() for module in gone))

    async def close(self) -> None:
        """Answer nobody any more, and leave nothing behind."""
        await self.serve(())
        with contextlib.suppress(OSError):
            self._folder.rmdir()

    async def _open(self, module: str) -> None:
        path = self._path(module)
        path.parent.mkdir(mode=0o755, exist_ok=True)
        listener = bind_unix(path)
        # Nobody of this machine gets past the outer folder; whoever is in the module's container may call.
        path.chmod(0o666)
        server = HttpServer(WorkloadApi(module, self._sources).app(), listener)
        self._servers[module] = server
        await server.start()

    def _path(self, module: str) -> Path:
        name = module if len(module) <= 24 else hashlib.sha256(module.encode()).hexdigest()[:32]
        return self._folder / name / _SOCKET
