"""The classifier module beside a real hub, with a model trained on the example's photographs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from hotori.model.message import Message
from hotori.modules.classifier import Classifier, classifier, model_id
from hotori.sdk.module import ModuleClient
from hotori.vision.predictor import Predictor
from hotori.vision.training import train
from tests.modules.conftest import Device
from tests.modules.programs import eventually, running

PHOTOGRAPHS = Path(__file__).resolve().parents[2] / "examples" / "pictures"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two labels, ten photographs each: quick, and good enough to tell windmills from fish."""
    folder = tmp_path_factory.mktemp("trained")
    for label in ("fish", "windmill"):
        (folder / "pictures" / label).mkdir(parents=True)
        for file in sorted((PHOTOGRAPHS / label).iterdir())[:10]:
            (folder / "pictures" / label / file.name).symlink_to(file)
    return train(folder / "pictures", folder / "model.onnx").out


def photograph(name: str, **properties: str) -> Message:
    data = (PHOTOGRAPHS / name).read_bytes()
    return Message(data, {"picture": f"edge-1/camera/{name}", **properties}, {"ct": "image/webp"}, output="pictures")


async def test_predictions_come_in_the_order_of_the_pictures(model: Path) -> None:
    program = Classifier(Predictor.open(model), "id")
    files = sorted(path.relative_to(PHOTOGRAPHS).as_posix() for path in (PHOTOGRAPHS / "windmill").iterdir())
    done: list[str] = []

    async def classify(name: str) -> None:
        message = await program.classify(photograph(name))
        assert message is not None
        done.append(message.properties["picture"])

    await asyncio.gather(*(classify(name) for name in files))
    program.close()
    assert done == [f"edge-1/camera/{name}" for name in files]


async def test_what_is_no_picture_is_counted_and_let_go(model: Path) -> None:
    program = Classifier(Predictor.open(model), "id")
    assert await program.classify(Message(b"no picture", {"picture": "a.jpg"})) is None
    assert await program.classify(photograph("windmill/windmill9.webp")) is not None
    program.close()
    assert program.counts["unreadable"] == 1


async def test_pictures_come_in_and_predictions_go_out(device: Device, model: Path) -> None:
    arrived: list[Message] = []

    async def take(name: str, message: Message) -> None:
        arrived.append(message)

    async def both_arrived() -> bool:
        return len(arrived) >= 2

    async def nothing_waits() -> bool:
        return device.hub.hub.queues.total("module:classifier").pending == 0

    async with ModuleClient.from_environment(device.environ("reader")) as reader:
        reader.on_input(take)
        async with (
            ModuleClient.from_environment(device.environ("camera")) as camera,
            running(classifier(device.environ("classifier", MODEL=str(model)))),
        ):
            await camera.send(photograph("windmill/windmill9.webp", expected="windmill"))
            await camera.send(Message(b"no picture", {"picture": "bad.jpg"}, output="pictures"))
            await camera.send(photograph("fish/" + sorted((PHOTOGRAPHS / "fish").iterdir())[12].name))
            await eventually(both_arrived)
            await eventually(nothing_waits)
            reported = await device.reported("classifier")
    windmill, fish = arrived
    assert (windmill.properties["label"], windmill.properties["expected"]) == ("windmill", "windmill")
    assert fish.properties["label"] == "fish"
    assert json.loads(windmill.body)["model"] == model_id(model)
    assert reported["model"]["labels"] == ["fish", "windmill"]  # type: ignore[index, call-overload]
    assert 0 <= reported["model"]["accuracy"] <= 1  # type: ignore[index, call-overload]
    assert reported["model"]["backbone"] == "efficientnet-lite0"  # type: ignore[index, call-overload]
