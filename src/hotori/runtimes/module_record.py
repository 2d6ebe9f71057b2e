"""What the process runtime remembers of a module across its own restarts."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from hotori.runtimes.module_runtime import ModuleObservation, ModuleState
from hotori.runtimes.process_mark import ProcessMark
from hotori.runtimes.rotated_log import LogLimits

_FILE = "module.json"


@dataclass(frozen=True, slots=True)
class ModuleRecord:
    """`argv`, `env` and `working_dir` are the container's view, before anything is looked up on this machine."""

    name: str
    image: str
    image_digest: str
    fingerprint: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    working_dir: str
    binds: Mapping[str, str]
    log: LogLimits = field(default_factory=LogLimits)
    state: ModuleState = ModuleState.CREATED
    exit_code: int = 0
    started_at: float = 0.0
    exited_at: float = 0.0
    error: str = ""
    process: ProcessMark | None = None

    def observation(self) -> ModuleObservation:
        return ModuleObservation(
            name=self.name,
            state=self.state,
            image=self.image,
            fingerprint=self.fingerprint,
            exit_code=self.exit_code,
            started_at=self.started_at,
            exited_at=self.exited_at,
            error=self.error,
            image_digest=self.image_digest,
        )

    def write(self, folder: Path) -> None:
        """Keep it in a module's folder, for its owner's eyes: the environment may hold secrets."""
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{_FILE}-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.encode(self))
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(folder / _FILE)
        finally:
            Path(temporary).unlink(missing_ok=True)

    @classmethod
    def read(cls, folder: Path) -> ModuleRecord | None:
        """The record in a folder; None where a module was not made to the end."""
        try:
            return msgspec.json.decode((folder / _FILE).read_bytes(), type=cls)
        except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
            return None
