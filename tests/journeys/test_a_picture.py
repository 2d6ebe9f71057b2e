"""Journey 2: a picture, from the camera to the cloud, with its prediction."""

from hotori.cli.device import service_client
from hotori.cli.score import Score, Sighting
from hotori.model.connection_string import StorageConnection
from hotori.model.trace import Trace
from hotori.sdk.storage import StorageClient
from tests.journeys.conftest import DEVICE, eventually


async def predictions(cloud, count):
    """The first so many predictions in the cloud, each with its whole event."""
    found = []
    async with service_client(cloud) as client:
        async for event in client.events("earliest", device=DEVICE):
            if sighting := Sighting.from_event(event):
                found.append((sighting, event))
            if len(found) == count:
                break
    return found


async def test_pictures_and_their_predictions_arrive_in_the_cloud(main_job):
    found = await predictions(main_job.cloud, 10)
    async with StorageClient(StorageConnection.parse(main_job.cloud.storage.reveal())) as storage:
        for sighting, _ in found:
            picture = await eventually(lambda name=sighting.picture: stored(storage, name))
            assert picture.startswith(b"\xff\xd8"), "a JPEG"


async def stored(storage, name):
    return await storage.get("pictures", name) if await storage.exists("pictures", name) else None


async def test_the_classifier_is_better_than_chance_on_photographs_it_has_not_seen(main_job):
    score = Score.empty()
    for sighting, _ in await predictions(main_job.cloud, 30):
        score = score.with_sighting(sighting)
    assert score.accuracy() > 0.7, "six classes: chance is one in six"


async def test_a_prediction_carries_the_trace_that_began_at_the_lens(main_job):
    found = await predictions(main_job.cloud, 5)
    traces = [Trace.parse(sighting.trace) for sighting, _ in found]
    assert all(traces)
    assert len({trace.trace_id for trace in traces}) == len(traces), "one journey a picture"


async def test_a_prediction_is_stamped_with_who_sent_it(main_job):
    (_, event), *_ = await predictions(main_job.cloud, 1)
    assert (event["deviceId"], event["moduleId"]) == (DEVICE, "classifier")
