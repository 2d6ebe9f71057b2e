"""A folder of labelled photographs, one sub-folder a label, and its split into train and held-out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hotori.problems import Problem
from hotori.problems.storage import FILE_UNREADABLE
from hotori.problems.vision import (
    LABEL_TOO_FEW_PICTURES,
    LABELS_TOO_FEW,
    PICTURE_LABELLED_TWICE,
)
from hotori.vision.picture_files import label_of, picture_files

MINIMUM = 5
"""Different pictures that each label needs."""


@dataclass(frozen=True, slots=True, order=True)
class LabelledPicture:
    """One picture file; `name` is its path below the data set's folder, with `/`."""

    name: str
    label: str
    path: Path


@dataclass(frozen=True, slots=True)
class Split:
    """Pictures to learn from, and pictures that learning never sees."""

    train: tuple[LabelledPicture, ...]
    held_out: tuple[LabelledPicture, ...]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Labels in alphabetical order, and every picture once: of equal files only the first by name is kept."""

    folder: Path
    labels: tuple[str, ...]
    pictures: tuple[LabelledPicture, ...]

    @classmethod
    def read(cls, folder: Path) -> Dataset:
        """Find the pictures. Raises `folder-without-pictures`, `labels-too-few`, `picture-labelled-twice`,
        `file-unreadable`."""
        labelled = [(name, label) for name in picture_files(folder) if (label := label_of(name))]
        found = [LabelledPicture(name, label, folder / name) for name, label in labelled]
        labels = tuple(sorted({picture.label for picture in found}))
        if len(labels) < 2:
            raise Problem(LABELS_TOO_FEW, folder=folder, found=", ".join(labels) or "none")
        return cls(folder, labels, _without_copies(found))

    def without(self, names: Iterable[str]) -> Dataset:
        """The same data set, some pictures left out. The labels stay."""
        left_out = set(names)
        kept = tuple(picture for picture in self.pictures if picture.name not in left_out)
        return Dataset(self.folder, self.labels, kept)

    def split(self, share: float, seed: int) -> Split:
        """Hold out `share` of each label's pictures, at least one. Raises `label-too-few-pictures`.

        Which ones depends on seed and name alone, so the same folder gives the same split anywhere.
        """
        train: list[LabelledPicture] = []
        held_out: list[LabelledPicture] = []
        for label, pictures in self._by_label().items():
            if len(pictures) < MINIMUM:
                raise Problem(LABEL_TOO_FEW_PICTURES, label=label, count=len(pictures), minimum=MINIMUM)
            count = held_out_count(len(pictures), share)
            drawn = sorted(pictures, key=lambda picture: _lot(seed, picture.name))
            held_out += drawn[:count]
            train += drawn[count:]
        return Split(tuple(sorted(train)), tuple(sorted(held_out)))

    def _by_label(self) -> Mapping[str, Sequence[LabelledPicture]]:
        return {label: [picture for picture in self.pictures if picture.label == label] for label in self.labels}


def held_out_count(pictures: int, share: float) -> int:
    """How many of a label's pictures are held out: at least one, and at least one is left to learn from."""
    return min(max(1, round(share * pictures)), pictures - 1)


def _lot(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}/{name}".encode()).digest()


def _without_copies(pictures: Sequence[LabelledPicture]) -> tuple[LabelledPicture, ...]:
    """A copy on the other side of the split would be an answer given away, so copies are dropped."""
    first: dict[bytes, LabelledPicture] = {}
    for picture in pictures:
        known = first.setdefault(_digest(picture.path), picture)
        if known.label != picture.label:
            raise Problem(
                PICTURE_LABELLED_TWICE,
                label=known.label,
                other=picture.label,
                first=known.name,
                second=picture.name,
            )
    return tuple(sorted(first.values()))


def _digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise Problem(FILE_UNREADABLE, str(error), path=path, reason=error.strerror or "unknown") from error
