"""The device protocol on the wire, clause by clause (contract 1.2 to 1.9), over our own codec and a plain socket."""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from hotori.hub.connection import Connection
from hotori.hub.events import Event
from hotori.model.identity import Identity
from hotori.model.message import MAX_SIZE, Message
from hotori.mqtt.encoder import encode
from hotori.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)
from hotori.mqtt.topics import DESIRED_CHANGES, METHOD_CALLS, TWIN_RESPONSES, Telemetry
from hotori.testing.addresses import loopback_address
from hotori.testing.small_hub import BookDirectory, SmallHub
from hotori.testing.wire_client import WireClient

DEVICE, OTHER, CAMERA = Identity("dev-1"), Identity("dev-2"), Identity("edge-1", "camera")
EVENTS = "devices/dev-1/messages/events/"


async def all_events(cloud: SmallHub) -> list[Message]:
    return [event.message for event in await cloud.events.read(0)]


async def refusal(cloud: SmallHub, connect: Connect) -> int:
    """The CONNACK code of a connection that is then closed."""
    client = await WireClient.dial(cloud)
    client.send(connect)
    code = (await client.expect(Connack)).code
    await client.expect_closed()
    return code


def introduction(cloud: SmallHub, identity: Identity = DEVICE) -> Connect:
    return Connect(str(identity), cloud.user_name(identity), cloud.token(identity).encode())


async def test_wrong_credentials_get_5_and_are_remembered_with_their_problem(cloud: SmallHub) -> None:
    """1.3"""
    forged = replace(introduction(cloud), password=cloud.token(OTHER).encode())
    assert await refusal(cloud, forged) == 5
    assert cloud.hub.admissions.refused[-1].problem.code == "token-foreign"


async def test_a_client_that_comes_before_the_directory_is_ready_gets_3(cloud: SmallHub) -> None:
    """1.3, trap 1: 4 or 5 would stop the client for good"""
    cloud.directory.ready = False
    assert await refusal(cloud, introduction(cloud)) == 3
    assert cloud.hub.admissions.refused[-1].problem.code == "hub-not-ready"


async def test_a_store_that_fails_while_a_client_connects_gets_3(cloud: SmallHub) -> None:
    """1.3, trap 1: an inner fault is not the client's"""
    for store in cloud.stores:
        await store.close()
    assert await refusal(cloud, introduction(cloud)) == 3


async def test_another_protocol_level_gets_1(cloud: SmallHub) -> None:
    """[MQTT-3.1.2-2]"""
    assert await refusal(cloud, replace(introduction(cloud), level=6)) == 1


@pytest.mark.parametrize(
    "first", [Pingreq(), Publish(EVENTS, b""), Disconnect()], ids=["ping", "publish", "disconnect"]
)
async def test_what_does_not_begin_with_connect_is_closed(
    cloud: SmallHub, first: Pingreq | Publish | Disconnect
) -> None:
    """[MQTT-3.1.0-1]"""
    client = await WireClient.dial(cloud)
    client.send(first)
    await client.expect_closed()


async def test_a_second_connect_is_closed(cloud: SmallHub) -> None:
    """[MQTT-3.1.0-2]"""
    client = await WireClient.connect(cloud, DEVICE)
    client.send(introduction(cloud))
    await client.expect_closed()


async def test_packets_behind_connect_are_taken_once_it_is_admitted(cloud: SmallHub) -> None:
    """[MQTT-3.1.4-5]: clients need not wait for CONNACK"""
    client = await WireClient.dial(cloud)
    client.send(introduction(cloud), Publish(EVENTS, b"early", 1, 7), Pingreq())
    assert (await client.expect(Connack)).code == 0
    assert (await client.expect(Puback)).packet_id == 7
    await client.expect(Pingresp)
    await client.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_both_versions_of_tls_are_spoken(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """1.1, trap 9: a widely used client pins 1.2"""
    async with SmallHub(tmp_path / "hub", loopback_address(), BookDirectory("dev-1")) as hub:
        context = hub.client_context()
        assert context is not None
        context.minimum_version = context.maximum_version = version
        reader, writer = await asyncio.open_connection(hub.address, hub.port, ssl=context)
        writer.write(encode(introduction(hub)))
        assert await reader.readexactly(4) == encode(Connack(False, 0))
        writer.close()
        await writer.wait_closed()


async def test_a_puback_is_sent_when_the_message_is_in_the_log(cloud: SmallHub) -> None:
    """1.4, 1.5, 1.6: stamped with its sender, system properties apart, what only a hub may say left out"""
    client = await WireClient.connect(cloud, DEVICE)
    bag = "%24.mid=m1&$.ct=application%2Fjson&$.cdid=forged&$.to=x&a%20b=1%262&empty=&none"
    client.send(Publish(EVENTS + bag, b"{}", 1, 9))
    assert (await client.expect(Puback)).packet_id == 9
    [message] = await all_events(cloud)
    assert (message.sender, message.body) == (DEVICE, b"{}")
    assert message.system == {"mid": "m1", "ct": "application/json"}
    assert message.properties == {"a b": "1&2", "empty": "", "none": ""}
    assert message.enqueued_at > 0
    await client.close()


async def test_a_modules_output_is_kept(cloud: SmallHub) -> None:
    """1.6: `$.on`"""
    client = await WireClient.connect(cloud, CAMERA)
    client.send(Publish(Telemetry(CAMERA, "%24.on=pictures&a=b").format(), b"x", 1, 1))
    await client.expect(Puback)
    [message] = await all_events(cloud)
    assert (message.sender, message.output) == (CAMERA, "pictures")
    await client.close()


@pytest.mark.parametrize("topic", [EVENTS, EVENTS[:-1], EVENTS + "a=b", EVENTS + "a=b/"])
async def test_every_spelling_of_the_telemetry_topic_is_taken(cloud: SmallHub, topic: str) -> None:
    """1.5"""
    client = await WireClient.connect(cloud, DEVICE)
    client.send(Publish(topic, b"x", 1, 1))
    await client.expect(Puback)
    [message] = await all_events(cloud)
    assert message.properties == ({"a": "b"} if "a=b" in topic else {})
    await client.close()


async def test_qos_0_is_taken_without_an_answer_and_retain_becomes_a_property(cloud: SmallHub) -> None:
    """1.4"""
    client = await WireClient.connect(cloud, DEVICE)
    client.send(Publish(EVENTS, b"zero", retain=True), Publish(EVENTS, b"one", 1, 1))
    await client.expect(Puback)
    first, second = await all_events(cloud)
    assert (first.body, first.properties) == (b"zero", {"mqtt-retain": "true", "mqtt-qos": "0"})
    assert (second.body, second.properties) == (b"one", {})
    assert not [packet for packet in client.received if isinstance(packet, Puback)]
    await client.close()


async def test_pubacks_come_in_the_order_of_the_messages(cloud: SmallHub) -> None:
    """[MQTT-4.6.0-2], and the log has the same order"""
    client = await WireClient.connect(cloud, DEVICE)
    patch = Publish("$iothub/twin/PATCH/properties/reported/?$rid=1", b"{}", 1, 500)
    client.send(*[Publish(EVENTS, b"%d" % n, 1, n) for n in range(1, 301)], patch)
    assert [(await client.expect(Puback)).packet_id for _ in range(301)] == [*range(1, 301), 500]
    messages = [event.message.body for event in await cloud.events.read(0, 1000)]
    assert messages == [b"%d" % n for n in range(1, 301)]
    await client.close()


@pytest.mark.parametrize(
    "packet",
    [
        Publish(EVENTS, b"", 2, 1),
        Publish("devices/dev-2/messages/events/", b"", 1, 1),
        Publish("devices/dev-1/modules/m/messages/events/", b"", 1, 1),
        Publish("devices/dev-1/messages/eventsand", b"", 1, 1),
        Publish("anything", b"", 1, 1),
        Publish("$iothub/twin/GET/", b"", 1, 1),
        Publish(EVENTS + "a=%zz", b"", 1, 1),
        Publish(EVENTS, bytes(MAX_SIZE + 1), 1, 1),
        Publish(EVENTS + "a=" + "b" * 100, bytes(MAX_SIZE - 50), 1, 1),
        Publish("$iothub/methods/res/200/?$rid=1", b"not json", 1, 1),
        Connack(False, 0),
        Suback(1, (0,)),
    ],
    ids=lambda packet: f"{type(packet).__name__} {getattr(packet, 'topic', '')[:45]}",
)
async def test_what_the_contract_does_not_know_closes_the_connection(
    cloud: SmallHub, packet: Publish | Connack | Suback
) -> None:
    """1.4: unknown or foreign topic, QoS 2, over size, malformed bag"""
    client = await WireClient.connect(cloud, DEVICE)
    client.send(packet)
    await client.expect_closed()
    assert not [answer for answer in client.received if isinstance(answer, Puback)]
    assert await all_events(cloud) == []


async def test_bytes_that_are_not_mqtt_close_the_connection(cloud: SmallHub) -> None:
    """[MQTT-4.8.0-1]"""
    client = await WireClient.connect(cloud, DEVICE)
    client.send_bytes(b"GET / HTTP/1.1\r\n\r\n")
    await client.expect_closed()


async def test_a_message_of_the_largest_size_is_taken(cloud: SmallHub) -> None:
    """1.9: 256 KiB with properties"""
    client = await WireClient.connect(cloud, DEVICE)
    client.send(Publish(EVENTS + "k=v", bytes(MAX_SIZE - 2), 1, 1))
    await client.expect(Puback)
    await client.close()


async def test_subscriptions_are_granted_at_most_at_1_and_only_to_ones_own(cloud: SmallHub) -> None:
    """1.4"""
    client = await WireClient.connect(cloud, DEVICE)
    own = "devices/dev-1/messages/devicebound/#"
    assert await client.subscribe(own, METHOD_CALLS, TWIN_RESPONSES, DESIRED_CHANGES, qos=2) == (1, 1, 1, 1)
    assert await client.subscribe(own, qos=0) == (0,)
    foreign = ("#", "devices/dev-2/messages/devicebound/#", "devices/dev-1/modules/m/inputs/#", "$SYS/#", "x")
    assert await client.subscribe(*foreign, METHOD_CALLS) == (0x80,) * 5 + (1,)
    client.send(Unsubscribe(5, (own, "never/had")))
    assert (await client.expect(Unsuback)).packet_id == 5
    await client.close()


async def test_module_subscriptions_have_two_spellings(cloud: SmallHub) -> None:
    """1.5"""
    client = await WireClient.connect(cloud, CAMERA)
    head = "devices/edge-1/modules/camera"
    assert await client.subscribe(f"{head}/inputs/#", f"{head}/#", f"{head}/inputs/one") == (1, 1, 1)
    assert await client.subscribe("devices/edge-1/messages/devicebound/#") == (0x80,)
    await client.close()


async def test_a_session_survives_the_connection_unless_it_is_clean(cloud: SmallHub) -> None:
    """1.4: session present, and no subscribing again"""
    client = await WireClient.connect(cloud, DEVICE)
    assert not client.session_present
    await client.subscribe(DESIRED_CHANGES)
    await client.close()

    again = await WireClient.connect(cloud, DEVICE)
    assert again.session_present
    await cloud.hub.twins.patch_desired(DEVICE, {"a": 1})
    assert json.loads((await again.expect_publish()).payload) == {"a": 1, "$version": 2}
    await again.close()

    clean = await WireClient.connect(cloud, DEVICE, clean_session=True)
    assert not clean.session_present
    await clean.close()
    after = await WireClient.connect(cloud, DEVICE)
    assert not after.session_present
    await cloud.hub.twins.patch_desired(DEVICE, {"a": 2})
    after.send(Pingreq())
    await after.expect(Pingresp)
    assert after.received == []
    await after.close()


async def test_subscriptions_survive_a_restart_of_the_hub(cloud: SmallHub) -> None:
    """1.4, trap 2"""
    client = await WireClient.connect(cloud, DEVICE)
    await client.subscribe(METHOD_CALLS)
    await cloud.stop()
    await client.expect_closed()
    await cloud.start()
    again = await WireClient.connect(cloud, DEVICE)
    assert again.session_present
    call = asyncio.create_task(cloud.hub.methods.invoke(DEVICE, "blink"))
    assert (await again.expect_publish()).topic.startswith("$iothub/methods/POST/blink/?$rid=")
    call.cancel()
    await again.close()


async def test_a_new_connection_of_the_same_identity_wins(cloud: SmallHub) -> None:
    """1.4: one live connection for each; a device and its modules are not the same"""
    coming: list[tuple[Identity, bool]] = []
    cloud.hub.sessions.watchers.append(lambda identity, connected: coming.append((identity, connected)))
    old = await WireClient.connect(cloud, DEVICE)
    module = await WireClient.connect(cloud, CAMERA)
    new = await WireClient.connect(cloud, DEVICE)
    await old.expect_closed()
    new.send(Publish(EVENTS, b"x", 1, 1))
    await new.expect(Puback)
    assert coming == [(DEVICE, True), (CAMERA, True), (DEVICE, False), (DEVICE, True)]
    await module.close()
    await new.close()


async def test_clients_that_take_an_identity_from_each_other_are_named(cloud: SmallHub) -> None:
    """1.4: once, with both addresses; a client that comes back now and then is not"""
    clients = [await WireClient.connect(cloud, DEVICE) for _ in range(4)]
    assert not cloud.hub.takeovers.problems
    clients += [await WireClient.connect(cloud, DEVICE) for _ in range(4)]
    [problem] = cloud.hub.takeovers.problems
    assert problem.code == "identity-shared"
    first, second = (clients[number]._writer.get_extra_info("sockname") for number in (3, 4))
    assert {problem.values["first"], problem.values["second"]} == {f"127.0.0.1:{first[1]}", f"127.0.0.1:{second[1]}"}
    for client in clients:
        await client.close()


async def test_silence_longer_than_one_and_a_half_keep_alives_ends_the_connection(cloud: SmallHub) -> None:
    """1.2, [MQTT-3.1.2-24]"""
    client = await WireClient.connect(cloud, DEVICE, keep_alive=1)
    started = asyncio.get_running_loop().time()
    await client.expect_closed()
    assert asyncio.get_running_loop().time() - started > 1.2


async def test_a_connection_ends_with_its_token(cloud: SmallHub) -> None:
    """1.3, after the skew of 5 minutes that clocks are granted"""
    client = await WireClient.dial(cloud)
    ending = int(cloud.hub.clock()) - 299
    client.send(replace(introduction(cloud), password=cloud.token(DEVICE, ending).encode()))
    assert (await client.expect(Connack)).code == 0
    await client.expect_closed()


async def test_the_will_is_published_when_the_client_drops_off(cloud: SmallHub) -> None:
    """1.2"""
    events = cloud.events.subscribe("latest")
    client = await WireClient.connect(cloud, DEVICE, will=Will(EVENTS + "a=b", b"gone", 1))
    await client.close()
    will: Event = await asyncio.wait_for(anext(events), 5)
    assert (will.message.body, will.message.sender) == (b"gone", DEVICE)
    assert will.message.properties == {"a": "b", "iothub-MessageType": "Will"}
    await events.aclose()


async def test_a_retained_will_is_published_once_with_its_flag(cloud: SmallHub) -> None:
    """1.2, 1.4: nothing is retained"""
    events = cloud.events.subscribe("latest")
    client = await WireClient.connect(cloud, DEVICE, will=Will(EVENTS, b"gone", 1, retain=True))
    await client.close()
    will: Event = await asyncio.wait_for(anext(events), 5)
    assert will.message.properties == {"mqtt-retain": "true", "iothub-MessageType": "Will"}
    await events.aclose()


async def test_no_will_is_published_after_a_goodbye(cloud: SmallHub) -> None:
    """[MQTT-3.1.2-8]"""
    client = await WireClient.connect(cloud, DEVICE, will=Will(EVENTS, b"gone", 1))
    client.send(Disconnect())
    await client.expect_closed()
    again = await WireClient.connect(cloud, DEVICE)
    again.send(Publish(EVENTS, b"back", 1, 1))
    await again.expect(Puback)
    assert [message.body for message in await all_events(cloud)] == [b"back"]
    await again.close()


async def test_a_twin_is_given_even_to_who_did_not_subscribe(cloud: SmallHub) -> None:
    """1.4, 1.7, trap 3"""
    await cloud.hub.twins.patch_desired(DEVICE, {"interval": 5})
    await cloud.hub.twins.patch_tags(DEVICE, {"room": "lab"})
    client = await WireClient.connect(cloud, DEVICE)
    client.send(Publish("$iothub/twin/GET/?$rid=abc-1", b" ", 1, 3))
    answer = await client.expect_publish()
    assert (answer.topic, answer.qos) == ("$iothub/twin/res/200/?$rid=abc-1", 0)
    assert json.loads(answer.payload) == {"desired": {"interval": 5, "$version": 2}, "reported": {"$version": 1}}
    assert (await client.expect(Puback)).packet_id == 3
    await client.close()


async def test_reported_patches_merge_one_after_the_other(cloud: SmallHub) -> None:
    """1.7"""
    client = await WireClient.connect(cloud, DEVICE)
    topic = "$iothub/twin/PATCH/properties/reported/?$rid="
    patches = [b'{"a":{"x":1,"y":2}}', b'{"a":{"x":null},"b":[1]}', b'{"b":"text"}']
    client.send(*[Publish(f"{topic}{n}", patch, 1, n + 1) for n, patch in enumerate(patches)])
    answers = [await client.expect_publish() for _ in patches]
    assert [answer.topic for answer in answers] == [
        f"$iothub/twin/res/204/?$rid={n}&$version={n + 2}" for n in range(3)
    ]
    assert {answer.payload for answer in answers} == {b""}
    assert (await cloud.hub.twins.get(DEVICE)).reported.values == {"a": {"y": 2}, "b": "text"}
    await client.close()


@pytest.mark.parametrize(
    "patch",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b'{"a":"\xb1"}',
        b'{"a":' * 5000,
        b'{"a.b":1}',
        b'{"a":[null]}',
        b'{"a":4503599627370496}',
        json.dumps({"a": "x" * 4097}).encode(),
        json.dumps({f"k{n}": "x" * 4000 for n in range(9)}).encode(),
    ],
)
async def test_a_reported_patch_beyond_the_limits_is_answered_with_400(cloud: SmallHub, patch: bytes) -> None:
    """1.7"""
    client = await WireClient.connect(cloud, DEVICE)
    client.send(Publish("$iothub/twin/PATCH/properties/reported/?$rid=r", patch, 1, 1))
    answer = await client.expect_publish()
    assert answer.topic == "$iothub/twin/res/400/?$rid=r"
    assert json.loads(answer.payload)["errorCode"] == 400
    assert (await cloud.hub.twins.get(DEVICE)).reported.version == 1
    await client.close()


async def test_desired_changes_carry_their_version_in_topic_and_body(cloud: SmallHub) -> None:
    """1.7, traps 4 and 25: patches as given, a replacement as the difference"""
    client = await WireClient.connect(cloud, DEVICE)
    await client.subscribe(DESIRED_CHANGES)
    twins = cloud.hub.twins
    await twins.patch_desired(DEVICE, {"a": 1, "b": 2})
    await twins.patch_desired(DEVICE, {"a": 1, "b": None, "$version": 99})
    await twins.replace_desired(DEVICE, {"c": {"d": 1}})
    told = [await client.expect_publish() for _ in range(3)]
    assert [publish.topic for publish in told] == [
        f"$iothub/twin/PATCH/properties/desired/?$version={version}" for version in (2, 3, 4)
    ]
    assert [json.loads(publish.payload) for publish in told] == [
        {"a": 1, "b": 2, "$version": 2},
        {"a": 1, "b": None, "$version": 3},
        {"a": None, "c": {"d": 1}, "$version": 4},
    ]
    await client.close()


async def test_desired_changes_go_only_to_who_subscribed(cloud: SmallHub) -> None:
    """1.7"""
    client = await WireClient.connect(cloud, DEVICE)
    await cloud.hub.twins.patch_desired(DEVICE, {"a": 1})
    client.send(Pingreq())
    await client.expect(Pingresp)
    assert client.received == []
    await client.close()


async def test_a_method_call_and_its_answer(cloud: SmallHub) -> None:
    """1.5, 1.8"""
    client = await WireClient.connect(cloud, DEVICE)
    await client.subscribe(METHOD_CALLS)
    call = asyncio.create_task(cloud.hub.methods.invoke(DEVICE, "turn on", {"led": True}))
    asked = await client.expect_publish()
    head, _, rid = asked.topic.partition("/?$rid=")
    assert (head, asked.payload) == ("$iothub/methods/POST/turn%20on", b'{"led":true}')
    client.send(Publish(f"$iothub/methods/res/418/?$rid={rid}", b'{"tea":1}', 1, 1))
    result = await call
    assert (result.status, result.payload) == (418, {"tea": 1})
    await client.close()


@pytest.mark.parametrize("answer", [b"{", b'"\xb1"', b"[" * 5000], ids=["open", "no UTF-8", "deep"])
async def test_an_answer_that_is_not_json_closes(cloud: SmallHub, answer: bytes) -> None:
    """1.5, 1.8"""
    client = await WireClient.connect(cloud, DEVICE)
    client.send(Publish("$iothub/methods/res/200/?$rid=1", answer, 1, 1))
    await client.expect_closed()


async def test_messages_from_the_cloud_wait_for_the_device(cloud: SmallHub) -> None:
    """1.5, 1.6: `%20`, never `+`; PUBACK completes; what was not acknowledged comes again, marked DUP"""
    message = Message(b"hello", {"a b": "1/2&3=4"}, {"mid": "m 1"})
    await cloud.hub.send_to_device("dev-1", message)
    await cloud.hub.send_to_device("dev-1", Message(b"second"))
    client = await WireClient.connect(cloud, DEVICE)
    await client.subscribe("devices/dev-1/messages/devicebound/#")
    first, second = await client.expect_publish(), await client.expect_publish()
    bag = first.topic.removeprefix("devices/dev-1/messages/devicebound/")
    to = quote("/devices/dev-1/messages/deviceBound", safe="")
    assert sorted(bag.split("&")) == sorted(["%24.mid=m%201", f"%24.to={to}", "a%20b=1%2F2%263%3D4"])
    assert (first.payload, first.qos, first.dup) == (b"hello", 1, False)
    client.send(Puback(first.packet_id), Pingreq())
    await client.expect(Pingresp)
    await client.close()

    again = await WireClient.connect(cloud, DEVICE)
    repeated = await again.expect_publish()
    assert repeated == second._replace(dup=True)
    again.send(Puback(repeated.packet_id), Pingreq())
    await again.expect(Pingresp)
    accounts = cloud.hub.queues.total("c2d:dev-1")
    assert (accounts.accepted, accounts.delivered, accounts.pending) == (2, 2, 0)
    await again.close()


async def test_a_client_that_does_not_read_is_dropped_and_others_are_not_harmed(cloud: SmallHub) -> None:
    """The buffers for one client are bounded."""
    slow = await WireClient.connect(cloud, DEVICE)
    await slow.subscribe(DESIRED_CHANGES)
    other = await WireClient.connect(cloud, OTHER)
    slow._reader._transport.pause_reading()  # type: ignore[attr-defined]
    big = {f"key{n}": "x" * 4000 for n in range(8)}
    while cloud.hub.sessions.connected(DEVICE):
        await cloud.hub.twins.patch_desired(DEVICE, big)
    other.send(Publish("devices/dev-2/messages/events/", b"fine", 1, 1))
    await other.expect(Puback)
    await slow.close()
    await other.close()


async def test_a_removed_identity_is_disconnected_and_forgotten(cloud: SmallHub) -> None:
    client = await WireClient.connect(cloud, DEVICE)
    await client.subscribe(DESIRED_CHANGES)
    await cloud.hub.twins.patch_desired(DEVICE, {"a": 1})
    await cloud.hub.send_to_device("dev-1", Message(b"late"))
    await cloud.hub.forget(DEVICE)
    await client.expect_closed()
    again = await WireClient.connect(cloud, DEVICE)
    assert not again.session_present
    assert (await cloud.hub.twins.get(DEVICE)).desired.version == 1
    assert cloud.hub.queues.total("c2d:dev-1").accepted == 0
    await again.close()


async def test_presence_is_known(cloud: SmallHub) -> None:
    assert cloud.hub.sessions.presence(DEVICE) is None
    client = await WireClient.connect(cloud, DEVICE)
    presence = cloud.hub.sessions.presence(DEVICE)
    assert presence is not None
    assert presence.connected
    assert cloud.hub.sessions.disconnect(DEVICE)
    await client.expect_closed()
    gone = cloud.hub.sessions.presence(DEVICE)
    assert gone is not None
    assert not gone.connected
    assert not cloud.hub.sessions.disconnect(DEVICE)


async def test_a_hub_that_closes_ends_its_connections(cloud: SmallHub) -> None:
    client = await WireClient.connect(cloud, DEVICE)
    stranger = await WireClient.dial(cloud)
    stranger.send_bytes(b"\x10")
    while len(cloud.hub.connections) < 2:
        await asyncio.sleep(0)
    assert all(isinstance(connection, Connection) for connection in cloud.hub.connections)
    await cloud.stop()
    await client.expect_closed()
    await stranger.expect_closed()


async def test_subscribing_twice_in_one_packet_and_across_packets_keeps_the_order(cloud: SmallHub) -> None:
    client = await WireClient.connect(cloud, DEVICE)
    client.send(
        Subscribe(1, ((METHOD_CALLS, 1),)), Unsubscribe(2, (METHOD_CALLS,)), Subscribe(3, ((TWIN_RESPONSES, 0),))
    )
    assert (await client.expect(Suback)).packet_id == 1
    assert (await client.expect(Unsuback)).packet_id == 2
    assert (await client.expect(Suback)).packet_id == 3
    assert await cloud.hub.sessions.callee(DEVICE, 0) is None
    await client.close()
