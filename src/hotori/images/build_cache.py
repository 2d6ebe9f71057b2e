"""Layers that were built before, by what they were made of: the second build is quick."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from hotori.images.content_files import ContentFiles, write_durably
from hotori.images.descriptor import OCI_LAYER, Descriptor, canonical
from hotori.images.image import Layer
from hotori.images.layer import PackedLayer
from hotori.model.json import JsonObject

FORMAT = "1"
"""Part of every key: raised when layers of the same sources come out differently."""


class BuildCache:
    """A folder of packed layers. Methods block; call them from a thread."""

    def __init__(self, folder: Path) -> None:
        self._content = ContentFiles(folder / "blobs")
        self._keys = folder / "keys"
        self._keys.mkdir(parents=True, exist_ok=True)

    def find(self, key: str) -> Layer | None:
        """The layer that was kept under a key."""
        try:
            kept = json.loads((self._keys / key).read_bytes())
        except FileNotFoundError:
            return None
        path = self._content.path(kept["digest"])
        if not path.is_file():
            return None
        annotations = kept["annotations"]
        descriptor = Descriptor(OCI_LAYER, kept["digest"], kept["size"], annotations)
        return Layer(path, descriptor, kept["diff_id"], kept["python"])

    def keep(
        self,
        key: str,
        pack: Callable[[Path], PackedLayer],
        python: str = "",
        annotations: dict[str, str] | None = None,
    ) -> Layer:
        """Have `pack` write a layer to a file, and keep it under the key."""
        with tempfile.TemporaryDirectory(dir=self._keys.parent, prefix="packing-") as folder:
            file = Path(folder) / "layer"
            packed = pack(file)
            self._content.adopt(file, packed.digest, packed.digest)
        kept: JsonObject = {
            "digest": packed.digest,
            "size": packed.size,
            "diff_id": packed.diff_id,
            "python": python,
            "annotations": dict(annotations or {}),
        }
        write_durably(self._keys / key, canonical(kept))
        layer = self.find(key)
        assert layer is not None
        return layer
