"""The documentation's own extensions are importable as Sphinx imports them."""

import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
sys.path.insert(0, str(DOCS / "_ext"))


@pytest.fixture
def docs() -> Path:
    return DOCS
