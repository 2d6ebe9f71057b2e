"""Which files of a folder are pictures."""

from __future__ import annotations

from pathlib import Path

from hotori.problems import Problem
from hotori.problems.vision import FOLDER_WITHOUT_PICTURES

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"})
"""Names of picture files end in one of these, in lower or upper case."""


def picture_files(folder: Path) -> list[str]:
    """Every picture file in a folder and below, as sorted paths from it, with `/`. Hidden ones do not count.

    Raises `folder-without-pictures`.
    """
    if not folder.is_dir():
        reason = "It is a file" if folder.exists() else "There is no such folder"
        raise Problem(FOLDER_WITHOUT_PICTURES, folder=folder, reason=reason)
    paths = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    names = (path.relative_to(folder) for path in paths)
    visible = sorted(name.as_posix() for name in names if not any(part.startswith(".") for part in name.parts))
    if not visible:
        raise Problem(FOLDER_WITHOUT_PICTURES, folder=folder, reason="The folder has no such files")
    return visible


def label_of(name: str) -> str | None:
    """`animal` of `animal/panda.webp`: the sub-folder is the label. A picture directly in the folder has none."""
    label, slash, _ = name.partition("/")
    return label if slash else None
