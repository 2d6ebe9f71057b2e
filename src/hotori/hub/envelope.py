"""Messages as a log keeps them: compact bytes with everything that the hub knows of them.

Properties are kept as the text of their bag, in which they came and in which most of them go on. The endpoints come
first, so that they can be read without the rest. What no route took stands there without its body: only so that its
account survives a crash.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from hotori.model.identity import Identity
from hotori.model.message import Message
from hotori.mqtt.bag import Bag, bag_text

FOR_EVER = 0.0
"""The expiry of a message that never expires."""


class Delivery(NamedTuple):
    """One endpoint that a message goes to. Lower priorities leave first; `expires` is in Unix seconds.

    `route` is the name of the route that decided, empty where none did.
    """

    endpoint: str
    priority: int
    expires: float = FOR_EVER
    route: str = ""


class _Stored(msgspec.Struct, array_like=True):
    deliveries: tuple[Delivery, ...]
    device: str
    module: str | None
    output: str | None
    enqueued_at: float
    bag: str
    body: bytes


class _Unrouted(msgspec.Struct, array_like=True):
    deliveries: tuple[Delivery, ...]
    device: str
    module: str | None


class _Address(msgspec.Struct, array_like=True):
    deliveries: tuple[Delivery, ...]


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(_Stored)
_unrouted_decoder = msgspec.msgpack.Decoder(_Unrouted)
_address_decoder = msgspec.msgpack.Decoder(_Address)


def encode_envelopes(messages: Sequence[Message], deliveries: tuple[Delivery, ...]) -> list[bytes]:
    """Each of the messages as bytes, with the endpoints that all of them wait for."""
    entries: list[bytes] = []
    address = msgspec.Raw(_encode(deliveries))
    for message in messages:
        sender, properties = message.sender, message.properties
        device, module = (sender.device, sender.module) if sender is not None else ("", None)
        bag = properties.text if type(properties) is Bag and properties.system is message.system else bag_text(message)
        # The fields of `_Stored`: a tuple is the same on disk, and made faster.
        entries.append(_encode((address, device, module, message.output, message.enqueued_at, bag, message.body)))
    return entries


def decode_envelope(data: bytes) -> tuple[Message, tuple[Delivery, ...]]:
    """One message that `encode_envelopes` was given, and its endpoints.

    Raises msgspec.MsgspecError where the bytes are no envelope.
    """
    stored = _decoder.decode(data)
    bag = Bag.trusted(stored.bag)
    sender = _identity(stored.device, stored.module) if stored.device else None
    return Message(stored.body, bag, bag.system, sender, stored.output, stored.enqueued_at), stored.deliveries


_identity = lru_cache(maxsize=4096)(Identity)  # whose making looks at every character of its names


def decode_deliveries(data: bytes) -> tuple[Delivery, ...]:
    """The endpoints of an envelope. Raises msgspec.MsgspecError where the bytes are no envelope."""
    return _address_decoder.decode(data).deliveries


def encode_unrouted(sender: Identity) -> bytes:
    """The trace of a message that no route took."""
    return _encode(_Unrouted((), sender.device, sender.module))


def decode_unrouted(data: bytes) -> Identity:
    """What `encode_unrouted` was given; also from the envelope of a message without deliveries."""
    stored = _unrouted_decoder.decode(data)
    return Identity(stored.device, stored.module)
