"""Finds what a module's command line really starts, and says before it starts why it could not.

`python`, by whatever path, means the host's interpreter: native packages of the image were made for it, and the
image's own would need the image's system libraries. Site packages of the host stay out (`-S`).
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hotori.model.platform import Platform
from hotori.problems import Problem
from hotori.problems.images import IMAGE_WRONG_PYTHON
from hotori.problems.modules import (
    MODULE_INTERPRETER_MISSING,
    MODULE_PROGRAM_MISSING,
    MODULE_PROGRAM_NOT_EXECUTABLE,
    MODULE_PROGRAM_WRONG_CPU,
    MODULE_SCRIPT_WITHOUT_INTERPRETER,
)
from hotori.runtimes.container_paths import ContainerPaths
from hotori.runtimes.host import PYTHON_VERSION

_PYTHON = re.compile(r"python(?:3(?:\.(\d+))?)?")
_ELF = b"\x7fELF"
_MACHINES = {3: "386", 40: "arm", 62: "amd64", 183: "arm64", 243: "riscv64"}
_INTERPRETER_SEGMENT = 3


@dataclass(frozen=True, slots=True)
class ProgramFinder:
    """Finds programs for one module: in its image, then on the host. Raises problems with the words that an engine
    would use as evidence."""

    module: str
    image: str
    paths: ContainerPaths
    env: Mapping[str, str] = field(repr=False)
    working_dir: Path
    python: Path
    host: Platform

    def find(self, argv: Sequence[str]) -> list[str]:
        """The command line to start: a program that exists, may be executed and fits this machine."""
        name, arguments = argv[0], list(argv[1:])
        if match := _PYTHON.fullmatch(Path(name).name):
            return [*self._interpreter(match[1]), *arguments]
        path = self._locate(name)
        if not path.is_file() or not os.access(path, os.X_OK):
            evidence = f'exec: "{name}": permission denied'
            raise Problem(MODULE_PROGRAM_NOT_EXECUTABLE, evidence, module=self.module, program=name)
        with path.open("rb") as file:
            head = file.read(4096)
        if head.startswith(_ELF):
            self._check_binary(name, head)
            return [str(path), *arguments]
        if head.startswith(b"#!"):
            return [*self._script_interpreter(name, head), str(path), *arguments]
        evidence = f"exec {name}: exec format error"
        raise Problem(MODULE_SCRIPT_WITHOUT_INTERPRETER, evidence, module=self.module, program=name)

    def _interpreter(self, minor: str | None) -> list[str]:
        if minor is not None and f"3.{minor}" != PYTHON_VERSION:
            raise Problem(IMAGE_WRONG_PYTHON, image=self.image, wanted=f"3.{minor}", found=PYTHON_VERSION)
        return [str(self.python), "-S"]

    def _locate(self, name: str) -> Path:
        if "/" in name:
            path = Path(self.paths.translate(name)) if name.startswith("/") else self.working_dir / name
            if path.exists():
                return path
            raise self._missing(name, f'exec: "{name}": stat {name}: no such file or directory')
        for folder in self.env.get("PATH", "").split(":"):
            path = Path(self.paths.translate(folder)) / name
            if folder and path.is_file() and os.access(path, os.X_OK):
                return path
        raise self._missing(name, f'exec: "{name}": executable file not found in $PATH')

    def _script_interpreter(self, name: str, head: bytes) -> list[str]:
        line = head[2:].split(b"\n", 1)[0].decode(errors="replace").strip(" \t")
        if line.endswith("\r"):
            raise self._no_interpreter(name, line.split()[0] + "\\r" if line.strip() else "\\r")
        words = line.split(None, 1)
        if len(words) == 2 and Path(words[0]).name == "env":
            words = [word for word in words[1].split() if not word.startswith("-")]
        if words and (match := _PYTHON.fullmatch(Path(words[0]).name)):
            return [*self._interpreter(match[1]), *words[1:]]
        try:
            return [str(self._locate(words[0])), *words[1:]]
        except (Problem, IndexError) as error:
            raise self._no_interpreter(name, words[0] if words else "#!") from error

    def _check_binary(self, name: str, head: bytes) -> None:
        found = elf_machine(head)
        if found != self.host.architecture:
            evidence = f"exec {name}: exec format error"
            values = {"module": self.module, "program": name, "found": found, "host": self.host}
            raise Problem(MODULE_PROGRAM_WRONG_CPU, evidence, **values)
        loader = elf_interpreter(head)
        if loader and not Path(loader).exists():
            raise self._no_interpreter(name, loader)

    def _missing(self, name: str, evidence: str) -> Problem:
        return Problem(MODULE_PROGRAM_MISSING, evidence, module=self.module, program=name)

    def _no_interpreter(self, name: str, interpreter: str) -> Problem:
        evidence = f"exec {name}: no such file or directory"
        values = {"module": self.module, "program": name, "interpreter": interpreter}
        return Problem(MODULE_INTERPRETER_MISSING, evidence, **values)


def elf_machine(head: bytes) -> str:
    """The architecture that an ELF file is for, in the words of OCI images."""
    order = "<" if head[5:6] == b"\x01" else ">"
    (machine,) = struct.unpack_from(f"{order}H", head.ljust(20, b"\0"), 18)
    return _MACHINES.get(machine, f"machine {machine}")


def elf_interpreter(head: bytes) -> str | None:
    """The loader that a dynamically linked ELF file names, where its first bytes say so."""
    order, wide = ("<" if head[5:6] == b"\x01" else ">"), head[4:5] == b"\x02"
    try:
        offset, size, count = _program_headers(head, order, wide)
        for index in range(count):
            kind, start, length = _segment(head, offset + index * size, order, wide)
            if kind == _INTERPRETER_SEGMENT and start + length <= len(head):
                return head[start : start + length].rstrip(b"\0").decode(errors="replace")
    except struct.error:
        return None
    return None


def _program_headers(head: bytes, order: str, wide: bool) -> tuple[int, int, int]:
    (offset,) = struct.unpack_from(f"{order}{'Q' if wide else 'I'}", head, 32 if wide else 28)
    size, count = struct.unpack_from(f"{order}HH", head, 54 if wide else 42)
    return offset, size, count


def _segment(head: bytes, at: int, order: str, wide: bool) -> tuple[int, int, int]:
    (kind,) = struct.unpack_from(f"{order}I", head, at)
    word, start, length = ("Q", 8, 32) if wide else ("I", 4, 16)
    (place,) = struct.unpack_from(f"{order}{word}", head, at + start)
    (size,) = struct.unpack_from(f"{order}{word}", head, at + length)
    return kind, place, size
