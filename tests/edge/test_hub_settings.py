"""What the edge hub is told, and what it reports (contract 3.3, 4.2)."""

from __future__ import annotations

from typing import Any

from hotori.edge.hub_settings import Clients, HubSettings, hub_report
from hotori.hub.rates import ClientRates
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.model.message import Message
from hotori.routing.router import Upstream
from tests.edge.parts import Clock

FIRST = HubSettings()


def routes(**texts: str) -> dict[str, Any]:
    return {"schemaVersion": "1.1", "routes": texts}


def test_until_told_otherwise_everything_goes_up() -> None:
    message = Message(b"", sender=Identity("edge-1", "camera"))

    destinations = FIRST.router.route(message, "/messages/modules/camera/")

    assert [destination.endpoint for destination in destinations] == [Upstream()]


def test_routes_are_taken_into_force() -> None:
    settings = FIRST.configured(routes(pictures="FROM /messages/modules/camera/* INTO $upstream"), 4)

    assert (settings.version, settings.code, settings.description) == (4, 200, "")
    assert [entry.spec.name for entry in settings.router.routes] == ["pictures"]


def test_one_bad_route_stops_no_other_one_and_is_reported() -> None:
    settings = FIRST.configured(routes(good="FROM /messages/* INTO $upstream", bad="FROM nowhere"), 4)
    report: Any = hub_report(settings, Clients(Clock(), lambda: None))

    assert [entry.spec.name for entry in settings.router.routes] == ["good"]
    assert report["lastDesiredStatus"]["code"] == 400
    assert report["lastDesiredStatus"]["description"].startswith("Error while parsing desired properties")
    assert [problem["code"] for problem in report["problems"]] == ["route-invalid"]


def test_what_cannot_be_read_keeps_the_routes() -> None:
    settings = FIRST.configured(routes(one="FROM /messages/* INTO $upstream"), 4).configured({"routes": 5}, 5)

    assert (settings.version, settings.code) == (5, 400)
    assert [entry.spec.name for entry in settings.router.routes] == ["one"]
    assert [entry.spec.name for entry in settings.configured({}, 6).router.routes] == ["one"]


def test_modules_that_left_stay_listed_and_devices_do_not() -> None:
    changes: list[None] = []
    clients = Clients(Clock(), lambda: changes.append(None))
    module, leaf = Identity("edge-1", "camera.2"), Identity("leaf-1")

    for identity in (module, leaf, Identity("edge-1", "$edgeHub")):
        clients.presence(identity, connected=True)
    clients.presence(module, connected=False)
    clients.presence(leaf, connected=False)

    assert clients.document() == {
        "edge-1/camera%2E2": {
            "status": "Disconnected",
            "lastConnectedTimeUtc": "2030-03-17T17:46:40.000Z",
            "lastDisconnectedTimeUtc": "2030-03-17T17:46:40.000Z",
        }
    }
    assert len(changes) == 4


def test_the_rates_of_clients_are_those_that_are_desired() -> None:
    """1.9: none unless it is said; what is no number is refused with the settings that hold"""
    desired: JsonObject = {"schemaVersion": "1.1", "routes": {}, "clientRates": {"messagesPerSecond": 50}}
    settings = FIRST.configured(desired, 1)
    assert settings.rates == ClientRates(messages=50)
    refused = settings.configured({**desired, "clientRates": {"bytesPerSecond": "many"}}, 2)
    assert (refused.code, refused.rates) == (400, ClientRates(messages=50))
    assert not FIRST.rates.limited
