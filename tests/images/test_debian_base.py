"""The base layer comes from Debian's own packages, for any platform, without touching this machine."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest

from hotori.images.build_cache import BuildCache
from hotori.images.debian_base import debian_base
from hotori.images.descriptor import LAYER_KIND
from hotori.model.platform import Platform
from hotori.problems import Problem
from hotori.runtimes.program import elf_machine

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="this is not Debian")


async def test_packages_that_cannot_be_had_are_named(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    with pytest.raises(Problem) as caught:
        await debian_base(Platform("arm64"), BuildCache(tmp_path / "cache"), lambda line: None, tmp_path)
    assert caught.value.code == "base-unavailable"
    assert "Unable to locate package python3" in " ".join(caught.value.evidence)


@pytest.mark.slow
async def test_python_for_another_processor_is_put_together(tmp_path: Path) -> None:
    """Needs the network that apt uses."""
    cache = BuildCache(tmp_path / "cache")
    said: list[str] = []
    layer = await debian_base(Platform("arm64"), cache, said.append)
    assert layer.descriptor.annotations == {LAYER_KIND: "base"}
    with tarfile.open(layer.path) as archive:
        names = set(archive.getnames())
        python = archive.getmember("usr/bin/python3").linkname
        file = archive.extractfile(f"usr/bin/{python}")
        assert file is not None
        assert elf_machine(file.read(64)) == "arm64"
    assert {"etc/ssl/certs/ca-certificates.crt", "bin/sh", "etc/passwd", "tmp"} <= names
    assert len(said) == 2
    assert await debian_base(Platform("arm64"), cache, said.append) == layer
    assert len(said) == 2
