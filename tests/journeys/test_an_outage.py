"""Journey 1 under hardship: the cloud is away for a minute, the device works on, and nothing is lost."""

import asyncio

import pytest

from hotori.cli.device import service_client
from hotori.cli.score import Sighting
from hotori.model.connection_string import StorageConnection
from hotori.sdk.storage import StorageClient
from tests.journeys.conftest import DEVICE

AWAY = 60.0


async def read_until(cloud, enough):
    """Predictions from the beginning, by picture, until `enough` says so of them."""
    seen: dict[str, Sighting] = {}
    async with asyncio.timeout(120), service_client(cloud) as client:
        async for event in client.events("earliest", device=DEVICE):
            if sighting := Sighting.from_event(event):
                seen.setdefault(sighting.picture, sighting)
                if enough(seen):
                    break
    return seen


def sequence(picture):
    """The number that the camera gave a picture, from its name."""
    return int(picture.rpartition("-")[2].partition(".")[0])


def run_of(picture):
    """The run of the camera that a picture is of: its name without the number."""
    return picture.rpartition("-")[0].rpartition("-")[0]


@pytest.mark.slow
async def test_a_minute_without_the_cloud_loses_no_picture_and_no_prediction(main_job):
    before = await read_until(main_job.cloud, lambda seen: len(seen) >= 5)

    await asyncio.to_thread(main_job.cloud_program.stop)
    await asyncio.sleep(AWAY)
    await asyncio.to_thread(main_job.cloud_program.start)

    wanted = max(sighting.captured_at for sighting in before.values()) + AWAY + 10
    after = await read_until(
        main_job.cloud, lambda seen: max(sighting.captured_at for sighting in seen.values()) > wanted
    )
    captured_while_away = [sighting for sighting in after.values() if sighting.delay > 2]
    assert captured_while_away, "the device worked on while the cloud was away"
    by_run: dict[str, set[int]] = {}
    for picture in after:
        by_run.setdefault(run_of(picture), set()).add(sequence(picture))
    for numbers in by_run.values():
        assert numbers == set(range(min(numbers), max(numbers) + 1)), "every number arrived"
    async with StorageClient(StorageConnection.parse(main_job.cloud.storage.reveal())) as storage:
        async with asyncio.timeout(60):
            while missing := set(after) - {blob.name async for blob in storage.list("pictures")}:
                await asyncio.sleep(0.5)
    assert not missing
