"""Delivery to the inputs of modules on an edge device (contract 1.5, 5.3), on the wire."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from hotori.hub.account import Counters
from hotori.model.identity import Identity
from hotori.mqtt.packets import Pingreq, Pingresp, Puback, Publish
from hotori.mqtt.topics import Telemetry, inputs_filter, module_filter
from hotori.testing.small_hub import SmallHub
from hotori.testing.wire_client import WireClient

CAMERA, CLASSIFIER = Identity("edge-1", "camera"), Identity("edge-1", "classifier")
INPUT = "devices/edge-1/modules/classifier/inputs/pictures"


def picture(number: int, output: str = "pictures") -> Publish:
    return Publish(Telemetry(CAMERA, f"%24.on={output}&%24.mid={number}&a=x%20y").format(), b"%d" % number, 1, number)


async def send_pictures(edge: SmallHub, *packets: Publish) -> None:
    camera = await WireClient.connect(edge, CAMERA)
    camera.send(*packets)
    for _ in packets:
        await camera.expect(Puback)
    await camera.close()


async def settle(client: WireClient) -> None:
    """Return when the hub has acted on everything sent before."""
    client.send(Pingreq())
    await client.expect(Pingresp)


def accounts(edge: SmallHub) -> Counters:
    counters = edge.hub.queues.total("module:classifier")
    assert counters.accepted == counters.delivered + counters.expired + counters.dropped + counters.pending
    return counters


@pytest.mark.parametrize("subscription", [inputs_filter(CLASSIFIER), module_filter(CLASSIFIER), f"{INPUT}/#"])
async def test_a_message_waits_for_its_module_and_says_who_sent_it(edge: SmallHub, subscription: str) -> None:
    """1.5, 1.6, 5.1: unknown modules are fine; `$.cdid` and `$.cmid` are the hub's word"""
    await send_pictures(edge, picture(1))
    classifier = await WireClient.connect(edge, CLASSIFIER)
    await classifier.subscribe(subscription)
    received = await classifier.expect_publish()
    head, _, bag = received.topic.rpartition("/")
    assert head == INPUT
    assert sorted(bag.split("&")) == ["%24.cdid=edge-1", "%24.cmid=camera", "%24.mid=1", "a=x%20y"]
    assert (received.payload, received.qos, received.dup) == (b"1", 1, False)
    classifier.send(Puback(received.packet_id))
    await settle(classifier)
    assert accounts(edge) == Counters(accepted=1, delivered=1)
    await classifier.close()


async def test_ten_are_on_their_way_and_an_acknowledgement_lets_the_next_go(edge: SmallHub) -> None:
    """1.5"""
    await send_pictures(edge, *[picture(number) for number in range(1, 26)])
    classifier = await WireClient.connect(edge, CLASSIFIER)
    await classifier.subscribe(inputs_filter(CLASSIFIER))
    received = [await classifier.expect_publish() for _ in range(10)]
    await settle(classifier)
    assert classifier.received == []
    while len(received) < 25:
        classifier.send(Puback(received[len(received) - 10].packet_id))
        received.append(await classifier.expect_publish())
    assert [publish.payload for publish in received] == [b"%d" % number for number in range(1, 26)]
    await classifier.close()


async def test_the_urgent_come_first(edge: SmallHub) -> None:
    """5.3: 0 is the highest priority"""
    await send_pictures(edge, picture(1), picture(2), picture(3, "urgent"))
    classifier = await WireClient.connect(edge, CLASSIFIER)
    await classifier.subscribe(inputs_filter(CLASSIFIER))
    assert [(await classifier.expect_publish()).payload for _ in range(3)] == [b"3", b"1", b"2"]
    await classifier.close()


async def test_what_was_not_acknowledged_comes_again_after_a_reconnect_in_order(edge: SmallHub) -> None:
    """1.5, [MQTT-4.4.0-1]: the same packet ids, marked DUP"""
    await send_pictures(edge, *[picture(number) for number in range(1, 13)])
    classifier = await WireClient.connect(edge, CLASSIFIER)
    await classifier.subscribe(inputs_filter(CLASSIFIER))
    first = [await classifier.expect_publish() for _ in range(10)]
    classifier.send(Puback(first[1].packet_id))
    eleventh = await classifier.expect_publish()
    await classifier.close()

    again = await WireClient.connect(edge, CLASSIFIER)
    second = [await again.expect_publish() for _ in range(10)]
    assert second == [publish._replace(dup=True) for publish in (first[0], *first[2:], eleventh)]
    again.send(*[Puback(publish.packet_id) for publish in second])
    assert (await again.expect_publish()).payload == b"12"
    await again.close()


async def test_what_is_not_acknowledged_in_time_is_sent_again(edge: SmallHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """5.3: 30 s, here 2"""
    classifier = await WireClient.connect(edge, CLASSIFIER)
    await classifier.subscribe(inputs_filter(CLASSIFIER))
    await send_pictures(edge, picture(1))
    first = await classifier.expect_publish()
    assert await classifier.expect_publish() == first._replace(dup=True)
    classifier.send(Puback(first.packet_id))
    await settle(classifier)
    assert accounts(edge).delivered == 1
    await classifier.close()


async def test_deliveries_go_on_after_a_restart_of_the_hub(edge: SmallHub) -> None:
    await send_pictures(edge, *[picture(number) for number in range(1, 4)])
    classifier = await WireClient.connect(edge, CLASSIFIER)
    await classifier.subscribe(inputs_filter(CLASSIFIER))
    received = [await classifier.expect_publish() for _ in range(3)]
    classifier.send(Puback(received[0].packet_id))
    await settle(classifier)
    await edge.stop()
    await classifier.close()
    await edge.start()
    assert accounts(edge) == Counters(accepted=3, delivered=1, pending=2)
    again = await WireClient.connect(edge, CLASSIFIER)
    assert [(await again.expect_publish()).payload for _ in range(2)] == [b"2", b"3"]
    await again.close()


async def test_at_qos_0_nothing_is_acknowledged(edge: SmallHub) -> None:
    classifier = await WireClient.connect(edge, CLASSIFIER)
    await classifier.subscribe(inputs_filter(CLASSIFIER), qos=0)
    await send_pictures(edge, *[picture(number) for number in range(1, 16)])
    received = [await classifier.expect_publish() for _ in range(15)]
    assert {publish.qos for publish in received} == {0}
    assert accounts(edge) == Counters(accepted=15, delivered=15)
    await classifier.close()


async def test_who_unsubscribes_gets_nothing_and_who_takes_over_gets_all(edge: SmallHub) -> None:
    first = await WireClient.connect(edge, CLASSIFIER)
    await send_pictures(edge, picture(1))
    await settle(first)
    assert first.received == []
    second = await WireClient.connect(edge, CLASSIFIER)
    await second.subscribe(inputs_filter(CLASSIFIER))
    assert (await second.expect_publish()).payload == b"1"
    third = await WireClient.connect(edge, CLASSIFIER)
    assert (await third.expect_publish()).dup
    for client in (first, second, third):
        await client.close()


async def test_a_message_that_no_route_takes_is_acknowledged_and_counted(edge: SmallHub) -> None:
    """5.3: dropped, `no_route`; in its order among the others"""
    await send_pictures(edge, picture(1), picture(2, "nowhere"), picture(3))
    assert list(edge.hub.queues.unrouted.counts.values()) == [1]
    assert accounts(edge).accepted == 2


async def test_packet_ids_are_not_used_twice_at_a_time(edge: SmallHub) -> None:
    classifier = await WireClient.connect(edge, CLASSIFIER)
    await classifier.subscribe(inputs_filter(CLASSIFIER))
    await send_pictures(edge, *[picture(number) for number in range(1, 40)])
    out: list[int] = []
    for _ in range(39):
        out.append((await classifier.expect_publish()).packet_id)
        if len(out) == 10:
            assert len(set(out)) == 10
            classifier.send(Puback(out.pop(0)))
    assert all(before != after for before, after in pairwise(out))
    await asyncio.sleep(0)
    await classifier.close()
