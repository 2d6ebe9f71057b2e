"""What engines forget and an agent must know: why a start failed, whether an ending was wished for, what a tag was."""

from __future__ import annotations

import asyncio
import os
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

_NOTHING_HERE = (FileNotFoundError, msgspec.MsgspecError)


@dataclass(frozen=True, slots=True)
class Note:
    """Of one container. `stopped`: its last ending was wished for. `error`: why its last start failed, at `failed_at`
    (Unix seconds) with `exit_code`. `out_of_memory` is None until it was looked into."""

    stopped: bool = False
    error: str = ""
    exit_code: int = 0
    failed_at: float = 0.0
    out_of_memory: bool | None = None


@dataclass(slots=True)
class _Book:
    containers: dict[str, Note] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)


class EngineNotes:
    """A small file that is replaced whole with each change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._book: _Book | None = None
        self._writing = asyncio.Lock()

    def note(self, container: str) -> Note:
        return self._read().containers.get(container, Note())

    def digest(self, reference: str) -> str:
        """The digest that the reference was pulled as, empty where it never was."""
        return self._read().digests.get(reference, "")

    async def change(self, container: str, **changes: Any) -> None:
        """Change the container's note; nothing is written where it says so already."""
        before = self.note(container)
        after = replace(before, **changes)
        if after != before:
            self._read().containers[container] = after
            await self._write()

    async def pulled(self, reference: str, digest: str) -> None:
        if self.digest(reference) != digest:
            self._read().digests[reference] = digest
            await self._write()

    async def forget(self, container: str) -> None:
        if self._read().containers.pop(container, None):
            await self._write()

    def _read(self) -> _Book:
        if self._book is None:
            try:
                self._book = msgspec.json.decode(self._path.read_bytes(), type=_Book)
            except _NOTHING_HERE:
                self._book = _Book()
        return self._book

    async def _write(self) -> None:
        async with self._writing:
            await asyncio.to_thread(self._replace, msgspec.json.encode(self._read()))

    def _replace(self, content: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}-")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(self._path)
