"""The codec: packets survive the wire in any pieces, and nothing malformed gets through (MQTT 3.1.1)."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.mqtt.decoder import Decoder
from hotori.mqtt.encoder import encode, encode_publish
from hotori.mqtt.packets import (
    MAX_REMAINING,
    Connack,
    Connect,
    Disconnect,
    MalformedPacketError,
    Packet,
    PacketTooLargeError,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
topics = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0#+"), min_size=1, max_size=40)
filters = texts.filter(bool)
ids = st.integers(1, 0xFFFF)
payloads = st.binary(max_size=300)
wills = st.builds(Will, topics, payloads, st.integers(0, 2), st.booleans())


def _connects() -> st.SearchStrategy[Connect]:
    fields = {"clean_session": st.booleans(), "keep_alive": st.integers(0, 0xFFFF), "will": st.none() | wills}
    named = st.builds(Connect, texts, texts, st.none() | payloads, **fields)
    return named | st.builds(Connect, texts, **fields)


packets: st.SearchStrategy[Packet] = st.one_of(
    _connects(),
    st.builds(Connack, st.booleans(), st.integers(0, 255)),
    st.builds(Publish, topics, payloads, st.just(0), st.just(0), st.booleans(), st.just(False)),
    st.builds(Publish, topics, payloads, st.integers(1, 2), ids, st.booleans(), st.booleans()),
    st.builds(Puback, ids),
    st.builds(Pubrec, ids),
    st.builds(Pubrel, ids),
    st.builds(Pubcomp, ids),
    st.builds(Subscribe, ids, st.lists(st.tuples(filters, st.integers(0, 2)), min_size=1, max_size=5).map(tuple)),
    st.builds(Suback, ids, st.lists(st.sampled_from([0, 1, 2, 0x80]), max_size=5).map(tuple)),
    st.builds(Unsubscribe, ids, st.lists(filters, min_size=1, max_size=5).map(tuple)),
    st.builds(Unsuback, ids),
    st.sampled_from([Pingreq(), Pingresp(), Disconnect()]),
)


def decode(data: bytes) -> list[Packet]:
    return Decoder(MAX_REMAINING).feed(data)


def body(first: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return bytes((first, len(content))) + content


@given(st.lists(packets, max_size=6), st.lists(st.integers(0, 2000), max_size=8))
def test_any_split_of_the_stream_gives_the_same_packets(sent: list[Packet], cuts: list[int]) -> None:
    stream = b"".join(encode(packet) for packet in sent)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    decoder = Decoder(MAX_REMAINING)

    pieces = [stream[start:end] for start, end in pairwise(edges)]
    received = [packet for piece in pieces for packet in decoder.feed(piece)]

    assert received == sent
    assert [type(packet) for packet in received] == [type(packet) for packet in sent]


@given(st.lists(packets, min_size=1, max_size=4))
def test_a_stream_byte_by_byte_gives_the_same_packets(sent: list[Packet]) -> None:
    decoder = Decoder(MAX_REMAINING)
    stream = b"".join(map(encode, sent))
    assert [packet for byte in stream for packet in decoder.feed(bytes((byte,)))] == sent


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_arbitrary_bytes_raise_nothing_but_malformed_packet(pieces: list[bytes]) -> None:
    decoder = Decoder(1000)
    with suppress(MalformedPacketError):
        for piece in pieces:
            decoder.feed(piece)


@given(packets, st.data())
def test_a_damaged_packet_raises_nothing_but_malformed_packet(packet: Packet, data: st.DataObject) -> None:
    stream = bytearray(encode(packet))
    for _ in range(data.draw(st.integers(1, 3))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    with suppress(MalformedPacketError):
        decode(bytes(stream))


@pytest.mark.parametrize("length", [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152])
def test_every_size_of_the_remaining_length_is_understood(length: int) -> None:
    """2.2.3: one to four bytes, seven bits each."""
    payload = bytes(max(length - 3, 0))
    data = encode_publish("t", payload)
    assert decode(data) == [Publish("t", payload)]


@pytest.mark.parametrize(
    ("clause", "data"),
    [
        ("2.2 type 0", b"\x00\x00"),
        ("2.2 type 15", b"\xf0\x00"),
        ("2.2.2 reserved flags of PUBACK", b"\x41\x02\x00\x01"),
        ("2.2.2 reserved flags of SUBSCRIBE", body(0x80, b"\x00\x01", b"\x00\x01t\x00")),
        ("2.2.3 five bytes of length", b"\x30\x80\x80\x80\x80\x01"),
        ("2.3.1-1 PUBLISH with id 0", body(0x32, b"\x00\x01t", b"\x00\x00")),
        ("2.3.1-1 PUBACK with id 0", b"\x40\x02\x00\x00"),
        ("2.3.1-1 SUBSCRIBE with id 0", body(0x82, b"\x00\x00", b"\x00\x01t\x00")),
        ("1.5.3-1 topic not UTF-8", body(0x30, b"\x00\x01\xff")),
        ("1.5.3-1 topic with a surrogate", body(0x30, b"\x00\x03\xed\xa0\x80")),
        ("1.5.3-2 topic with null", body(0x30, b"\x00\x01\x00")),
        ("1.5.3-2 client id with null", body(0x10, b"\x00\x04MQTT\x04\x02\x00\x3c", b"\x00\x01\x00")),
        ("3.3.2-2 topic with a wildcard", body(0x30, b"\x00\x03a/#")),
        ("4.7.3-1 empty topic", body(0x30, b"\x00\x00")),
        ("4.7.3-1 empty filter", body(0x82, b"\x00\x01", b"\x00\x00\x00")),
        ("3.3.1-2 DUP at QoS 0", body(0x38, b"\x00\x01t")),
        ("3.3.1-4 QoS 3", body(0x36, b"\x00\x01t\x00\x01")),
        ("PUBLISH without an id", body(0x32, b"\x00\x01t")),
        ("PUBLISH without a topic length", body(0x32, b"\x00")),
        ("PUBLISH whose topic is cut", body(0x30, b"\x00\x09t")),
        ("PUBACK of three bytes", b"\x40\x03\x00\x01\x00"),
        ("PINGREQ with a body", b"\xc0\x01\x00"),
        ("3.1.2-1 another protocol's name", body(0x10, b"\x00\x04MOTT\x04\x02\x00\x3c", b"\x00\x01c")),
        ("3.1.2-3 reserved flag", body(0x10, b"\x00\x04MQTT\x04\x03\x00\x3c", b"\x00\x01c")),
        ("3.1.2-11 will flags without a will", body(0x10, b"\x00\x04MQTT\x04\x2a\x00\x3c", b"\x00\x01c")),
        ("3.1.2-14 will of QoS 3", body(0x10, b"\x00\x04MQTT\x04\x1e\x00\x3c", b"\x00\x01c\x00\x01t\x00\x00")),
        ("3.1.2-22 password without user name", body(0x10, b"\x00\x04MQTT\x04\x42\x00\x3c", b"\x00\x01c\x00\x01p")),
        ("CONNECT that goes on", body(0x10, b"\x00\x04MQTT\x04\x02\x00\x3c", b"\x00\x01c", b"more")),
        ("CONNECT that stops", body(0x10, b"\x00\x04MQTT\x04\x02\x00")),
        ("3.2.2.1 reserved flags of CONNACK", b"\x20\x02\x02\x00"),
        ("3.8.3-3 SUBSCRIBE to nothing", body(0x82, b"\x00\x01")),
        ("3.8.3-4 SUBSCRIBE at QoS 3", body(0x82, b"\x00\x01", b"\x00\x01t\x03")),
        ("3.9.3 reserved code of SUBACK", body(0x90, b"\x00\x01\x03")),
        ("3.10.3-2 UNSUBSCRIBE from nothing", body(0xA2, b"\x00\x01")),
    ],
)
def test_what_the_standard_forbids_is_malformed(clause: str, data: bytes) -> None:
    with pytest.raises(MalformedPacketError):
        decode(data)


def test_a_packet_larger_than_allowed_is_refused_before_it_is_there() -> None:
    decoder = Decoder(100)
    assert decoder.feed(encode_publish("t", bytes(97))) == [Publish("t", bytes(97))]
    with pytest.raises(PacketTooLargeError):
        decoder.feed(encode_publish("t", bytes(98))[:2])


def test_a_first_byte_that_begins_no_packet_is_refused_at_once() -> None:
    with pytest.raises(MalformedPacketError):
        decode(b"GET / HTTP/1.1\r\n"[:1])


@pytest.mark.parametrize(
    ("data", "level"),
    [
        (body(0x10, b"\x00\x04MQTT\x05\x02\x00\x3c\x00", b"\x00\x01c"), 5),
        (body(0x10, b"\x00\x06MQIsdp\x03\x02\x00\x3c", b"\x00\x01c"), 3),
    ],
)
def test_another_version_of_mqtt_can_be_answered(data: bytes, level: int) -> None:
    """3.1.2-2: a CONNACK tells of it, so the packet must be told from nonsense."""
    (packet,) = decode(data)
    assert isinstance(packet, Connect)
    assert packet.level == level


def test_a_password_is_not_shown() -> None:
    assert "hunter2" not in repr(Connect("c", "u", b"hunter2"))


@pytest.mark.parametrize(
    "packet",
    [
        Publish("", b""),
        Publish("t" * 0x10000, b""),
        Publish("t", b"", qos=1),
        Connect("c" * 0x10000),
    ],
    ids=["no topic", "topic too long", "no id", "client id too long"],
)
def test_what_cannot_be_encoded_is_a_value_error(packet: Packet) -> None:
    with pytest.raises(ValueError, match=r"topic|id|field"):
        encode(packet)
