"""The runtime over container engines keeps the contract of every runtime, on dockerd and on podman."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from hotori.runtimes.docker import DockerRuntime, DockerSettings
from hotori.runtimes.engine import Engine
from hotori.testing.engines import TestEngine
from hotori.testing.registry_server import TinyImages
from hotori.testing.runtime_suite import RuntimeSuite
from tests.engine_fixtures import remove_all

pytestmark = pytest.mark.xdist_group("engines")


class EngineSuite(RuntimeSuite):
    @pytest.fixture
    def engine(self) -> TestEngine:
        raise NotImplementedError("a subclass says which engine")

    @pytest.fixture
    async def open_runtime(self, engine: TestEngine, tmp_path: Path) -> AsyncIterator[Callable[[], DockerRuntime]]:  # type: ignore[override]
        def opened() -> DockerRuntime:
            return DockerRuntime(Engine(engine.address), DockerSettings("device", tmp_path / "runtime"))

        yield opened
        await remove_all(engine)

    @pytest.fixture
    def images(self, engine_images: TinyImages) -> TinyImages:
        return engine_images


class TestDockerd(EngineSuite):
    @pytest.fixture
    def engine(self, docker_engine: TestEngine) -> TestEngine:
        return docker_engine


class TestPodman(EngineSuite):
    @pytest.fixture
    def engine(self, podman_engine: TestEngine) -> TestEngine:
        return podman_engine
