"""Pages that are made at build time, from what the code says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def write_pages(source: Path, folder: str, pages: Mapping[str, str]) -> None:
    """Write pages (path below `source` -> text) where they differ, and remove what else is in `folder`.

    A page that did not change keeps its time, so that only what is new is built.
    """
    for name, text in pages.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    if folder:
        kept = {source / name for name in pages}
        for path in (source / folder).iterdir():
            if path not in kept:
                path.unlink()


def plain(text: str) -> str:
    """A text of the program as Markdown: what stands in backticks is code, and nothing else means anything."""
    parts = text.split("`")
    return "`".join(part if index % 2 else _escaped(part) for index, part in enumerate(parts))


def _escaped(text: str) -> str:
    return "".join(f"\\{character}" if character in "\\*_<>[]#|" else character for character in text)
