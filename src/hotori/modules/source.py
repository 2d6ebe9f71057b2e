"""Where a camera module's pictures come from: what every source can do, and which one a setting means."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture as a JPEG file; `expected` is its true label where the source knows it."""

    jpeg: bytes = field(repr=False)
    expected: str | None = None


class Source(Protocol):
    """Gives pictures one after the other. Blocks, so it is asked in a thread; one call at a time."""

    def next(self, interval: float) -> Shot | None:
        """The picture that is `interval` seconds after the last; None when there are no more.

        Raises `camera-unreadable` when the camera stopped giving any.
        """

    def close(self) -> None:
        """Let go of the camera."""


class SourceKind(Enum):
    """The forms of the setting CAMERA."""

    DEVICE = "device"
    STREAM = "stream"
    PATH = "path"


def kind_of(camera: str) -> SourceKind:
    """What a setting means by its form: `/dev/video0` or `0`, an address with `://`, else a folder or file."""
    if re.fullmatch(r"\d+|/dev/.+", camera):
        return SourceKind.DEVICE
    return SourceKind.STREAM if "://" in camera else SourceKind.PATH


def device_path(camera: str) -> str:
    """`/dev/video0` for `0`."""
    return f"/dev/video{camera}" if camera.isdecimal() else camera


def without_password(camera: str) -> str:
    """The setting as it may be shown: an address without user name and password."""
    return re.sub(r"(?<=://)[^/@\s]*@", "", camera)
