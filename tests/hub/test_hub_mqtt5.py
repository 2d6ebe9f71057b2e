"""The device protocol in MQTT 5, clause by clause: properties instead of bags, and reasons instead of silence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties as PahoProperties

from hotori.hub.courier import Terms
from hotori.hub.envelope import Delivery
from hotori.hub.failed_logins import LoginLimits
from hotori.model.identity import Identity
from hotori.model.message import MAX_SIZE, Message
from hotori.mqtt.packets import Connect, Pingreq, Pingresp, Will
from hotori.mqtt.packets5 import (
    Auth5,
    Connack5,
    Disconnect5,
    Packet5,
    Puback5,
    Pubcomp5,
    Publish5,
    Pubrel5,
    Reason,
    Suback5,
    Subscribe5,
    Unsuback5,
    Unsubscribe5,
    Wish,
)
from hotori.mqtt.properties import NO_PROPERTIES, Properties
from hotori.mqtt.topics import DESIRED_CHANGES, METHOD_CALLS, TWIN_RESPONSES
from hotori.testing.addresses import loopback_address
from hotori.testing.small_hub import BookDirectory, SmallHub
from hotori.testing.wire_client import WireClient
from hotori.testing.wire_client5 import WireClient5, introduction5

DEVICE, CAMERA = Identity("dev-1"), Identity("edge-1", "camera")
EVENTS, BOUND = "devices/dev-1/messages/events/", "devices/dev-1/messages/devicebound/#"


async def all_events(cloud: SmallHub) -> list[Message]:
    return [event.message for event in await cloud.events.read(0)]


async def refusal(cloud: SmallHub, connect: Connect) -> int:
    return (await refused(cloud, connect)).reason


async def refused(cloud: SmallHub, connect: Connect) -> Connack5:
    client = await WireClient5.dial(cloud)
    client.send(connect)
    answer = await client.expect(Connack5)
    await client.expect_closed()
    return answer


async def test_a_client_is_told_what_the_server_can_do(cloud: SmallHub) -> None:
    """3.2.2.3"""
    client = await WireClient5.connect(cloud, DEVICE, keep_alive=0)
    said = client.welcome.properties
    assert (said.receive_maximum, said.maximum_qos, said.retain_available, said.topic_alias_maximum) == (1000, 1, 0, 16)
    assert (said.shared_available, said.wildcard_available, said.subscription_ids_available) == (0, 1, 1)
    assert said.maximum_packet_size is not None
    assert said.maximum_packet_size > MAX_SIZE
    assert said.server_keep_alive == 1178
    await client.close()
    again = await WireClient5.connect(cloud, DEVICE, keep_alive=60)
    assert again.welcome.properties.server_keep_alive is None
    await again.close()


async def test_refusals_have_reasons(cloud: SmallHub) -> None:
    """3.2.2.2, contract 1.3: what passes is 0x88, never 0x86 or 0x87"""
    good = introduction5(cloud, DEVICE)
    for connect, reason in (
        (replace(good, password=b"wrong"), Reason.NOT_AUTHORIZED),
        (replace(good, client_id="other"), Reason.CLIENT_ID_INVALID),
        (replace(good, username=None), Reason.BAD_USER_NAME_OR_PASSWORD),
        (replace(good, will=Will("devices/dev-2/messages/events/", b"")), Reason.NOT_AUTHORIZED),
        (replace(good, will=Will(EVENTS, b"", retain=True)), Reason.RETAIN_NOT_SUPPORTED),
        (replace(good, will=Will(EVENTS, b"", 2)), Reason.QOS_NOT_SUPPORTED),
        (replace(good, properties=Properties(authentication_method="SCRAM")), Reason.BAD_AUTHENTICATION_METHOD),
    ):
        assert await refusal(cloud, connect) == reason
    cloud.directory.ready = False
    assert await refusal(cloud, good) == Reason.SERVER_UNAVAILABLE


async def test_a_refusal_says_why_to_a_client_that_wants_to_hear_it(cloud: SmallHub) -> None:
    """3.2.2.3.9, 3.1.2.11.7: the reason begins with the problem's code; [MQTT-3.2.2-19]"""
    good = introduction5(cloud, DEVICE)
    stranger = replace(good, username=f"{cloud.name}/nobody/?api-version=2021-04-12", client_id="nobody")
    for connect, why in (
        (replace(good, password=None), "token-missing: dev-1 "),
        (stranger, "token-foreign: The token of nobody "),
        (replace(good, client_id="x" * 60_000), "client-id-mismatch: "),
        (replace(good, properties=Properties(authentication_method="SCRAM")), "enhanced authentication "),
    ):
        said = (await refused(cloud, connect)).properties.reason
        assert said is not None
        assert said.startswith(why), said
        assert len(said) <= 500
        for silent in (Properties(request_problem=0), Properties(maximum_packet_size=20)):
            asked = replace(silent, authentication_method=connect.properties.authentication_method)
            assert (await refused(cloud, replace(connect, properties=asked))).properties == NO_PROPERTIES


async def test_who_guesses_too_often_is_not_told_why(cloud: SmallHub) -> None:
    """Contract 1.3: it is told to come back, and learns nothing from that"""
    cloud.hub.admissions._failed.limits = LoginLimits(burst=1, delay=0.0)
    wrong = replace(introduction5(cloud, DEVICE), password=None)
    assert (await refused(cloud, wrong)).properties.reason is not None
    assert await refused(cloud, wrong) == Connack5(False, Reason.SERVER_UNAVAILABLE)


async def test_a_will_whose_properties_cannot_be_read_is_refused_before_anybody_is_disturbed(cloud: SmallHub) -> None:
    """3.2.2.2: 0x83, a CONNECT that is valid and not accepted; the one who is connected stays"""
    before = await WireClient5.connect(cloud, DEVICE)
    will = Will(EVENTS, b"", properties=Properties(user=(("", "no name"),)))
    answer = await refused(cloud, replace(introduction5(cloud, DEVICE), will=will))
    assert answer.reason == Reason.IMPLEMENTATION
    assert (answer.properties.reason or "").startswith("the properties of the will cannot be read: ")
    large = Will(EVENTS, bytes(60_000), properties=Properties(user=tuple((f"k{n}", "v" * 60_000) for n in range(4))))
    assert await refusal(cloud, replace(introduction5(cloud, DEVICE), will=large)) == Reason.NOT_AUTHORIZED
    before.send(Pingreq())
    await before.expect(Pingresp)
    await before.close()


async def test_no_response_information_is_given(cloud: SmallHub) -> None:
    """3.2.2.3.14: it may be left out; no topics for answers are kept here, response topics only travel along"""
    client = await WireClient5.connect(cloud, DEVICE, Properties(request_response=1))
    assert client.welcome.properties.response_information is None
    await client.close()


async def test_properties_are_those_of_the_message(cloud: SmallHub) -> None:
    """3.3.2.3: and what only a hub may say is left out as it is of a bag (contract 1.6)"""
    client = await WireClient5.connect(cloud, DEVICE)
    properties = Properties(
        payload_format=1,
        message_expiry=60,
        content_type="application/json",
        response_topic="answers/here",
        correlation_data=b"c-1",
        user=(("room", "lab"), ("a", "1"), ("a", "2"), ("$.mid", "m-1"), ("$.cdid", "forged"), ("$.exp", "never")),
    )
    client.send(Publish5(EVENTS + "room=hall&bag=yes", b"{}", 1, 7, properties=properties))
    assert await client.expect(Puback5) == Puback5(7)
    [message] = await all_events(cloud)
    expiry = dict(message.system).pop("exp")
    assert expiry > "2026"
    assert message.system == {
        "mid": "m-1", "ct": "application/json", "cid": "c-1", "ce": "utf-8", "exp": expiry
    }  # fmt: skip
    assert message.properties == {"room": "lab", "a": "2", "bag": "yes", "mqtt-response-topic": "answers/here"}
    assert message.sender == DEVICE
    await client.close()


async def test_deliveries_carry_properties_and_the_subscriptions_identifier(cloud: SmallHub) -> None:
    """3.3.2.3.8; what MQTT 3.1.1 writes into the topic stands in properties"""
    message = Message(
        b"hello", {"a b": "1/2", "mqtt-response-topic": "r"}, {"ct": "text/plain", "cid": "7", "mid": "m"}
    )
    await cloud.hub.send_to_device("dev-1", message)
    client = await WireClient5.connect(cloud, DEVICE)
    assert await client.subscribe(BOUND, identifier=268_435_455) == (1,)
    got = await client.expect_publish()
    assert (got.topic, got.payload, got.qos) == ("devices/dev-1/messages/devicebound/", b"hello", 1)
    said = got.properties
    assert (said.content_type, said.correlation_data, said.response_topic) == ("text/plain", b"7", "r")
    assert said.subscription_ids == (268_435_455,)
    assert ("a b", "1/2") in said.user
    assert ("$.mid", "m") in said.user
    client.send(Puback5(got.packet_id), Pingreq())
    await client.expect(Pingresp)
    assert len(cloud.hub.queues.queue("c2d:dev-1")) == 0
    await client.close()


async def test_a_delivery_that_is_refused_is_not_sent_again(cloud: SmallHub) -> None:
    """4.3.2: a PUBACK of 0x80 or more ends the delivery"""
    await cloud.hub.send_to_device("dev-1", Message(b"unwanted"))
    client = await WireClient5.connect(cloud, DEVICE)
    await client.subscribe(BOUND)
    got = await client.expect_publish()
    client.send(Puback5(got.packet_id, Reason.QUOTA_EXCEEDED), Pingreq())
    await client.expect(Pingresp)
    counters = cloud.hub.queues.queue("c2d:dev-1").counters
    assert (counters.delivered, counters.dropped, counters.pending) == (0, 1, 0)
    await client.close()


async def test_what_is_not_acknowledged_in_time_goes_as_a_new_packet(cloud: SmallHub) -> None:
    """[MQTT-4.4.0-1] forbids to send it again while the connection lives; contract 1.5 wants it delivered again after
    its lock. Either id's acknowledgement completes it, and after the last attempt it is given up."""
    cloud.hub.device_bound.terms = Terms(patience=0.3, most_attempts=2)
    queue = cloud.hub.queues.queue("c2d:dev-1")
    await cloud.hub.send_to_device("dev-1", Message(b"slow"))
    client = await WireClient5.connect(cloud, DEVICE)
    await client.subscribe(BOUND)
    first, second = await client.expect_publish(), await client.expect_publish()
    assert second == replace(first, packet_id=second.packet_id)
    assert second.packet_id != first.packet_id
    assert [*queue.attempts().values()] == [2]
    client.send(Puback5(first.packet_id), Pingreq())
    await client.expect(Pingresp)
    assert queue.counters.delivered == 1
    client.send(Puback5(second.packet_id))
    await cloud.hub.send_to_device("dev-1", Message(b"never"))
    attempts = [await client.expect_publish() for _ in range(2)]
    assert [attempt.dup for attempt in attempts] == [False, False]
    async with asyncio.timeout(5):
        while not queue.counters.dropped:
            await asyncio.sleep(0.02)
    assert (queue.counters.delivered, queue.counters.pending) == (1, 0)
    await client.close()


async def test_an_id_that_the_client_owes_is_not_used_and_counts_against_its_receive_maximum(cloud: SmallHub) -> None:
    """2.2.1, [MQTT-3.3.4-9]; after a reconnect it is sent again under its id, with DUP [MQTT-4.4.0-1]"""
    cloud.hub.device_bound.terms = Terms(patience=0.2, most_attempts=10)
    one = Properties(receive_maximum=1, session_expiry=1000)
    for body in (b"first", b"second", b"third"):
        await cloud.hub.send_to_device("dev-1", Message(body))
    client = await WireClient5.connect(cloud, DEVICE, one)
    await client.subscribe(BOUND)
    first = await client.expect_publish()
    await asyncio.sleep(0.6)
    client.send(Pingreq())
    await client.expect(Pingresp)
    assert client.received == [], "there is no room for another packet"
    client.send(Puback5(first.packet_id))
    second = await client.expect_publish()
    assert (second.payload, second.dup) == (b"second", False)
    await asyncio.sleep(0.4)
    await client.close()
    again = await WireClient5.connect(cloud, DEVICE, one)
    assert await again.expect_publish() == replace(second, dup=True)
    again.send(Puback5(second.packet_id, Reason.UNSPECIFIED))
    assert (await again.expect_publish()).payload == b"third"
    assert cloud.hub.queues.queue("c2d:dev-1").counters.delivered == 1
    await again.close()


async def test_no_more_is_sent_than_the_client_takes_at_once(cloud: SmallHub) -> None:
    """3.1.2.11.3: receive maximum; 3.1.2.11.4: maximum packet size"""
    for body in (b"x" * 2000, b"one", b"two"):
        await cloud.hub.send_to_device("dev-1", Message(body))
    client = await WireClient5.connect(cloud, DEVICE, Properties(receive_maximum=1, maximum_packet_size=1000))
    await client.subscribe(BOUND)
    first = await client.expect_publish()
    assert first.payload == b"one"
    client.send(Pingreq())
    await client.expect(Pingresp)
    assert client.received == []
    client.send(Puback5(first.packet_id))
    assert (await client.expect_publish()).payload == b"two"
    assert cloud.hub.queues.queue("c2d:dev-1").counters.dropped == 1
    await client.close()


async def test_a_message_that_is_not_taken_is_declined_and_the_connection_lives(cloud: SmallHub) -> None:
    """3.4.2.1"""
    client = await WireClient5.connect(cloud, DEVICE)
    client.send(
        Publish5(EVENTS + "%zz", b"", 1, 1),
        Publish5("devices/dev-2/messages/events/", b"", 1, 2),
        Publish5(EVENTS, b"", 1, 3, properties=Properties(user=(("", "no name"),))),
        Publish5("$iothub/methods/res/200/?$rid=1", b"{", 1, 4),
        Publish5(EVENTS, b"good", 1, 5),
    )
    answers = [await client.expect(Puback5) for _ in range(5)]
    assert [(answer.packet_id, answer.reason) for answer in answers] == [
        (1, Reason.TOPIC_NAME_INVALID),
        (2, Reason.TOPIC_NAME_INVALID),
        (3, Reason.PAYLOAD_FORMAT_INVALID),
        (4, Reason.PAYLOAD_FORMAT_INVALID),
        (5, Reason.SUCCESS),
    ]
    assert all(answer.properties.reason for answer in answers[:4])
    assert [message.body for message in await all_events(cloud)] == [b"good"]
    await client.close()


async def test_a_message_that_no_route_takes_is_said_to_go_nowhere(edge: SmallHub) -> None:
    """3.4.2.1: 0x10"""
    client = await WireClient5.connect(edge, CAMERA)
    head = "devices/edge-1/modules/camera/messages/events/"
    client.send(Publish5(head + "$.on=nowhere", b"", 1, 1), Publish5(head + "$.on=pictures", b"", 1, 2))
    assert (await client.expect(Puback5)).reason == Reason.NO_MATCHING_SUBSCRIBERS
    assert (await client.expect(Puback5)).reason == Reason.SUCCESS
    await client.close()


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (Publish5(EVENTS, b"", 2, 1), Reason.QOS_NOT_SUPPORTED),
        (Publish5(EVENTS, b"", 1, 1, retain=True), Reason.RETAIN_NOT_SUPPORTED),
        (Publish5("", b"", 1, 1, properties=Properties(topic_alias=16)), Reason.PROTOCOL_ERROR),
        (Publish5(EVENTS, b"", 1, 1, properties=Properties(topic_alias=17)), Reason.TOPIC_ALIAS_INVALID),
        (Publish5(EVENTS, b"", 1, 1, properties=Properties(response_topic="a/+")), Reason.PROTOCOL_ERROR),
        (Publish5(EVENTS, b"", properties=Properties(subscription_ids=(1,))), Reason.PROTOCOL_ERROR),
        (Publish5("devices/dev-2/messages/events/", b""), Reason.TOPIC_NAME_INVALID),
        (Publish5(EVENTS, bytes(MAX_SIZE + 1), 1, 1), Reason.PACKET_TOO_LARGE),
        (Auth5(), Reason.PROTOCOL_ERROR),
        (Connect("dev-1", level=5), Reason.PROTOCOL_ERROR),
        (Disconnect5(properties=Properties(session_expiry=5)), Reason.PROTOCOL_ERROR),
    ],
    ids=lambda value: value.name if isinstance(value, Reason) else type(value).__name__,
)
async def test_what_may_not_be_said_ends_the_connection_with_its_reason(
    cloud: SmallHub, packet: Packet5, reason: Reason
) -> None:
    """4.13"""
    client = await WireClient5.connect(cloud, DEVICE)
    client.send(packet)
    assert await client.expect_disconnect() == reason


async def test_bytes_that_cannot_be_read_end_the_connection_with_a_reason(cloud: SmallHub) -> None:
    """4.13: 0x81 malformed, 0x95 too large"""
    for data, reason in ((b"\x00\x00", Reason.MALFORMED), (b"\x30\xff\xff\xff\x7f", Reason.PACKET_TOO_LARGE)):
        client = await WireClient5.connect(cloud, DEVICE)
        client.send_bytes(data)
        assert await client.expect_disconnect() == reason


async def test_who_sends_more_than_may_be_unanswered_is_disconnected(cloud: SmallHub) -> None:
    """3.3.4: 0x93"""
    client = await WireClient5.connect(cloud, DEVICE)
    client.send(*[Publish5(EVENTS, b"", 1, number) for number in range(1, 1200)])
    assert await client.expect_disconnect() == Reason.RECEIVE_MAXIMUM_EXCEEDED


async def test_the_hub_says_why_it_ends_a_connection(cloud: SmallHub) -> None:
    """3.14.2.1"""
    old = await WireClient5.connect(cloud, DEVICE)
    new = await WireClient5.connect(cloud, DEVICE)
    assert await old.expect_disconnect() == Reason.SESSION_TAKEN_OVER
    cloud.hub.sessions.disconnect(DEVICE)
    assert await new.expect_disconnect() == Reason.ADMINISTRATIVE
    silent = await WireClient5.connect(cloud, DEVICE, keep_alive=1)
    assert await silent.expect_disconnect() == Reason.KEEP_ALIVE_TIMEOUT
    last = await WireClient5.connect(cloud, DEVICE)
    await cloud.stop()
    assert await last.expect_disconnect() == Reason.SERVER_SHUTTING_DOWN


async def test_subscriptions_are_granted_or_refused_one_by_one(cloud: SmallHub) -> None:
    """3.9.3, 3.11.3"""
    client = await WireClient5.connect(cloud, DEVICE)
    granted = await client.subscribe(BOUND, METHOD_CALLS, "#", "$share/group/x", qos=2)
    assert granted == (1, 1, Reason.TOPIC_FILTER_INVALID, Reason.SHARED_NOT_SUPPORTED)
    client.send(Unsubscribe5(9, (BOUND, "never/had")))
    assert await client.expect(Unsuback5) == Unsuback5(9, (Reason.SUCCESS, Reason.NO_SUBSCRIPTION_EXISTED))
    await client.close()


async def test_beyond_the_limit_of_subscriptions_they_are_refused(edge: SmallHub) -> None:
    """3.9.3: 0x97; in 3.1.1 it is 0x80"""
    head = "devices/edge-1/modules/camera/inputs/"
    client = await WireClient5.connect(edge, CAMERA, Properties(session_expiry=1000))
    wishes = [Wish(f"{head}{number}") for number in range(10_000)]
    client.send(*[Subscribe5(first + 1, tuple(wishes[first : first + 1000])) for first in range(0, 10_000, 1000)])
    reasons = [reason for _ in range(10) for reason in (await client.expect(Suback5)).reasons]
    assert reasons == [1] * 64 + [Reason.QUOTA_EXCEEDED] * 9936
    await client.close()
    older = await WireClient.connect(edge, CAMERA)
    assert await older.subscribe(f"{head}one-more", f"{head}1") == (0x80, 1)
    await older.close()


async def test_a_number_stands_for_a_topic_until_it_stands_for_another(cloud: SmallHub) -> None:
    """3.3.2.3.4: for one connection only"""
    client = await WireClient5.connect(cloud, DEVICE)
    first, short = Properties(topic_alias=16), Properties(topic_alias=16)
    client.send(
        Publish5(EVENTS + "n=1", b"a", 1, 1, properties=first),
        Publish5("", b"b", 1, 2, properties=short),
        Publish5(EVENTS + "n=2", b"c", 1, 3, properties=first),
        Publish5("", b"d", 1, 4, properties=short),
        Publish5("devices/dev-2/messages/events/", b"", 1, 5, properties=first),
        Publish5("", b"", 1, 6, properties=short),
    )
    reasons = [(await client.expect(Puback5)).reason for _ in range(6)]
    assert reasons == [0, 0, 0, 0, Reason.TOPIC_NAME_INVALID, Reason.TOPIC_NAME_INVALID]
    said = [(message.body, message.properties["n"]) for message in await all_events(cloud)]
    assert said == [(b"a", "1"), (b"b", "1"), (b"c", "2"), (b"d", "2")]
    await client.close()
    again = await WireClient5.connect(cloud, DEVICE)
    again.send(Publish5("", b"", 1, 1, properties=short))
    assert await again.expect_disconnect() == Reason.PROTOCOL_ERROR


async def test_topics_are_numbered_for_a_client_that_offers_it(edge: SmallHub) -> None:
    """3.1.2.11.5: no more numbers than it offers, and whole topics beyond"""
    classifier = Identity("edge-1", "classifier")
    for name, body in (("a", b"1"), ("a", b"2"), ("b", b"3"), ("b", b"4"), ("a", b"5")):
        await edge.hub.queues.submit(Message(body), (Delivery(f"module:classifier/{name}", 0, 0.0),))
    client = await WireClient5.connect(edge, classifier, Properties(topic_alias_maximum=1))
    head = "devices/edge-1/modules/classifier/inputs/"
    await client.subscribe(head + "#")
    got = [await client.expect_publish() for _ in range(5)]
    assert [(one.topic, one.properties.topic_alias, one.payload) for one in got] == [
        (head + "a", 1, b"1"),
        ("", 1, b"2"),
        (head + "b", None, b"3"),
        (head + "b", None, b"4"),
        ("", 1, b"5"),
    ]
    await client.close()


async def test_what_was_too_large_to_send_teaches_no_number(cloud: SmallHub) -> None:
    """3.1.2.11.4, 3.3.2.3.4"""
    for body in (bytes(2000), b"small"):
        await cloud.hub.send_to_device("dev-1", Message(body))
    client = await WireClient5.connect(cloud, DEVICE, Properties(topic_alias_maximum=5, maximum_packet_size=1000))
    await client.subscribe(BOUND)
    got = await client.expect_publish()
    assert (got.topic, got.properties.topic_alias) == ("devices/dev-1/messages/devicebound/", 1)
    await client.close()


async def test_words_are_left_out_where_the_client_takes_no_more(cloud: SmallHub) -> None:
    """3.4.2.2.2, 3.14.2.2.3"""
    client = await WireClient5.connect(cloud, DEVICE, Properties(maximum_packet_size=20))
    client.send(Publish5("devices/dev-2/messages/events/", b"", 1, 1))
    assert await client.expect(Puback5) == Puback5(1, Reason.TOPIC_NAME_INVALID)
    client.send(Publish5("devices/dev-2/messages/events/", b""))
    assert await client.expect(Disconnect5) == Disconnect5(Reason.TOPIC_NAME_INVALID)
    await client.close()
    silent = await WireClient5.connect(cloud, DEVICE, Properties(request_problem=0))
    silent.send(Publish5("devices/dev-2/messages/events/", b"", 1, 1))
    assert await silent.expect(Puback5) == Puback5(1, Reason.TOPIC_NAME_INVALID)
    await silent.close()


async def test_a_session_ends_when_it_was_to_end(tmp_path: Path) -> None:
    """3.1.2.11.2, 3.14.2.2.2: with the connection, some time after it, or never; across a restart of the hub, too"""
    now = 1_800_000_000.0
    directory = BookDirectory("dev-1")
    hub = SmallHub(tmp_path / "hub", loopback_address(), directory, clock=lambda: now, tls=False)

    async def present(expiry: int | None, last: Disconnect5 | None = None) -> bool:
        client = await WireClient5.connect(hub, DEVICE, Properties(session_expiry=expiry))
        await client.subscribe(METHOD_CALLS)
        if last is None:
            await client.close()
            while hub.hub.sessions.connected(DEVICE):
                await asyncio.sleep(0)
        else:
            client.send(last)
            await client.expect_closed()
        return client.welcome.session_present

    async with hub:
        assert not await present(0)
        assert not await present(100)  # the one before ended with its connection
        now += 99
        assert await present(100)
        await hub.stop()
        await hub.start()
        now += 99
        assert await present(100)
        now += 101
        assert not await present(0xFFFFFFFF)
        now += 1e9
        assert await present(0xFFFFFFFF, Disconnect5(properties=Properties(session_expiry=0)))
        assert not await present(None)


async def test_a_clean_start_forgets_and_is_kept_from_then_on(cloud: SmallHub) -> None:
    """3.1.2.4"""
    client = await WireClient5.connect(cloud, DEVICE, Properties(session_expiry=1000))
    await client.subscribe(METHOD_CALLS)
    await client.close()
    fresh = await WireClient5.connect(cloud, DEVICE, Properties(session_expiry=1000), clean_start=True)
    assert not fresh.welcome.session_present
    assert await cloud.hub.sessions.callee(DEVICE, 0) is None
    await fresh.subscribe(METHOD_CALLS)
    await fresh.close()
    again = await WireClient5.connect(cloud, DEVICE, Properties(session_expiry=1000))
    assert again.welcome.session_present
    await again.close()


async def test_a_delayed_will_is_published_unless_the_client_is_back(cloud: SmallHub) -> None:
    """3.1.3.2.2"""
    session = Properties(session_expiry=1000)
    long, short = Properties(will_delay=900, user=(("k", "v"),)), Properties(will_delay=1)
    client = await WireClient5.connect(cloud, DEVICE, session, will=Will(EVENTS, b"far", properties=long))
    await client.close()
    back = await WireClient5.connect(cloud, DEVICE, session, will=Will(EVENTS, b"near", properties=short))
    events = cloud.events.subscribe("latest")
    await back.close()
    assert (await asyncio.wait_for(anext(events), 5)).message.body == b"near"
    assert [message.body for message in await all_events(cloud)] == [b"near"]
    last = await WireClient5.connect(cloud, DEVICE, session, will=Will(EVENTS, b"clean start", properties=long))
    await last.close()
    fresh = await WireClient5.connect(cloud, DEVICE, clean_start=True)
    will = (await asyncio.wait_for(anext(events), 5)).message
    assert (will.body, will.properties) == (b"clean start", {"k": "v", "iothub-MessageType": "Will"})
    await fresh.close()
    await events.aclose()


async def test_a_goodbye_with_a_will_publishes_it(cloud: SmallHub) -> None:
    """3.14.4"""
    events = cloud.events.subscribe("latest")
    client = await WireClient5.connect(cloud, DEVICE, will=Will(EVENTS, b"gone"))
    client.send(Disconnect5(Reason.DISCONNECT_WITH_WILL))
    await client.expect_closed()
    assert (await asyncio.wait_for(anext(events), 5)).message.body == b"gone"
    await events.aclose()


async def test_twins_and_methods_are_those_of_3_1_1(cloud: SmallHub) -> None:
    """Contract 1.5, 1.7, 1.8"""
    client = await WireClient5.connect(cloud, DEVICE)
    await client.subscribe(DESIRED_CHANGES, METHOD_CALLS, TWIN_RESPONSES)
    await cloud.hub.twins.patch_desired(DEVICE, {"a": 1})
    changed = await client.expect_publish()
    assert (changed.topic, json.loads(changed.payload)) == (
        "$iothub/twin/PATCH/properties/desired/?$version=2",
        {"a": 1, "$version": 2},
    )
    assert changed.properties.content_type == "application/json"
    client.send(Publish5("$iothub/twin/PATCH/properties/reported/?$rid=r", b'{"b":2}', 1, 1))
    assert (await client.expect_publish()).topic == "$iothub/twin/res/204/?$rid=r&$version=2"
    call = asyncio.create_task(cloud.hub.methods.invoke(DEVICE, "blink", 3))
    asked = await client.expect_publish()
    assert asked.payload == b"3"
    client.send(Publish5(f"$iothub/methods/res/201/?$rid={asked.topic.partition('$rid=')[2]}", b'"done"', 1, 2))
    assert (await call).payload == "done"
    await client.close()


async def test_a_pubrel_of_nothing_is_told_so(cloud: SmallHub) -> None:
    """3.7.2.1"""
    client = await WireClient5.connect(cloud, DEVICE)
    client.send(Pubrel5(5))
    assert await client.expect(Pubcomp5) == Pubcomp5(5, Reason.PACKET_ID_NOT_FOUND)
    await client.close()


@pytest.fixture
async def tls(tmp_path: Path) -> AsyncIterator[SmallHub]:
    async with SmallHub(tmp_path / "hub", loopback_address(), BookDirectory("dev-1")) as hub:
        yield hub


async def test_pahos_client_speaks_mqtt_5_with_the_hub(tls: SmallHub) -> None:
    """A client of others, over TLS: properties both ways, reasons, the end of its session"""
    inbox: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    client = paho.Client("dev-1", protocol=paho.MQTTv5)
    context = tls.client_context()
    assert context is not None
    client.tls_set_context(context)
    client.username_pw_set(tls.user_name(DEVICE), tls.token(DEVICE))
    tell = loop.call_soon_threadsafe
    client.on_connect = lambda _c, _u, _f, reason, properties: tell(inbox.put_nowait, ("connect", (reason, properties)))
    client.on_message = lambda _c, _u, message: tell(inbox.put_nowait, ("message", message))
    client.on_subscribe = lambda _c, _u, _m, reasons, _p: tell(inbox.put_nowait, ("subscribe", reasons))
    client.on_disconnect = lambda _c, _u, reason, _p=None: tell(inbox.put_nowait, ("disconnect", reason))
    connecting = PahoProperties(PacketTypes.CONNECT)
    connecting.SessionExpiryInterval = 60
    await asyncio.to_thread(client.connect, tls.address, tls.port, 60, "", 0, True, connecting)
    client.loop_start()

    async def next_of(kind: str) -> Any:
        async with asyncio.timeout(10):
            while True:
                name, value = await inbox.get()
                if name == kind:
                    return value

    reason, said = await next_of("connect")
    assert (reason.value, said.ReceiveMaximum, said.RetainAvailable) == (0, 1000, 0)
    publishing = PahoProperties(PacketTypes.PUBLISH)
    publishing.UserProperty = ("room", "lab")
    publishing.ContentType = "application/json"
    info = client.publish(EVENTS, b"{}", 1, properties=publishing)
    await asyncio.to_thread(info.wait_for_publish, 10)
    [message] = await all_events(tls)
    assert (message.properties, message.system) == ({"room": "lab"}, {"ct": "application/json"})
    client.subscribe([(BOUND, paho.SubscribeOptions(1)), ("#", paho.SubscribeOptions(0))])
    assert [reason.value for reason in await next_of("subscribe")] == [1, Reason.TOPIC_FILTER_INVALID]
    await tls.hub.send_to_device("dev-1", Message(b"hi", {"k": "v"}, {"ct": "text/plain"}))
    received = await next_of("message")
    assert (received.payload, received.properties.ContentType) == (b"hi", "text/plain")
    assert ("k", "v") in received.properties.UserProperty
    tls.hub.sessions.disconnect(DEVICE)
    assert (await next_of("disconnect")).value == Reason.ADMINISTRATIVE
    client.disconnect()
    await asyncio.to_thread(client.loop_stop)


async def test_mosquittos_clients_speak_mqtt_5_with_the_hub(tls: SmallHub) -> None:
    await tls.hub.send_to_device("dev-1", Message(b"hello", {"k": "a b"}))
    status, output = await mosquitto(tls, "mosquitto_sub", "-t", BOUND, "-q", "1", "-C", "1", "-F", "%p %P")
    assert (status, output.strip().split(" ", 1)[0]) == (0, "hello")
    assert "k:a b" in output
    user = ("-D", "PUBLISH", "user-property", "room", "lab", "-D", "PUBLISH", "content-type", "text/plain")
    assert await mosquitto(tls, "mosquitto_pub", "-t", EVENTS, "-m", "five", "-q", "1", *user) == (0, "")
    [message] = await all_events(tls)
    assert (message.body, message.properties, message.content_type) == (b"five", {"room": "lab"}, "text/plain")


async def test_mosquittos_publisher_may_number_its_topic(tls: SmallHub) -> None:
    """3.3.2.3.4"""
    alias = ("-D", "PUBLISH", "topic-alias", "3")
    repeated = ("--repeat", "3", "--repeat-delay", "0")
    assert await mosquitto(tls, "mosquitto_pub", "-t", EVENTS, "-m", "x", "-q", "1", *repeated, *alias) == (0, "")
    assert [message.body for message in await all_events(tls)] == [b"x"] * 3


async def mosquitto(hub: SmallHub, program: str, *arguments: str) -> tuple[int | None, str]:
    assert hub.authority is not None
    known = ["-h", hub.address, "-p", str(hub.port), "--cafile", str(hub.authority.certificate), "-V", "mqttv5"]
    identity = ["-i", "dev-1", "-u", hub.user_name(DEVICE), "-P", hub.token(DEVICE)]
    process = await asyncio.create_subprocess_exec(
        program, *known, *identity, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), 20)
    return process.returncode, output.decode()
