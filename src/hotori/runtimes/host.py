"""The machine that modules run on when they are plain processes."""

from __future__ import annotations

import platform
import struct
import sys
from pathlib import Path

from hotori.model.platform import Platform

PYTHON_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"

_NARROW = {"arm64": Platform("arm", "v7"), "amd64": Platform("386")}


def host_platform() -> Platform:
    """The platform of this interpreter: a 32-bit system on a 64-bit kernel runs 32-bit programs."""
    found = Platform.parse(platform.machine())
    return found if struct.calcsize("P") == 8 else _NARROW.get(found.architecture, found)


def host_python() -> Path:
    """The interpreter that modules run on: the one below any virtual environment, without what that has installed."""
    for name in (f"python{PYTHON_VERSION}", "python3", "python"):
        path = Path(sys.base_prefix) / "bin" / name
        if path.exists():
            return path
    return Path(sys.executable)
