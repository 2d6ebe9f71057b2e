"""The camera module beside a real hub."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from hotori.model.message import Message
from hotori.modules.camera import camera, next_due
from hotori.problems import Problem
from hotori.sdk.module import ModuleClient
from tests.modules.conftest import Device
from tests.modules.programs import eventually, running, write_pictures


@pytest.mark.parametrize(
    ("due", "now", "interval", "following"),
    [
        (10.0, 10.0, 2.0, 12.0),  # in time
        (10.0, 11.0, 2.0, 12.0),  # late, and caught up
        (10.0, 15.0, 2.0, 15.0),  # too late: what was missed is not made up
        (10.0, 10.5, 0.0, 10.5),  # as fast as it goes
    ],
)
def test_pictures_keep_their_pace_and_do_not_pile_up(due: float, now: float, interval: float, following: float) -> None:
    assert next_due(due, now, interval) == following


class Reader:
    """What arrives at a module's input."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def take(self, name: str, message: Message) -> None:
        self.messages.append(message)

    def client(self, device: Device, module: str) -> ModuleClient:
        client = ModuleClient.from_environment(device.environ(module))
        client.on_input(self.take)
        return client


async def test_every_picture_of_a_folder_arrives_with_its_label_in_order(device: Device, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures", "good/1.png", "good/2.png", "bad/3.png")
    environ = device.environ("camera", CAMERA=str(folder), INTERVAL="0", CAMERA_LOOP="false")
    reader = Reader()

    async def all_arrived() -> bool:
        return len(reader.messages) >= 3

    async with reader.client(device, "classifier"), running(camera(environ)):
        await eventually(all_arrived)
    assert [message.properties["sequence"] for message in reader.messages] == ["1", "2", "3"]
    assert sorted(message.properties["expected"] for message in reader.messages) == ["bad", "good", "good"]
    assert all(message.content_type == "image/jpeg" for message in reader.messages)
    names = [message.properties["picture"] for message in reader.messages]
    assert all(name.startswith("edge-1/camera/") for name in names)
    assert len({message.properties["traceparent"] for message in reader.messages}) == 3


async def test_it_stops_at_the_number_that_was_asked_for_and_keeps_running(device: Device, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures", "1.png")
    environ = device.environ("camera", CAMERA=str(folder), INTERVAL="0", MAX_PICTURES="5")

    async def has_sent() -> bool:
        return device.hub.hub.queues.total("module:classifier").accepted >= 5

    async with running(camera(environ)) as task:
        await eventually(has_sent)
        await asyncio.sleep(0.2)
        assert not task.done()
    assert device.hub.hub.queues.total("module:classifier").accepted == 5


async def test_the_desired_interval_applies_at_once_and_is_reported_back(device: Device, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures", "1.png")
    environ = device.environ("camera", CAMERA=str(folder), INTERVAL="3600")
    reader = Reader()

    async def reports_an_hour() -> bool:
        return (await device.reported("camera")).get("interval") == 3600

    async def arrive() -> bool:
        return len(reader.messages) >= 3

    async with reader.client(device, "classifier"), running(camera(environ)):
        await eventually(reports_an_hour)
        await device.desire("camera", {"interval": 0.05})
        await eventually(arrive)
        assert (await device.reported("camera"))["interval"] == 0.05
    sequence = [int(message.properties["sequence"]) for message in reader.messages]
    assert all(later == earlier + 1 for earlier, later in pairwise(sequence))


async def test_a_desired_interval_of_no_use_is_reported_as_a_problem_and_changes_nothing(
    device: Device, tmp_path: Path
) -> None:
    folder = write_pictures(tmp_path / "pictures", "1.png")

    async def reports_a_problem() -> object:
        return (await device.reported("camera")).get("problem")

    async with running(camera(device.environ("camera", CAMERA=str(folder), INTERVAL="1800"))):
        await device.desire("camera", {"interval": "soon"})
        assert "soon" in str(await eventually(reports_a_problem))
        assert (await device.reported("camera"))["interval"] == 1800

        await device.desire("camera", {"interval": 1700})

        async def is_well() -> bool:
            reported = await device.reported("camera")
            return "problem" not in reported and reported["interval"] == 1700

        await eventually(is_well)


async def test_nothing_is_taken_while_the_hub_has_not_taken_the_last(device: Device, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures", *(f"{number}.png" for number in range(9)))
    environ = device.environ("camera", CAMERA=str(folder), INTERVAL="0", CAMERA_LOOP="false")
    await device.hub.stop()
    async with running(camera(environ)):
        await asyncio.sleep(0.3)
        await device.hub.start()

        async def has_all() -> bool:
            return device.hub.hub.queues.total("module:classifier").accepted >= 9

        await eventually(has_all)
    assert device.hub.hub.queues.total("module:classifier").accepted == 9


async def test_a_camera_that_stops_giving_pictures_ends_the_module_with_the_problem(
    device: Device, tmp_path: Path
) -> None:
    (tmp_path / "1.jpg").write_bytes(b"damaged")
    with pytest.raises(Problem) as met:
        await camera(device.environ("camera", CAMERA=str(tmp_path), INTERVAL="0"))
    assert met.value.code == "folder-without-pictures"
