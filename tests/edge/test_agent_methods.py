"""Methods of the agent (contract 7.1)."""

from __future__ import annotations

import base64
import contextlib
import gzip
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotori.edge.agent_methods import AgentMethods
from hotori.edge.log_request import BadRequestError, LogFilter, LogRequest, SchemaVersionError
from hotori.edge.support_bundle import BundleSources
from hotori.edge.tasks import Tasks
from hotori.edge.uploads import Uploader
from hotori.net.tls import client_context
from tests.edge.parts import Cloud, Device, manifest, streams_of

NOW = 1_900_000_000.0
LINES = """\
2030-03-17 17:46:00.000 +00:00 one
2030-03-17T17:36:00Z <3> two, an error
three, without a time
"""


def methods_of(device: Device) -> AgentMethods:
    sources = BundleSources(device.runtime, {})
    uploader = Uploader(sources, client_context(), "hub.example.net", "edge-1", "parent.example.net", device.clock)
    return AgentMethods(
        device.runtime, lambda: device.agent.specs, device.agent.restart, device.clock, "hub.example.net", "edge-1",
        uploader, Tasks(), streams_of(device),
    )  # fmt: skip


async def running(folder: Path) -> Device:
    device = await Device(folder, Cloud("camera", "classifier")).__aenter__()
    device.agent.deploy(manifest("camera", "classifier"), 1)
    await device.settle()
    device.runtime.write("camera", LINES)
    return device


async def test_ping_is_answered_whatever_its_case(tmp_path: Path) -> None:
    device = await running(tmp_path)
    assert await methods_of(device).call("PING", None) == (200, None)
    await device.agent.close()


async def test_an_unknown_method_names_those_there_are(tmp_path: Path) -> None:
    device = await running(tmp_path)
    status, payload = await methods_of(device).call("Explode", None)
    await device.agent.close()

    assert status == 400
    assert "RestartModule" in str(payload)


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        ({"schemaVersion": "1.0", "id": "camera"}, 200),
        ({"schemaVersion": "1.7", "id": "camera"}, 200),
        ({"schemaVersion": "1.0", "id": "nobody"}, 500),
        ({"schemaVersion": "2.0", "id": "camera"}, 500),
        ({"id": "camera"}, 500),
        ({"schemaVersion": "1.0"}, 400),
        (None, 400),
    ],
)
async def test_restart_module_stops_and_starts(tmp_path: Path, payload: Any, status: int) -> None:
    device = await running(tmp_path)
    before = len(device.runtime.verbs)
    answered, _ = await methods_of(device).call("RestartModule", payload)
    verbs = device.runtime.verbs[before:]
    await device.agent.close()

    assert answered == status
    assert verbs == (["stop camera", "start camera"] if status == 200 else [])


async def logs(folder: Path, **request: Any) -> tuple[int, Any]:
    device = await running(folder)
    items = request.pop("items", [{"id": "camera"}])
    status, payload = await methods_of(device).call(
        "GetModuleLogs", {"schemaVersion": "1.0", "items": items, **request}
    )
    await device.agent.close()
    return status, payload


async def test_logs_come_as_text(tmp_path: Path) -> None:
    assert await logs(tmp_path) == (200, [{"id": "camera", "payload": LINES}])


async def test_logs_of_all_modules_come_compressed(tmp_path: Path) -> None:
    status, payload = await logs(tmp_path, items={"id": "all", "filter": {"tail": 1}}, encoding="gzip")

    assert status == 200
    assert [entry["id"] for entry in payload] == ["camera", "classifier"]
    assert gzip.decompress(base64.b64decode(payload[0]["payloadBytes"])) == b"three, without a time\n"


async def test_logs_come_as_json_with_level_and_time(tmp_path: Path) -> None:
    items = [{"id": "cam.*", "filter": {"loglevel": 3}}]
    _, payload = await logs(tmp_path, items=items, contentType="json")

    assert payload[0]["payload"] == [
        {
            "iothub": "hub.example.net",
            "device": "edge-1",
            "id": "camera",
            "stream": "stdout",
            "loglevel": 3,
            "text": "2030-03-17T17:36:00Z <3> two, an error",
            "timestamp": "2030-03-17T17:36:00Z",
        }
    ]


@pytest.mark.parametrize(
    ("chosen", "kept"),
    [
        ({"since": "10m"}, ["one", "three"]),
        ({"since": "1h 1d"}, ["one", "two", "three"]),
        ({"until": "2030-03-17T17:40:00Z"}, ["two", "three"]),
        ({"since": str(int(NOW) - 600)}, ["one", "three"]),
        ({"regex": "t(wo|hree)"}, ["two", "three"]),
        ({"regex": "o", "tail": 1}, ["three"]),
        ({"tail": 0}, []),
    ],
)
def test_filters_choose_lines(chosen: dict[str, Any], kept: list[str]) -> None:
    lines = LogFilter.parse(chosen, NOW).lines(LINES)

    assert [word for word in ("one", "two", "three") if any(word in line for line in lines)] == kept


async def test_logs_that_no_answer_can_hold_are_refused_with_advice(tmp_path: Path) -> None:
    device = await running(tmp_path)
    device.runtime.write("camera", "x" * 130_000)
    status, payload = await methods_of(device).call(
        "GetModuleLogs", {"schemaVersion": "1.0", "items": [{"id": "camera"}]}
    )
    await device.agent.close()

    assert status == 500
    assert "fewer lines" in str(payload)


@pytest.mark.parametrize(
    "request_",
    [
        {"items": []},
        {"items": [{"id": "("}]},
        {"items": [{"filter": {}}]},
        {"items": [{"id": "camera", "filter": {"since": "yesterday"}}]},
        {"encoding": "brotli"},
    ],
)
async def test_a_bad_request_for_logs_is_400(tmp_path: Path, request_: dict[str, Any]) -> None:
    status, _ = await logs(tmp_path, **request_)

    assert status == 400


async def test_the_status_of_a_task_nobody_began_is_unknown(tmp_path: Path) -> None:
    device = await running(tmp_path)
    status, payload = await methods_of(device).call("GetTaskStatus", {"schemaVersion": "1.0", "correlationId": "7"})
    await device.agent.close()

    assert (status, payload) == (200, {"status": "Unknown", "message": "there is no such task", "correlationId": "7"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(["schemaVersion", "items", "encoding", "contentType"]), JSON) | JSON)
def test_no_request_ends_in_anything_but_a_refusal(payload: Any) -> None:
    if isinstance(payload, dict):
        payload.setdefault("schemaVersion", "1.0")
    with contextlib.suppress(BadRequestError, SchemaVersionError):
        LogRequest.parse(payload, NOW)


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(["tail", "since", "until", "loglevel", "regex"]), JSON), st.text())
def test_no_filter_ends_in_anything_but_a_refusal(chosen: Any, text: str) -> None:
    with contextlib.suppress(BadRequestError):
        LogFilter.parse(chosen, NOW).lines(text)
