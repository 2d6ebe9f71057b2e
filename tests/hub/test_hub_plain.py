"""Plain MQTT clients: a user name that is the device's, topics of their own, and those under `hotori/`."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hotori.model.identity import Identity
from hotori.model.manifest import HubConfig, RouteSpec
from hotori.model.message import Message
from hotori.mqtt.packets import Connack, Connect, Pingreq, Pingresp, Puback, Pubcomp, Publish, Pubrec, Pubrel, Will
from hotori.mqtt.packets5 import Connack5, Puback5, Pubcomp5, Publish5, Pubrec5, Pubrel5, Reason
from hotori.mqtt.properties import Properties
from hotori.routing.router import Router
from hotori.testing.addresses import loopback_address
from hotori.testing.small_hub import BookDirectory, SmallHub
from hotori.testing.wire_client import WireClient
from hotori.testing.wire_client5 import WireClient5

DEVICE, MODULE = Identity("dev-1"), Identity("edge-1", "camera")
GUIDES = [Path(__file__).resolve().parents[2] / "docs" / language / "guide-protocols.md" for language in ("en", "ja")]


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[SmallHub]:
    directory = BookDirectory("dev-1", "dev-2", "edge-1", "edge-1/camera", "edge-1/classifier")
    async with SmallHub(tmp_path / "hub", loopback_address(), directory) as hub:
        yield hub


def hello(hub: SmallHub, identity: Identity = DEVICE, *, level: int = 4, **fields: object) -> Connect:
    """A CONNECT with the key as password."""
    password = hub.directory.key(identity).reveal().encode()
    values = {"client_id": "any thing", "username": str(identity), "password": password, "clean_session": False}
    return Connect(**{**values, "level": level, **fields})  # type: ignore[arg-type]


async def connect(hub: SmallHub, identity: Identity = DEVICE, **fields: object) -> WireClient:
    client = await WireClient.dial(hub)
    client.send(hello(hub, identity, **fields))
    assert (await client.expect(Connack)).code == 0
    return client


async def connect5(hub: SmallHub, identity: Identity = DEVICE, **fields: object) -> WireClient5:
    client = await WireClient5.dial(hub)
    client.send(hello(hub, identity, level=5, **fields))
    client.welcome = await client.expect(Connack5)
    assert client.welcome.reason == 0
    return client


async def all_events(hub: SmallHub) -> list[Message]:
    return [event.message for event in await hub.events.read(0)]


async def refusal(hub: SmallHub, hello: Connect) -> tuple[int, str]:
    client = await WireClient.dial(hub)
    client.send(hello)
    code = (await client.expect(Connack)).code
    await client.expect_closed()
    return code, hub.hub.admissions.refused[-1].problem.code


async def test_a_topic_of_its_own_is_a_message_with_the_topic_as_a_property(hub: SmallHub) -> None:
    client = await connect(hub)
    client.send(
        Publish("plant/line-1/temperature", b'{"t": 21}', 1, 1),
        Publish("plant/line-1/raw", b"\xff{", 1, 2),
        Publish("devices/dev-2/messages/events/", b"[1", 1, 3, retain=True),
    )
    assert [(await client.expect(Puback)).packet_id for _ in range(3)] == [1, 2, 3]
    json_message, raw, last = await all_events(hub)
    assert (json_message.sender, json_message.properties) == (DEVICE, {"mqtt-topic": "plant/line-1/temperature"})
    assert json_message.system == {"ct": "application/json", "ce": "utf-8"}
    assert (raw.body, raw.system) == (b"\xff{", {})
    assert (last.sender, last.system) == (DEVICE, {})
    assert last.properties == {
        "mqtt-topic": "devices/dev-2/messages/events/", "mqtt-retain": "true", "mqtt-qos": "1"
    }  # fmt: skip
    await client.close()


async def test_a_modules_first_level_is_its_output(hub: SmallHub) -> None:
    client = await connect(hub, MODULE)
    client.send(Publish("pictures/new", b"x", 1, 1))
    await client.expect(Puback)
    [message] = await all_events(hub)
    assert (message.sender, message.output) == (MODULE, "pictures")
    await client.close()


async def test_a_key_a_token_and_nothing_else_opens_the_door(hub: SmallHub) -> None:
    good = hello(hub)
    token = await connect(hub, password=hub.token(DEVICE).encode())
    await token.close()
    second = await connect(hub, password=b"ZGV2LTEgc2Vjb25kMDAwMDAwMDAwMDAwMDAwMDAwMDA=")
    await second.close()
    for fields, answer in (
        ({"password": b"wrong"}, (5, "key-wrong")),
        ({"password": None}, (5, "token-missing")),
        ({"password": b""}, (5, "token-missing")),
        ({"username": "nobody"}, (5, "identity-unknown")),
        ({"username": f"{hub.name}/dev-1"}, (4, "user-name-malformed")),
        ({"username": "dev 1"}, (4, "user-name-malformed")),
        ({"client_id": ""}, (2, "client-id-mismatch")),
        ({"will": Will("hotori/twin/reported", b"{}")}, (5, "will-refused")),
    ):
        assert await refusal(hub, Connect(**{**_fields(good), **fields})) == answer  # type: ignore[arg-type]
    hub.directory.disable(DEVICE)
    assert await refusal(hub, good) == (5, "identity-disabled")


def _fields(connect: Connect) -> dict[str, object]:
    return {name: getattr(connect, name) for name in Connect.__dataclass_fields__}


async def test_a_key_in_the_clear_is_refused(cloud: SmallHub) -> None:
    assert await refusal(cloud, hello(cloud)) == (5, "key-in-the-clear")
    assert "dev-1 first" not in str(cloud.hub.admissions.refused)


async def test_an_empty_client_id_is_given_one(hub: SmallHub) -> None:
    """[MQTT-3.1.3-6], MQTT 5 3.2.2.3.7"""
    older = await connect(hub, client_id="", clean_session=True)
    await older.close()
    client = await connect5(hub, client_id="")
    assert client.welcome.properties.assigned_client_id == "dev-1"
    assert client.welcome.properties.maximum_qos is None
    await client.close()


async def test_a_will_may_go_to_any_topic_of_its_own(hub: SmallHub) -> None:
    events = hub.events.subscribe("latest")
    client = await connect(hub, will=Will("status/gone", b"bye", 2))
    await client.close()
    will = (await asyncio.wait_for(anext(events), 5)).message
    assert (will.body, will.properties) == (b"bye", {"mqtt-topic": "status/gone", "iothub-MessageType": "Will"})
    await events.aclose()


async def test_messages_of_the_cloud_arrive_under_hotori(hub: SmallHub) -> None:
    await hub.hub.send_to_device("dev-1", Message(b"one", {"k": "v"}))
    client = await connect(hub)
    assert await client.subscribe("hotori/messages", "other/devices/topics", "#") == (1, 0x80, 1)
    got = await client.expect_publish()
    assert (got.topic, got.payload, got.qos) == ("hotori/messages", b"one", 1)
    client.send(Puback(got.packet_id))
    await client.close()
    await hub.hub.send_to_device("dev-1", Message(b"two", {"k": "v"}))
    newer = await connect5(hub)
    second = await newer.expect_publish()
    while second.payload != b"two":
        second = await newer.expect_publish()
    assert ("k", "v") in second.properties.user
    await newer.close()


async def test_the_whole_of_what_is_desired_is_told_at_once_and_on_every_change(hub: SmallHub) -> None:
    await hub.hub.twins.patch_desired(DEVICE, {"a": 1, "b": {"c": 2}})
    client = await connect(hub)
    await client.subscribe("hotori/twin/+")
    first = await client.expect_publish()
    assert first.topic == "hotori/twin/desired"
    assert json.loads(first.payload) == {"a": 1, "b": {"c": 2}, "$version": 2}
    await hub.hub.twins.patch_desired(DEVICE, {"b": {"c": None, "d": 3}})
    assert json.loads((await client.expect_publish()).payload) == {"a": 1, "b": {"d": 3}, "$version": 3}
    await client.close()


async def test_reported_properties_are_patched_and_the_answer_told_to_who_asked(hub: SmallHub) -> None:
    client = await connect(hub)
    client.send(Publish("hotori/twin/reported", b'{"on": true}', 1, 1))
    async with asyncio.timeout(10):
        while (await hub.hub.twins.get(DEVICE)).reported.version < 2:
            await asyncio.sleep(0)
    client.send(Pingreq())
    await client.expect(Pingresp)
    assert client.received == [Puback(1)]
    await client.subscribe("hotori/twin/reported/+", "hotori/twin/get/+")
    client.send(Publish("hotori/twin/reported", b"no", 0), Publish("hotori/twin/get", b"", 1, 3))
    refused = await client.expect_publish()
    assert (refused.topic, json.loads(refused.payload)["errorCode"]) == ("hotori/twin/reported/400", 400)
    twin = await client.expect_publish()
    assert twin.topic == "hotori/twin/get/200"
    assert json.loads(twin.payload)["reported"] == {"on": True, "$version": 2}
    await client.close()


async def test_methods_are_answered_in_plain_topics(hub: SmallHub) -> None:
    client = await connect(hub)
    assert await hub.hub.sessions.callee(DEVICE, 0) is None
    await client.subscribe("hotori/methods/+/+")
    for suffix, status in (("", 200), ("/418", 418)):
        call = asyncio.create_task(hub.hub.methods.invoke(DEVICE, "blink", {"times": 3}))
        asked = await client.expect_publish()
        assert (asked.topic.startswith("hotori/methods/blink/"), asked.payload) == (True, b'{"times":3}')
        client.send(Publish(f"{asked.topic}/reply{suffix}", b'"done"', 1, 1))
        result = await call
        assert (result.status, result.payload) == (status, "done")
    await client.close()
    newer = await connect5(hub)
    call = asyncio.create_task(hub.hub.methods.invoke(DEVICE, "blink"))
    asked5 = await newer.expect_publish()
    assert asked5.properties.correlation_data is not None
    newer.send(Publish5(asked5.properties.response_topic or "", b"1", 1, 1))
    assert (await call).payload == 1
    await newer.close()


async def test_qos_2_is_taken_exactly_once(hub: SmallHub) -> None:
    """4.3.3, method A of the receiver: a repetition is answered and not stored again, also after a reconnect"""
    client = await connect(hub)
    client.send(Publish("a", b"one", 2, 5), Publish("b", b"two", 1, 6))
    assert (await client.expect(Pubrec)).packet_id == 5
    assert (await client.expect(Puback)).packet_id == 6
    await client.close()
    again = await connect(hub)
    again.send(Publish("a", b"one", 2, 5, dup=True))
    assert (await again.expect(Pubrec)).packet_id == 5
    again.send(Pubrel(5))
    assert (await again.expect(Pubcomp)).packet_id == 5
    again.send(Publish("a", b"three", 2, 5))
    await again.expect(Pubrec)
    assert [message.body for message in await all_events(hub)] == [b"one", b"two", b"three"]
    await again.close()
    newer = await connect5(hub)
    newer.send(Publish5("a", b"three", 2, 5, dup=True), Pubrel5(5), Publish5("$SYS/x", b"", 2, 7), Pubrel5(7))
    assert await newer.expect(Pubrec5) == Pubrec5(5)
    assert await newer.expect(Pubcomp5) == Pubcomp5(5)
    assert (await newer.expect(Pubrec5)).reason == Reason.TOPIC_NAME_INVALID
    assert await newer.expect(Pubcomp5) == Pubcomp5(7, Reason.PACKET_ID_NOT_FOUND)
    assert len(await all_events(hub)) == 3
    await newer.close()


async def test_what_is_reserved_and_means_nothing_is_refused(hub: SmallHub) -> None:
    client = await connect(hub)
    client.send(Publish("hotori/elsewhere", b"", 1, 1))
    await client.expect_closed()
    newer = await connect5(hub)
    newer.send(Publish5("hotori/elsewhere", b"", 1, 1), Publish5("good", b"", 1, 2))
    assert (await newer.expect(Puback5)).reason == Reason.TOPIC_NAME_INVALID
    assert (await newer.expect(Puback5)).reason == Reason.SUCCESS
    await newer.close()


async def test_properties_of_mqtt_5_win_over_what_was_guessed(hub: SmallHub) -> None:
    client = await connect5(hub)
    said = Properties(content_type="text/plain", user=(("room", "lab"),))
    client.send(Publish5("a/b", b"{}", 1, 1, properties=said))
    await client.expect(Puback5)
    [message] = await all_events(hub)
    assert message.system["ct"] == "text/plain"
    assert message.properties == {"mqtt-topic": "a/b", "room": "lab"}
    await client.close()


async def test_inputs_of_a_plain_module_have_names(tmp_path: Path) -> None:
    text = 'FROM /messages/* WHERE mqtt-topic = "line/1" INTO BrokeredEndpoint("/modules/classifier/inputs/line")'
    router = Router.compile(HubConfig({"one": RouteSpec("one", text)}))
    directory = BookDirectory("dev-1", "edge-1", "edge-1/classifier")
    async with SmallHub(tmp_path / "e", loopback_address(), directory, device="edge-1", router=router) as edge:
        module = await connect(edge, Identity("edge-1", "classifier"))
        await module.subscribe("hotori/inputs/+")
        leaf = await connect(edge)
        leaf.send(Publish("line/1", b"routed", 1, 1), Publish("line/2", b"not", 1, 2), Pingreq())
        await leaf.expect(Pingresp)
        got = await module.expect_publish()
        assert (got.topic, got.payload) == ("hotori/inputs/line", b"routed")
        await module.close()
        await leaf.close()


@pytest.mark.parametrize("guide", GUIDES, ids=["en", "ja"])
async def test_the_examples_of_the_guide_run(hub: SmallHub, guide: Path, tmp_path: Path) -> None:
    """Every mosquitto line, with the place-holders filled in."""
    assert hub.authority is not None
    text = await asyncio.to_thread(guide.read_text)
    lines = re.findall(r"^ +(mosquitto_(?:pub|sub) .*)$", text, re.MULTILINE)
    assert len(lines) >= 4
    values = {
        "HUB": hub.address,
        "DEVICE": "dev-1",
        "KEY": hub.directory.key(DEVICE).reveal(),
        "ca.pem": str(hub.authority.certificate),
    }
    await hub.hub.send_to_device("dev-1", Message(b"hello", {"k": "v"}))
    await hub.hub.twins.patch_desired(DEVICE, {"interval": 5})
    for line in lines:
        words = [values.get(word, word) for word in shlex.split(line)]
        process = await asyncio.create_subprocess_exec(*words, stdout=-1, stderr=-1, cwd=tmp_path)
        output, errors = await asyncio.wait_for(process.communicate(), 20)
        assert (process.returncode, errors) == (0, b""), f"{line}: {errors.decode()}"
        if words[0] == "mosquitto_sub":
            assert output.strip()
    topics = {message.properties["mqtt-topic"] for message in await all_events(hub)}
    assert "plant/line-1/temperature" in topics
