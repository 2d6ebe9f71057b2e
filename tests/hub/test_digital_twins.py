"""Digital twins with the unmodified client (contract 2.10)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from hotori.hub.digital_twin import desired_after
from hotori.model.identity import Identity
from hotori.model.json import Json, JsonObject
from hotori.problems import Problem
from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import CloudHub

if sys.version_info >= (3, 12):
    pytest.skip("azure-iot-hub needs uamqp, which has no wheel here", allow_module_level=True)

from azure.iot.hub import DigitalTwinClient
from msrest.exceptions import HttpOperationError

T = TypeVar("T")
DEVICE, MODEL = Identity("dev-1"), "dtmi:com:example:Thermostat;1"


@pytest.fixture
async def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CloudHub]:
    async with CloudHub(tmp_path, loopback_address()) as hub:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(hub.authority.certificate))
        await hub.registry.create_device("dev-1")
        await hub.hub.twins.set_model_id(DEVICE, MODEL)
        yield hub


@pytest.fixture
def client(cloud: CloudHub) -> DigitalTwinClient:
    return DigitalTwinClient.from_connection_string(cloud.service().format())


async def call(work: Callable[..., T], *arguments: object) -> T:
    return await asyncio.to_thread(work, *arguments)


async def test_what_is_wanted_and_what_is_acknowledged_stand_together(
    cloud: CloudHub, client: DigitalTwinClient
) -> None:
    patch = [
        {"op": "add", "path": "/target", "value": 21},
        {"op": "replace", "path": "/sensor/rate", "value": {"seconds": 5}},
    ]
    await call(client.update_digital_twin, "dev-1", patch)
    desired = (await cloud.hub.twins.get(DEVICE)).desired
    assert desired.values == {"target": 21, "sensor": {"__t": "c", "rate": {"seconds": 5}}}
    acknowledged: JsonObject = {"value": 20, "ac": 200, "av": 2, "ad": "soon"}
    reported: JsonObject = {"target": acknowledged, "serial": "x", "sensor": {"__t": "c", "ok": True}}
    await cloud.hub.twins.patch_reported(DEVICE, reported)
    twin: dict[str, Any] = await call(client.get_digital_twin, "dev-1")
    assert (twin["$dtId"], twin["$metadata"]["$model"]) == ("dev-1", MODEL)
    assert (twin["target"], twin["serial"], twin["sensor"]["ok"]) == (20, "x", True)
    target = twin["$metadata"]["target"]
    assert (target["desiredValue"], target["desiredVersion"]) == (21, 2)
    assert (target["ackVersion"], target["ackCode"]) == (2, 200)
    assert twin["sensor"]["$metadata"]["rate"]["desiredValue"] == {"seconds": 5}
    await call(client.update_digital_twin, "dev-1", [{"op": "remove", "path": "/sensor/rate"}])
    assert (await cloud.hub.twins.get(DEVICE)).desired.values["sensor"] == {"__t": "c"}


async def test_an_etag_guards_the_twin(client: DigitalTwinClient) -> None:
    patch = [{"op": "add", "path": "/target", "value": 21}]
    with pytest.raises(HttpOperationError) as refused:
        await call(client.update_digital_twin, "dev-1", patch, '"AAAAAAAAAAA="')
    assert refused.value.response.status_code == 412


async def test_commands_are_methods_of_the_device(cloud: CloudHub, client: DigitalTwinClient) -> None:
    async def answer(name: str, payload: Any) -> tuple[int, Any]:
        return 200, {"name": name, "payload": payload}

    async with await cloud.connection(DEVICE) as device:
        device.on_method(answer)
        await device.wait_connected()
        outer = await call(client.invoke_command, "dev-1", "reboot", "now", 10, 10)
        assert outer == {"name": "reboot", "payload": "now"}
        inner = await call(client.invoke_component_command, "dev-1", "sensor", "blink", {"n": 1}, 10, 10)
        assert inner == {"name": "sensor*blink", "payload": {"n": 1}}
    with pytest.raises(HttpOperationError) as offline:
        await call(client.invoke_command, "dev-1", "reboot", "now")
    assert offline.value.response.status_code == 404


@pytest.mark.parametrize(
    "operations",
    [
        {},
        ["x"],
        [{"op": "move", "path": "/a"}],
        [{"op": "add", "path": "a", "value": 1}],
        [{"op": "add", "path": "/a"}],
        [{"op": "add", "path": "/a/b/c", "value": 1}],
        [{"op": "add", "path": "/", "value": 1}],
    ],
)
def test_a_patch_that_means_nothing_is_refused(operations: Json) -> None:
    with pytest.raises(Problem):
        desired_after({}, operations)


def test_a_whole_component_is_marked() -> None:
    patch: Json = [{"op": "add", "path": "/sensor", "value": {"rate": 1, "$metadata": {}}}]
    assert desired_after({"old": 1}, patch) == {"old": 1, "sensor": {"__t": "c", "rate": 1}}
    assert desired_after({"a/b": 1}, [{"op": "remove", "path": "/a~1b"}]) == {}
