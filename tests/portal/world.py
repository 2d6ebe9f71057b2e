"""A small cloud for the portal to show."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from PIL import Image, ImageDraw

from hotori.hub.events import Events
from hotori.hub.registry import Draft, Registry
from hotori.hub.sessions import Presence
from hotori.model.identity import EDGE_AGENT, Identity
from hotori.model.json import JsonObject
from hotori.model.message import Message
from hotori.model.secret import Secret
from hotori.portal.dependencies import PortalDependencies
from hotori.problems import Problem
from hotori.problems.network import CLOUD_UNREACHABLE
from hotori.sdk.stream_frames import Frame
from hotori.store.memory import MemoryLog, MemoryRecords

KEY = Secret("a signing key for tests")
PASSWORD = Secret("correct horse battery")


@dataclass
class Cloud:
    """A cloud for the portal: a real registry and event log, and what devices would report."""

    registry: Registry = field(default_factory=lambda: Registry(MemoryRecords()))
    events: Events = field(default_factory=lambda: Events(MemoryLog()))
    present: dict[Identity, Presence] = field(default_factory=dict)
    reports: dict[Identity, JsonObject] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    """Of the hub itself."""
    logs: dict[Identity, list[Frame | Problem]] = field(default_factory=dict)
    """What modules' devices say when their logs are followed; then they are silent."""

    def dependencies(self) -> PortalDependencies:
        async def reported(identity: Identity) -> JsonObject:
            return self.reports.get(identity, {})

        async def picture(name: str) -> bytes | None:
            return self.pictures.get(name)

        async def follow_log(module: Identity) -> AsyncGenerator[Frame, None]:
            for said in self.logs[module]:
                if isinstance(said, Problem):
                    raise said
                yield said
            await asyncio.Event().wait()

        return PortalDependencies(
            hub_name="hub.test",
            devices=self.registry,
            presence=self.present.get,
            reported=reported,
            events=self.events,
            picture=picture,
            follow_log=follow_log,
            user="hotori",
            password=PASSWORD,
            signing_key=KEY,
            problems=lambda: self.problems,
        )

    async def add_device(self, name: str, *, connected: bool = True) -> None:
        await self.registry.create_device(name, Draft(edge=True))
        if connected:
            self.present[Identity(name, EDGE_AGENT)] = Presence(True, time.time() - 60, time.time())
        self.reports[Identity(name, EDGE_AGENT)] = {
            "lastDesiredVersion": 3,
            "lastDesiredStatus": {"code": 200, "description": ""},
            "modules": {
                "camera": module("running", "127.0.0.1:5000/camera:1.0"),
                "classifier": module("running", "127.0.0.1:5000/classifier:1.0"),
            },
        }

    def report_problem(self, device: str, module_name: str) -> Problem:
        """The device says of a module that it cannot reach the cloud."""
        problem = Problem(CLOUD_UNREACHABLE, "OSError: <refused>", address="192.0.2.7:8883", reason="nothing listens")
        modules = self.reports[Identity(device, EDGE_AGENT)]["modules"]
        assert isinstance(modules, dict)
        modules[module_name] = {**module("failed", "i:1"), "problems": [dict(problem.document())]}  # type: ignore[dict-item]
        return problem

    async def predict(
        self,
        picture: str,
        label: str = "cat",
        expected: str | None = "cat",
        probability: float = 0.93,
        device: str = "edge-1",
        delay: float = 0.5,
    ) -> None:
        """A prediction arrives, and its picture is in the store."""
        self.pictures[picture] = drawing(label)
        await self.events.append(prediction(picture, label, expected, probability, device, delay))


def module(status: str, image: str) -> JsonObject:
    return {"runtimeStatus": status, "statusDescription": status, "restartCount": 0, "settings": {"image": image}}


def prediction(
    picture: str,
    label: str = "cat",
    expected: str | None = "cat",
    probability: float = 0.93,
    device: str = "edge-1",
    delay: float = 0.5,
    now: float | None = None,
) -> Message:
    """A message as the classifier module sends it."""
    now = time.time() if now is None else now
    captured = datetime.fromtimestamp(now - delay, UTC).isoformat(timespec="milliseconds")
    others = [{"tagName": "dog", "probability": round(1 - probability, 4)}] if label != "dog" else []
    body = {
        "predictions": [{"tagName": label, "probability": probability}, *others],
        "picture": picture,
        "capturedAt": captured,
        "model": "cats-1",
        "milliseconds": 12.5,
    }
    properties = {
        "picture": picture,
        "capturedAt": captured,
        "label": label,
        "probability": str(probability),
        "traceparent": "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01",
    }
    if expected is not None:
        properties["expected"] = expected
    return Message(
        body=json.dumps(body).encode(),
        properties=properties,
        system={"ct": "application/json", "ce": "utf-8"},
        sender=Identity(device, "classifier"),
        output="predictions",
        enqueued_at=now,
    )


def drawing(label: str) -> bytes:
    """A small picture: hills by the water, in colours that the label picks."""
    hue = sum(label.encode()) * 37 % 255
    image = Image.new("RGB", (320, 240), (200, 226, 232))
    draw = ImageDraw.Draw(image)
    draw.ellipse((40, 90, 220, 300), fill=(60 + hue // 3, 120, 90))
    draw.ellipse((150, 120, 360, 320), fill=(80, 110 + hue // 4, 100))
    draw.rectangle((0, 190, 320, 240), fill=(47, 143, 157))
    draw.text((12, 12), label, fill=(18, 60, 71))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    return buffer.getvalue()
