"""The place of the crash test: who is there, and which way their messages go."""

from __future__ import annotations

from pathlib import Path

from hotori.model.identity import Identity
from hotori.model.manifest import HubConfig, RouteSpec
from hotori.routing.router import Router
from hotori.store.disk import Disk
from hotori.testing.small_hub import BookDirectory, SmallHub

CLASSIFIER = Identity("edge-1", "classifier")
SENDERS = (Identity("edge-1", "camera"), Identity("edge-1", "sensor"), Identity("leaf-1"), Identity("leaf-2"))
ROUTES = {
    "pictures": RouteSpec(
        "pictures",
        'FROM /messages/modules/camera/outputs/pictures INTO BrokeredEndpoint("/modules/classifier/inputs/pictures")',
        priority=1,
    ),
    "both": RouteSpec(
        "both", 'FROM /messages/modules/sensor/* INTO BrokeredEndpoint("/modules/classifier/inputs/values")'
    ),
    "up": RouteSpec("up", "FROM /messages/* WHERE kind != 'picture' INTO $upstream", priority=3),
    "hidden": RouteSpec("hidden", "FROM /messages/modules/sensor/* INTO $upstream", priority=9),
}
NAME = "hub.example.test"


def directory() -> BookDirectory:
    return BookDirectory("edge-1", "edge-1/$edgeHub", str(CLASSIFIER), *map(str, SENDERS))


def edge_hub(folder: Path, address: str, disk: Disk | None = None) -> SmallHub:
    router = Router.compile(HubConfig(ROUTES))
    # Checkpoints so often that many a kill falls into one.
    return SmallHub(
        folder,
        address,
        directory(),
        name=NAME,
        device="edge-1",
        router=router,
        tls=False,
        disk=disk,
        checkpoint=0.04,
    )


def cloud_hub(folder: Path, address: str) -> SmallHub:
    return SmallHub(folder, address, directory(), name=NAME, tls=False)
