"""The program: what it needs, what it writes, what it refuses."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from hotori.edge.enrolment import EnrolmentFile
from hotori.edge.main import EdgeConfig, run_edge
from hotori.model.connection_string import IdentityConnection
from hotori.model.identity import Identity
from hotori.net.authority import Authority
from hotori.net.ports import bind
from hotori.problems import Problem
from hotori.sdk.connection_file import HubAddress
from hotori.testing.addresses import loopback_address
from tests.edge.parts import KEY


def an_enrolment(folder: Path, device: str = "edge-1") -> EnrolmentFile:
    """For a cloud that is not there."""
    connection = IdentityConnection("hub.example.net", Identity(device), KEY)
    pem = Authority.open(folder / "cloud-authority").pem
    return EnrolmentFile(connection, pem, HubAddress(loopback_address(), 8883, 443))


def a_config(folder: Path, enrolment: EnrolmentFile | None, address: str | None = None) -> EdgeConfig:
    listen = address or loopback_address()
    return EdgeConfig(data=folder / "edge-1", enrolment=enrolment, listen=listen, name=listen, https_port=0)


async def run_until_ready(config: EdgeConfig) -> tuple[str, HubAddress, dict[str, object]]:
    """Start, and stop as soon as it is ready: what it told, and what it wrote."""
    stop, told = asyncio.Event(), []

    def ready(device: str, hub: HubAddress) -> None:
        told.append((device, hub, json.loads((config.data / "connect.json").read_text())))
        stop.set()

    async with asyncio.timeout(30):
        await run_edge(config, stop, ready)
    return told[0]


async def problem_of(config: EdgeConfig) -> Problem:
    with pytest.raises(Problem) as raised:
        await run_until_ready(config)
    return raised.value


async def test_a_device_writes_its_connect_file_when_it_is_ready_and_takes_it_away_at_the_end(tmp_path: Path) -> None:
    config = a_config(tmp_path, an_enrolment(tmp_path))

    device, hub, document = await run_until_ready(config)

    assert device == "edge-1"
    assert document["hub"] == {"host": config.name, "mqtt_port": 8883, "https_port": hub.https_port}
    ca = await asyncio.to_thread(Path(str(document["ca"])).read_text)
    assert ca.startswith("-----BEGIN CERTIFICATE-----")
    assert not (config.data / "connect.json").exists()


async def test_a_device_starts_again_without_enrolment_and_without_a_cloud(tmp_path: Path) -> None:
    first = a_config(tmp_path, an_enrolment(tmp_path))
    await run_until_ready(first)

    device, _, _ = await run_until_ready(a_config(tmp_path, None))

    assert device == "edge-1"


async def test_the_first_start_needs_an_enrolment(tmp_path: Path) -> None:
    problem = await problem_of(a_config(tmp_path, None))

    assert problem.code == "enrolment-missing"


async def test_a_folder_of_one_device_is_not_given_to_another(tmp_path: Path) -> None:
    await run_until_ready(a_config(tmp_path, an_enrolment(tmp_path)))

    problem = await problem_of(a_config(tmp_path, an_enrolment(tmp_path, "edge-2")))

    assert (problem.code, problem.values["kept"]) == ("device-differs", "edge-1")


async def test_two_programs_do_not_share_a_folder(tmp_path: Path) -> None:
    config = a_config(tmp_path, an_enrolment(tmp_path))
    stop, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(run_edge(config, stop, lambda *_: ready.set()))
    await ready.wait()

    problem = await problem_of(a_config(tmp_path, None))
    stop.set()
    await running

    assert problem.code == "data-folder-in-use"


async def test_a_port_that_is_taken_is_named_before_anything_starts(tmp_path: Path) -> None:
    address = loopback_address()
    taken = bind(address, 8883, "another program")

    problem = await problem_of(a_config(tmp_path, an_enrolment(tmp_path), address))
    taken.close()

    assert (problem.code, problem.values["port"]) == ("port-in-use", "8883")
    assert not (tmp_path / "edge-1" / "records.sqlite").exists()
