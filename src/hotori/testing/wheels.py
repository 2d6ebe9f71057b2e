"""Wheels made by hand, so that pip can install something real without a network."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path


def make_wheel(
    folder: Path, name: str = "tiny", tag: str = "py3-none-any", files: dict[str, str] | None = None
) -> Path:
    """A wheel of version 1.0 with these files and a command-line script."""
    info = f"{name}-1.0.dist-info"
    content = {
        **(files or {f"{name}/__init__.py": "WORD = 'packed'\n"}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: by-hand\nRoot-Is-Purelib: true\nTag: {tag}\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
    }
    record = "".join(f"{path},,\n" for path in (*content, f"{info}/RECORD"))
    path = folder / f"{name}-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in (*content.items(), (f"{info}/RECORD", record)):
            archive.writestr(zipfile.ZipInfo(inner), text)
    return path


def lock_line(wheel: Path, digest: str | None = None) -> str:
    """The line of a lock that names the wheel by its file and hash."""
    found = digest or hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"{wheel.name.partition('-')[0]} @ {wheel.as_uri()} --hash=sha256:{found}\n"
