"""Merges unpacked layers into the file tree of an image: hard links, so that it costs neither time nor space."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"


def merge(layers: Sequence[Path], root: Path) -> None:
    """Lay the layers over one another, lowest first, into an empty folder on the same disk. Blocks."""
    root.mkdir(parents=True, exist_ok=True)
    for layer in layers:
        _lay(layer, root, root)


def _lay(layer: Path, target: Path, root: Path) -> None:
    entries = sorted(os.scandir(layer), key=lambda entry: entry.name)
    _white_out([entry.name for entry in entries if entry.name.startswith(_WHITEOUT)], target)
    for entry in entries:
        path = target / entry.name
        if entry.name.startswith(_WHITEOUT):
            continue
        if entry.is_dir(follow_symlinks=False):
            _lay(Path(entry.path), _folder(path, root), root)
        else:
            _remove(path)
            os.link(entry.path, path, follow_symlinks=False)


def _white_out(names: list[str], target: Path) -> None:
    if _OPAQUE in names:
        for path in target.iterdir():
            _remove(path)
    for name in names:
        hidden = name.removeprefix(_WHITEOUT)
        if name != _OPAQUE and hidden not in ("", ".", ".."):
            _remove(target / hidden)


def _folder(path: Path, root: Path) -> Path:
    """A folder at this path: one that a link below leads to is kept, as `/lib` leads to `/usr/lib`."""
    if path.is_symlink():
        target = Path(os.path.realpath(path))
        if target.is_dir() and target.is_relative_to(os.path.realpath(root)):
            return target
    if not path.is_dir() or path.is_symlink():
        _remove(path)
        path.mkdir()
    return path


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
