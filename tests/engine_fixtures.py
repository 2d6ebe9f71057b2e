"""Container engines, started once for the tests that need one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hotori.images.build_cache import BuildCache
from hotori.images.image import Layer
from hotori.runtimes.engine import Engine
from hotori.testing.addresses import loopback_address
from hotori.testing.busybox import busybox_layer
from hotori.testing.engines import EngineMissingError, TestEngine, dockerd, podman

PORT = 5000


@pytest.fixture(scope="session")
def registry_address() -> str:
    """Where the tests' registry listens: podman must be told before it starts which ones speak plain HTTP."""
    return loopback_address()


@pytest.fixture(scope="session")
def docker_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestEngine]:
    try:
        with dockerd(tmp_path_factory.mktemp("dockerd")) as engine:
            yield engine
    except EngineMissingError as error:
        pytest.skip(f"no dockerd: {error}")


@pytest.fixture(scope="session")
def podman_engine(tmp_path_factory: pytest.TempPathFactory, registry_address: str) -> Iterator[TestEngine]:
    try:
        with podman(tmp_path_factory.mktemp("podman"), [f"{registry_address}:{PORT}"]) as engine:
            yield engine
    except EngineMissingError as error:
        pytest.skip(f"no podman: {error}")


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Layer:
    return busybox_layer(BuildCache(tmp_path_factory.mktemp("busybox")))


async def remove_all(engine: TestEngine) -> None:
    """Leave nothing of a test behind."""
    connection = Engine(engine.address)
    for container in await connection.get("containers/json", all="true"):
        await connection.call("DELETE", f"containers/{container['Id']}", query={"force": "true", "v": "true"})
    for volume in (await connection.get("volumes"))["Volumes"] or ():
        await connection.call("DELETE", f"volumes/{volume['Name']}")
    await connection.close()
