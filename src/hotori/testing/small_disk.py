"""A disk that is soon full, as a pytest fixture."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte; the test is skipped where one may not be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount, unmount = shutil.which("mount") or "mount", shutil.which("umount") or "umount"
    options = ("-t", "tmpfs", "-o", "size=1m", "tmpfs")
    mounted = subprocess.run([mount, *options, str(disk)], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small disk needs the right to mount one: {mounted.stderr.strip()}")
    yield disk
    subprocess.run([unmount, "--lazy", str(disk)], check=True)
