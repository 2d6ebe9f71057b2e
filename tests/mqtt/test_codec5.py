"""The codec of MQTT 5: packets survive the wire in any pieces, and nothing malformed gets through."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.mqtt.decoder5 import Decoder5
from hotori.mqtt.encoder5 import encode5
from hotori.mqtt.greeting import Greeting
from hotori.mqtt.packets import (
    MAX_REMAINING,
    Connect,
    MalformedPacketError,
    PacketTooLargeError,
    Pingreq,
    Pingresp,
    ProtocolBrokenError,
    Will,
)
from hotori.mqtt.packets5 import (
    Auth5,
    Connack5,
    Disconnect5,
    Packet5,
    Puback5,
    Pubcomp5,
    Publish5,
    Pubrec5,
    Pubrel5,
    Suback5,
    Subscribe5,
    Unsuback5,
    Unsubscribe5,
    Wish,
)
from hotori.mqtt.properties import Properties
from tests.mqtt.test_codec import body, filters, ids, payloads, texts, topics

flags, shorts, longs = st.integers(0, 1), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
user = st.lists(st.tuples(texts, texts), max_size=3).map(tuple)
message = {
    "payload_format": st.none() | flags,
    "message_expiry": st.none() | longs,
    "content_type": st.none() | texts,
    "response_topic": st.none() | topics,
    "correlation_data": st.none() | payloads,
    "user": user,
}
in_publish = st.builds(
    Properties, **message, subscription_ids=st.lists(st.integers(1, MAX_REMAINING), max_size=3).map(tuple)
)
in_will = st.builds(Properties, **message, will_delay=st.none() | longs)
both = {
    "session_expiry": st.none() | longs,
    "receive_maximum": st.none() | ids,
    "maximum_packet_size": st.none() | st.integers(1, 0xFFFFFFFF),
    "topic_alias_maximum": st.none() | shorts,
    "authentication_method": st.none() | texts,
    "user": user,
}
in_connect = st.builds(Properties, **both, request_problem=st.none() | flags, request_response=st.none() | flags)
in_connack = st.builds(
    Properties,
    **both,
    assigned_client_id=st.none() | texts,
    server_keep_alive=st.none() | shorts,
    retain_available=st.none() | flags,
    maximum_qos=st.none() | flags,
    reason=st.none() | texts,
)
in_answer = st.builds(Properties, reason=st.none() | texts, user=user)
reasons = st.integers(0, 255)
wills = st.builds(Will, topics, payloads, st.integers(0, 2), st.booleans(), in_will)
connects = st.builds(
    Connect,
    texts,
    st.none() | texts,
    st.none() | payloads,
    clean_session=st.booleans(),
    keep_alive=shorts,
    will=st.none() | wills,
    level=st.just(5),
    properties=in_connect,
)
wishes = st.builds(Wish, filters, st.integers(0, 2), st.booleans(), st.booleans(), st.integers(0, 2))
packets: st.SearchStrategy[Packet5] = st.one_of(
    connects,
    st.builds(Connack5, st.booleans(), reasons, in_connack),
    st.builds(Publish5, topics, payloads, st.just(0), st.just(0), st.booleans(), st.just(False), in_publish),
    st.builds(Publish5, topics, payloads, st.integers(1, 2), ids, st.booleans(), st.booleans(), in_publish),
    *(st.builds(kind, ids, reasons, in_answer) for kind in (Puback5, Pubrec5, Pubrel5, Pubcomp5)),
    st.builds(Subscribe5, ids, st.lists(wishes, min_size=1, max_size=3).map(tuple)),
    st.builds(Unsubscribe5, ids, st.lists(filters, min_size=1, max_size=3).map(tuple)),
    st.builds(Suback5, ids, st.lists(reasons, max_size=3).map(tuple), in_answer),
    st.builds(Unsuback5, ids, st.lists(reasons, max_size=3).map(tuple), in_answer),
    st.builds(Disconnect5, reasons, in_answer),
    st.builds(Auth5, reasons, in_answer),
    st.sampled_from([Pingreq(), Pingresp()]),
)


def decode(data: bytes) -> list[Packet5]:
    return Decoder5(MAX_REMAINING).feed(data)


@given(st.lists(packets, max_size=5), st.lists(st.integers(0, 1000), max_size=6))
def test_any_split_of_the_stream_gives_the_same_packets(sent: list[Packet5], cuts: list[int]) -> None:
    stream = b"".join(map(encode5, sent))
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    decoder = Decoder5(MAX_REMAINING)
    assert [packet for start, end in pairwise(edges) for packet in decoder.feed(stream[start:end])] == sent


@given(packets, st.data())
def test_a_damaged_packet_raises_nothing_but_malformed_packet(packet: Packet5, data: st.DataObject) -> None:
    stream = bytearray(encode5(packet))
    for _ in range(data.draw(st.integers(1, 3))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    with suppress(MalformedPacketError):
        decode(bytes(stream))


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_arbitrary_bytes_raise_nothing_but_malformed_packet(pieces: list[bytes]) -> None:
    decoder, greeting = Decoder5(1000), Greeting(1000)
    for feed in (decoder.feed, greeting.feed):
        with suppress(MalformedPacketError):
            for piece in pieces:
                feed(piece)


@given(connects, payloads, st.integers(1, 9))
def test_a_greeting_is_a_connect_and_leaves_what_follows(connect: Connect, rest: bytes, step: int) -> None:
    stream, greeting = encode5(connect), Greeting(MAX_REMAINING)
    pieces = [stream[start : start + step] for start in range(0, len(stream), step)]
    assert [greeting.feed(piece) for piece in pieces[:-1]] == [None] * (len(pieces) - 1)
    assert greeting.feed(pieces[-1] + rest) == (connect, rest)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (body(0x40, b"\0\1\0\3\x1f\0\0\x1f\0\0"), MalformedPacketError),  # a property beyond its length
        (body(0x40, b"\0\1\0\6\x1f\0\0\x1f\0\0"), ProtocolBrokenError),  # twice the same
        (body(0x40, b"\0\1\0\2\x24\1"), MalformedPacketError),  # one that is CONNACK's
        (body(0x30, b"\0\0\0x"), ProtocolBrokenError),  # neither topic nor alias
        (body(0x30, b"\0\1t\3\x23\0\0"), ProtocolBrokenError),  # alias 0
        (body(0x30, b"\0\1t\2\x0b\0"), ProtocolBrokenError),  # subscription id 0
        (body(0x30, b"\0\1t\2\x01\2"), ProtocolBrokenError),  # payload format 2
        (body(0x82, b"\0\1\0"), ProtocolBrokenError),  # no filter
        (body(0x82, b"\0\1\0\0\1a\3"), ProtocolBrokenError),  # QoS 3
        (body(0x82, b"\0\1\0\0\1a\x30"), ProtocolBrokenError),  # retain handling 3
        (body(0x82, b"\0\1\0\0\1a\x80"), MalformedPacketError),  # reserved bits
        (body(0x82, b"\0\1\4\x0b\1\x0b\2\0\1a\1"), ProtocolBrokenError),  # two subscription ids
        (body(0x38, b"\0\1t\0"), MalformedPacketError),  # DUP at QoS 0
        (body(0xE0, b"\0\0\0"), MalformedPacketError),
        (body(0xF1, b""), MalformedPacketError),
    ],
)
def test_what_the_standard_forbids_is_told_apart(data: bytes, error: type[Exception]) -> None:
    """MQTT 5, 1.2 and 4.13: malformed, or a protocol error"""
    with pytest.raises(MalformedPacketError) as raised:
        decode(data)
    assert type(raised.value) is error


def test_a_packet_beyond_the_limit_is_refused_when_it_is_announced() -> None:
    """MQTT 5, 3.2.2.3.6"""
    for taker in (Decoder5(100), Greeting(100)):
        with pytest.raises(PacketTooLargeError):
            taker.feed(b"\x10\xff\x7f")


def test_a_greeting_begins_with_connect() -> None:
    """[MQTT-3.1.0-1]"""
    with pytest.raises(ProtocolBrokenError):
        Greeting(100).feed(b"\xc0")


def test_an_answer_without_trouble_has_the_bytes_of_3_1_1() -> None:
    """MQTT 5, 3.4.2.1"""
    assert encode5(Puback5(7)) == b"\x40\x02\x00\x07"
    assert encode5(Disconnect5()) == b"\xe0\x00"
