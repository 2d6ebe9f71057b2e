"""Photographs, and a model that was trained on them once for all tests here."""

from pathlib import Path

import pytest

from hotori.vision.training import train

PHOTOGRAPHS = Path(__file__).resolve().parents[2] / "examples" / "pictures"


@pytest.fixture(scope="session")
def photographs():
    return PHOTOGRAPHS


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The report of a training on the example's photographs; the model lies at `report.out`."""
    return train(PHOTOGRAPHS, tmp_path_factory.mktemp("trained") / "model.onnx", held_out=0.3, seed=1)
