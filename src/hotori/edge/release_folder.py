"""Where a device keeps versions of the edge program side by side, and which of them is in force.

program/state.json       the one small file whose replacement is the switch
program/store/           the releases, unpacked (see `images.image_store`), each by its digest
program/lock             held by the launcher and by what it started
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import msgspec

from hotori.images.content_files import write_durably
from hotori.reconcile.release import INSTALLED, Releases

PACKAGES = "packages"
"""The folder of a release with its Python packages."""


class ReleaseFolder:
    """In the device's data folder. Everything here blocks, for the time of one small file."""

    def __init__(self, data: Path) -> None:
        self.root = data / "program"

    @property
    def store(self) -> Path:
        return self.root / "store"

    def read(self) -> Releases:
        """What was written last. A file that cannot be read means the installed version: it is always there."""
        try:
            return msgspec.json.decode((self.root / "state.json").read_bytes(), type=Releases)
        except (FileNotFoundError, msgspec.DecodeError):
            return Releases()

    def write(self, state: Releases) -> None:
        """Durable on return, and never half. Raises OSError."""
        write_durably(self.root / "state.json", msgspec.json.encode(asdict(state)))

    def present(self) -> frozenset[str]:
        """The versions whose files are whole."""
        folder = self.store / "images"
        names = (found.name for found in folder.iterdir()) if folder.is_dir() else ()
        versions = (name.replace("-", ":", 1) for name in names if not name.startswith("."))
        return frozenset(version for version in versions if self.whole(version))

    def whole(self, version: str) -> bool:
        return (self._image(version) / "config.json").is_file() and (self.packages(version) / "hotori").is_dir()

    def packages(self, version: str) -> Path:
        """Where the packages of a release are."""
        return self._image(version) / "rootfs" / PACKAGES

    def _image(self, version: str) -> Path:
        return self.store / "images" / version.replace(":", "-")


def shown_version(version: str) -> str:
    """A version as people are told of it."""
    return "installed" if version == INSTALLED else version[:19]
