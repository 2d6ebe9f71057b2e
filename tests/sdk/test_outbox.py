"""What a connection still has to send."""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future, new_event_loop
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.mqtt.packets import MAX_PACKET_ID, Publish
from hotori.sdk.outbox import Outbox, Outgoing, PacketIds


@pytest.fixture(scope="module")
def loop() -> Iterator[AbstractEventLoop]:
    loop = new_event_loop()
    yield loop
    loop.close()


def outgoing(loop: AbstractEventLoop, name: str) -> tuple[Outgoing, Future[None]]:
    done: Future[None] = loop.create_future()
    return Outgoing(name, b"", done), done


def topics(packets: Iterator[Publish]) -> list[str]:
    return [packet.topic for packet in packets]


def test_no_more_are_on_their_way_than_the_window_holds(loop: AbstractEventLoop) -> None:
    outbox = Outbox(2, PacketIds())
    for name in "abc":
        outbox.add(outgoing(loop, name)[0])

    first, second = outbox.next()
    assert (first.topic, second.topic) == ("a", "b")
    outbox.acknowledge(second.packet_id)
    assert topics(outbox.next()) == ["c"]


def test_what_was_on_its_way_goes_again_first_and_in_order(loop: AbstractEventLoop) -> None:
    """MQTT 4.4.0-1, 3.3.1-1."""
    outbox = Outbox(3, PacketIds())
    for name in "abcd":
        outbox.add(outgoing(loop, name)[0])
    first, *_ = outbox.next()
    outbox.acknowledge(first.packet_id)

    again = list(outbox.again())

    assert topics(iter(again)) == ["b", "c"]
    assert all(packet.dup for packet in again)
    assert topics(outbox.next()) == ["d"]


def test_a_message_given_up_while_it_waits_does_not_leave(loop: AbstractEventLoop) -> None:
    outbox = Outbox(1, PacketIds())
    given_up, done = outgoing(loop, "a")
    outbox.add(given_up)
    outbox.add(outgoing(loop, "b")[0])
    done.cancel()
    assert topics(outbox.next()) == ["b"]


def test_a_message_given_up_on_its_way_is_still_accounted_for(loop: AbstractEventLoop) -> None:
    outbox = Outbox(1, PacketIds())
    on_its_way, done = outgoing(loop, "a")
    outbox.add(on_its_way)
    (packet,) = outbox.next()
    done.cancel()
    assert len(outbox) == 1
    outbox.acknowledge(packet.packet_id)
    assert len(outbox) == 0


def test_an_acknowledgement_of_nothing_is_ignored() -> None:
    Outbox(1, PacketIds()).acknowledge(7)


@given(st.lists(st.sampled_from(["add", "next", "acknowledge", "lose"]), max_size=60), st.integers(1, 4))
def test_every_message_arrives_in_order_whatever_happens(
    loop: AbstractEventLoop, events: list[str], window: int
) -> None:
    """The hub sees each message first in the order of the calls, with any number of repetitions after that."""
    outbox, seen, count = Outbox(window, PacketIds()), list[str](), 0
    unacknowledged: list[Publish] = []
    for event in [*events, "lose", *["next", "acknowledge"] * 60]:
        if event == "add":
            outbox.add(outgoing(loop, str(count))[0])
            count += 1
        elif event == "lose":
            unacknowledged = list(outbox.again())
        elif event == "next":
            fresh = list(outbox.next())
            unacknowledged += fresh
            seen += [packet.topic for packet in fresh]
        elif unacknowledged:
            outbox.acknowledge(unacknowledged.pop(0).packet_id)
        assert len(unacknowledged) <= window

    assert seen == [str(number) for number in range(count)]
    assert len(outbox) == 0


def test_packet_ids_go_round_and_pass_over_those_in_use() -> None:
    """MQTT 2.3.1: 0 is none of them."""
    ids = PacketIds()
    assert [ids.take() for _ in range(MAX_PACKET_ID)] == list(range(1, MAX_PACKET_ID + 1))
    with pytest.raises(RuntimeError):
        ids.take()
    ids.free(7)
    assert ids.take() == 7
