"""The hub's decoder: runs of messages and acknowledgements, and otherwise what the plain decoder gives."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.mqtt.decoder import Decoder
from hotori.mqtt.encoder import encode, encode_publish
from hotori.mqtt.packets import (
    MAX_REMAINING,
    Disconnect,
    MalformedPacketError,
    Packet,
    PacketTooLargeError,
    Pingreq,
    Puback,
    Publish,
    Subscribe,
)
from hotori.mqtt.run_decoder import Heard, Pubacks, Run, RunDecoder

PREFIX = "devices/d/messages/events/"
ids = st.integers(1, 0xFFFF)
rests = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0#+"), max_size=30)
own_topics = rests.map(lambda rest: PREFIX + rest)
topics = own_topics | rests.filter(bool) | st.sampled_from([PREFIX[:-1], PREFIX[:-2], PREFIX])
payloads = st.binary(max_size=300)
packets: st.SearchStrategy[Packet] = st.one_of(
    st.builds(Publish, own_topics, payloads, st.just(1), ids),
    st.builds(Publish, topics, payloads, st.just(0), st.just(0), st.booleans(), st.just(False)),
    st.builds(Publish, topics, payloads, st.integers(1, 2), ids, st.booleans(), st.booleans()),
    st.builds(Puback, ids),
    st.builds(Subscribe, ids, st.just((("a", 1),))),
    st.sampled_from([Pingreq(), Disconnect()]),
)


def alone(heard: Iterable[Heard]) -> list[Packet]:
    """Runs as the packets that they were, acknowledgements first."""
    found: list[Packet] = []
    for each in heard:
        match each:
            case Run():
                found += [
                    Publish(PREFIX + rest, payload, 1 if packet_id else 0, packet_id)
                    for packet_id, rest, payload in each.messages
                ]
            case Pubacks():
                found += map(Puback, each.packet_ids)
            case _:
                found.append(each)
    return found


def acknowledgements_first(read: list[Packet]) -> list[Packet]:
    return sorted(read, key=lambda packet: not isinstance(packet, Puback))


@given(st.lists(packets, max_size=8), st.lists(st.integers(0, 2000), max_size=8))
def test_it_says_what_the_plain_decoder_says(sent: list[Packet], cuts: list[int]) -> None:
    stream = b"".join(map(encode, sent))
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    ours, plain = RunDecoder(MAX_REMAINING, PREFIX), Decoder(MAX_REMAINING)
    for start, end in pairwise(edges):
        piece = stream[start:end]
        assert alone(ours.feed(piece)) == acknowledgements_first(plain.feed(piece))


@given(st.lists(packets, min_size=1, max_size=3), st.data())
def test_it_refuses_what_the_plain_decoder_refuses(sent: list[Packet], data: st.DataObject) -> None:
    stream = bytearray(b"".join(map(encode, sent)))
    for _ in range(data.draw(st.integers(1, 3))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    assert outcome(RunDecoder(70_000, PREFIX), bytes(stream)) == outcome(Decoder(70_000), bytes(stream))


def outcome(decoder: RunDecoder | Decoder, stream: bytes) -> list[Packet] | type[Exception]:
    """What was read, or the kind of the refusal."""
    try:
        return acknowledgements_first(alone(decoder.feed(stream)))
    except (MalformedPacketError, PacketTooLargeError) as error:
        return type(error)


def test_messages_that_follow_one_another_are_one_run() -> None:
    first, second = (encode_publish(f"{PREFIX}n={n}", b"x", 1, n) for n in (1, 2))
    [run] = RunDecoder(1000, PREFIX).feed(first + second)
    assert isinstance(run, Run)
    assert run.messages == [(1, "n=1", b"x"), (2, "n=2", b"x")]


def test_what_has_flags_is_large_or_goes_elsewhere_stands_alone() -> None:
    alone = [
        Publish(f"{PREFIX}a=1", b"", 1, 7, dup=True),
        Publish(f"{PREFIX}a=1", b"", 1, 7, retain=True),
        Publish(f"{PREFIX}a=1", b"", 2, 7),
        Publish(f"{PREFIX}a=1", bytes(65_536), 1, 7),
        Publish("devices/other/messages/events/", b"", 1, 7),
    ]
    assert RunDecoder(100_000, PREFIX).feed(b"".join(map(encode, alone))) == alone


@pytest.mark.parametrize("rest", ["a=+", "#", "a=\0"])
def test_a_topic_in_a_run_has_no_wildcards(rest: str) -> None:
    with pytest.raises(MalformedPacketError):
        RunDecoder(1000, PREFIX).feed(encode_publish(PREFIX + rest, b"x", 1, 1))


def test_a_topic_in_a_run_is_utf_8() -> None:
    packet = encode_publish(f"{PREFIX}a=x", b"", 1, 1).replace(b"=x", b"=\xff")
    with pytest.raises(MalformedPacketError):
        RunDecoder(1000, PREFIX).feed(packet)
