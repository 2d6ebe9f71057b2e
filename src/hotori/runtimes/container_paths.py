"""Paths as a container would see them, turned into paths of the host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_PREFIX = re.compile(r"(?:unix://|file://|--?[A-Za-z0-9][\w-]*=)?")


@dataclass(frozen=True, slots=True)
class ContainerPaths:
    """`binds` are host folders or files by path in the container, without a slash at the end."""

    rootfs: Path
    binds: Mapping[str, Path]

    def locate(self, path: str) -> Path:
        """Where an absolute path of the container is: bound from the host, or in the image's files."""
        for target in sorted(self.binds, key=len, reverse=True):
            if path == target or path.startswith(f"{target}/"):
                return self.binds[target] / path[len(target) :].strip("/")
        return self.rootfs / path.lstrip("/")

    def translate(self, path: str) -> str:
        """An absolute path, translated where the container has something there; any other text as it is."""
        if not path.startswith("/") or path.startswith("//") or not path.strip("/"):
            return path
        place = self.locate(path)
        bound = not place.is_relative_to(self.rootfs)
        return str(place) if bound or place.exists() or place.is_symlink() else path

    def translate_text(self, text: str) -> str:
        """A whole argument or value: `/app/x`, `/a:/b`, `--model=/app/x`, `unix:///run/x.sock`."""
        prefix = _PREFIX.match(text)
        start = prefix.end() if prefix else 0
        return text[:start] + ":".join(self.translate(part) for part in text[start:].split(":"))
