"""The base layer for container engines: Python from Debian packages, put together without root, engine or chroot.

apt works in private folders for the platform that is asked for, with this machine's own sources and keys, so
nothing of this machine changes; packages are unpacked, never configured. Devices that run modules as processes
skip the layer: it is marked `org.hotori.layer=base`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
from functools import partial
from pathlib import Path

from hotori.images.build_cache import FORMAT, BuildCache
from hotori.images.builder import Say
from hotori.images.descriptor import LAYER_KIND
from hotori.images.image import Layer
from hotori.images.layer import entries_of, pack
from hotori.model.platform import Platform
from hotori.problems import Problem
from hotori.problems.images import BASE_UNAVAILABLE

PACKAGES = ("python3", "ca-certificates", "libstdc++6", "busybox-static")
_UNNEEDED = frozenset({"debconf", "dpkg", "openssl", "perl-base", "tar"})
"""Packages that others depend on for the sake of being installed; unpacked files need none of them."""
_NOT_RUN = ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian", "var")
_ARCHITECTURES = {"386": "i386", "arm": "armhf"}
_SOURCES = Path("/etc/apt")
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


async def debian_base(platform: Platform, cache: BuildCache, say: Say = print, sources: Path = _SOURCES) -> Layer:
    """The layer, from the cache where the sources did not change. Raises `base-unavailable`.

    `sources` is a folder with `sources.list` and `sources.list.d`, as /etc/apt has them.
    """
    key = hashlib.sha256(f"{FORMAT} debian {platform} {PACKAGES} {_read_sources(sources)}".encode()).hexdigest()
    if layer := await asyncio.to_thread(cache.find, key):
        return layer
    with tempfile.TemporaryDirectory(prefix="hotori-base-") as name:
        folder, root = Path(name), Path(name) / "root"
        say(f"fetching Debian packages for {platform}")
        packages = await _download(folder, platform, sources)
        for package in packages:
            await _run(platform, "dpkg-deb", "-x", str(package), str(root))
        say("packing the base layer")
        await asyncio.to_thread(_furnish, root)
        annotations = {LAYER_KIND: "base"}
        return await asyncio.to_thread(
            cache.keep, key, partial(pack, entries_of(root, "/", ("__pycache__",))), annotations=annotations
        )


async def _download(folder: Path, platform: Platform, sources: Path) -> list[Path]:
    for name in ("lists/partial", "cache/archives/partial", "root"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    architecture = _ARCHITECTURES.get(platform.architecture, platform.architecture)
    settings = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Debug::NoLocking": "true",
        "Dir::Cache": f"{folder}/cache",
        "Dir::Etc::sourcelist": f"{sources}/sources.list",
        "Dir::Etc::sourceparts": f"{sources}/sources.list.d",
        "Dir::State::lists": f"{folder}/lists",
        "Dir::State::status": f"{folder}/status",
    }
    options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
    await _run(platform, "apt-get", *options, "update")
    install = ("install", "--download-only", "--yes", "--no-install-recommends", *PACKAGES)
    await _run(platform, "apt-get", *options, *install)
    found = sorted((folder / "cache/archives").glob("*.deb"))
    return [path for path in found if path.name.partition("_")[0] not in _UNNEEDED]


async def _run(platform: Platform, program: str, *arguments: str) -> None:
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        )
    except FileNotFoundError as error:
        reason = "this machine does not have it"
        raise Problem(BASE_UNAVAILABLE, platform=platform, program=program, reason=reason) from error
    lines = (await process.communicate())[0].decode(errors="replace").splitlines()
    if process.returncode != 0:
        reason = next((line for line in reversed(lines) if line.startswith("E:")), f"status {process.returncode}")
        raise Problem(
            BASE_UNAVAILABLE, *lines[-5:], platform=platform, program=program, reason=reason.removeprefix("E: ")
        )


def _furnish(root: Path) -> None:
    """What the packages' own scripts would have made, as far as a running program needs it."""
    for name in _NOT_RUN:
        shutil.rmtree(root / name, ignore_errors=True)
    for name, text in _FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    certificates = sorted((root / "usr/share/ca-certificates").rglob("*.crt"))
    bundle = root / "etc/ssl/certs/ca-certificates.crt"
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_bytes(b"".join(path.read_bytes().rstrip() + b"\n" for path in certificates))
    for name in ("tmp", "root", "var/tmp", "run"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in ("sh", "ls", "cat", "env", "sleep"):
        link = root / "bin" / name
        if not link.exists() and not link.is_symlink():
            link.symlink_to("busybox")


def _read_sources(folder: Path) -> str:
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    return "\n".join(path.read_text() for path in files if path.is_file())
