"""Python packages for an image: installed by pip into a folder, for any platform, with every hash checked."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from hotori.model.platform import Platform
from hotori.problems import Problem
from hotori.problems.images import REQUIREMENTS_REFUSED

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_NEWEST_GLIBC = 36
"""Minor version of glibc 2 in Debian 12, the oldest system that images are made for."""
_WHEEL_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64", "arm/v7": "armv7l", "386": "i686"}
_LEGACY = {"x86_64": ("manylinux2010", "manylinux1"), "i686": ("manylinux2010", "manylinux1")}
_OLDEST_GLIBC = {"x86_64": 5, "i686": 5}


def wheel_platforms(platform: Platform) -> list[str]:
    """Every platform tag of wheels that run there. pip takes none for granted: older tags are not implied."""
    name = f"{platform.architecture}/{platform.variant}" if platform.architecture == "arm" else platform.architecture
    architecture = _WHEEL_ARCHITECTURES.get(name, name)
    versions = range(_NEWEST_GLIBC, _OLDEST_GLIBC.get(architecture, 17) - 1, -1)
    numbered = [f"manylinux_2_{version}_{architecture}" for version in versions]
    named = [f"{legacy}_{architecture}" for legacy in ("manylinux2014", *_LEGACY.get(architecture, ()))]
    return [*numbered, *named, f"linux_{architecture}"]


async def install(
    lock: Path, platform: Platform, target: Path, say: Callable[[str], None], wheels: Path | None = None
) -> None:
    """Install the lock's packages into `target`, from the folder `wheels` alone if it is given. `say` hears pip's
    lines. Raises `requirements-refused`."""
    source = [] if wheels is None else ["--no-index", "--find-links", str(wheels)]
    process = await asyncio.create_subprocess_exec(
        *_command(lock, platform, target),
        *source,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    lines = await _lines(process, say)
    if process.returncode != 0:
        errors = [line for line in lines if line.startswith("ERROR:")] or lines or ["nothing at all"]
        raise Problem(
            REQUIREMENTS_REFUSED,
            *lines[-8:],
            lock=lock,
            platform=platform,
            reason=errors[-1].removeprefix("ERROR:").strip().rstrip("."),
        )
    await asyncio.to_thread(tidy, target)


def tidy(target: Path) -> None:
    """Take away what differs from one machine to the next: byte code, scripts that name this interpreter, and
    the records of where a file came from."""
    shutil.rmtree(target / "bin", ignore_errors=True)
    for folder in [path for path in target.rglob("__pycache__") if path.is_dir()]:
        shutil.rmtree(folder)
    for path in target.glob("*.dist-info/direct_url.json"):
        path.unlink()
    for record in target.glob("*.dist-info/RECORD"):
        lines = record.read_text().splitlines(keepends=True)
        kept = [line for line in lines if not re.match(r"(\.\./)*bin/|.*/direct_url\.json,|.*__pycache__/", line)]
        record.write_text("".join(kept))


def has_compiled(folder: Path) -> bool:
    """Whether any package in the folder is tied to one version of Python; the stable ABI is not."""
    return any(folder.rglob("*.cpython-3*.so"))


_FETCHING = ("Collecting ", "Processing ")
"""How pip's line about a package begins: from afar, or from a file."""


async def _lines(process: asyncio.subprocess.Process, say: Callable[[str], None]) -> list[str]:
    assert process.stdout is not None
    lines = []
    try:
        async for raw in process.stdout:
            lines.append(raw.decode(errors="replace").rstrip())
            if lines[-1].startswith(_FETCHING):
                say(f"fetching {Path(lines[-1].split()[1]).name}")
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return lines


def _command(lock: Path, platform: Platform, target: Path) -> list[str]:
    platforms = [part for name in wheel_platforms(platform) for part in ("--platform", name)]
    return [
        *(sys.executable, "-m", "pip", "install"),
        *("--target", str(target), "--requirement", str(lock)),
        *("--require-hashes", "--no-deps", "--only-binary=:all:", "--no-compile"),
        *("--implementation", "cp", "--python-version", PYTHON, *platforms),
        *("--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--root-user-action", "ignore"),
    ]
