"""Images for container engines, and the end of what a test made there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hotori.images.image import Layer
from hotori.testing.registry_server import TinyImages, registry_server
from tests.engine_fixtures import PORT


@pytest.fixture
async def engine_images(tmp_path: Path, registry_address: str, base: Layer) -> AsyncIterator[TinyImages]:
    """Images with a shell below them."""
    async with registry_server(tmp_path / "registry", address=registry_address, port=PORT) as registry:
        yield TinyImages(registry.address, tmp_path / "sources", base=base)
