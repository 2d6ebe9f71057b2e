"""A folder of pictures as a camera: every picture once a round, each round in another order."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

from hotori.modules.camera_settings import CameraSettings
from hotori.modules.jpeg import encode_jpeg
from hotori.modules.source import Shot
from hotori.problems import Problem
from hotori.problems.vision import FOLDER_WITHOUT_PICTURES, PICTURE_UNREADABLE
from hotori.vision.picture import open_picture
from hotori.vision.picture_files import label_of, picture_files

logger = logging.getLogger(__name__)

_KEPT_BYTES = 32 << 20


class FolderSource:
    """Sub-folders of the first level are the true labels. The order depends on seed and names alone.

    Encoded pictures are kept for the next round as far as `room` bytes go. Raises `folder-without-pictures` at once.
    """

    def __init__(self, folder: Path, settings: CameraSettings, room: int = _KEPT_BYTES) -> None:
        self._folder, self._settings = folder, settings
        self._names = picture_files(folder)
        self._shots = self._rounds()
        self._kept: dict[str, Shot] = {}
        self._room = room

    def next(self, interval: float) -> Shot | None:
        """The next picture that can be read; others are logged and passed over."""
        return next(self._shots, None)

    def close(self) -> None:
        self._kept.clear()

    def _rounds(self) -> Iterator[Shot]:
        number = 0
        while self._names and (number == 0 or self._settings.loop):
            for name in in_order(self._names, self._settings.seed, number):
                if shot := self._shot(name):
                    yield shot
            number += 1

    def _shot(self, name: str) -> Shot | None:
        if name in self._kept:
            return self._kept[name]
        try:
            shot = self._read(name)
        except Problem as problem:
            logger.warning("%s", problem, extra={"problem": problem})
            self._forget(name)
            return None
        if len(shot.jpeg) <= self._room:
            self._room -= len(shot.jpeg)
            self._kept[name] = shot
        return shot

    def _forget(self, name: str) -> None:
        self._names = [other for other in self._names if other != name]
        if not self._names:
            raise Problem(FOLDER_WITHOUT_PICTURES, folder=self._folder, reason="None of its files could be read")

    def _read(self, name: str) -> Shot:
        try:
            data = (self._folder / name).read_bytes()
        except OSError as error:
            raise Problem(PICTURE_UNREADABLE, str(error), picture=name, reason=error.strerror or "unknown") from error
        image = open_picture(data, name)
        jpeg = encode_jpeg(image, self._settings.max_bytes, self._settings.long_side, name)
        return Shot(jpeg, label_of(name))


def in_order(names: list[str], seed: int, number: int) -> list[str]:
    """The order of one round: shuffled, and the same everywhere for the same seed and round."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}/{number}/{name}".encode()).digest())
