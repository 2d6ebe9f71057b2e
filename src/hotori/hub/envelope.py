"""Messages as a log keeps them: compact bytes with everything that the hub knows of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from hotori.model.identity import Identity
from hotori.model.message import Message

FOR_EVER = 0.0
"""The expiry of a message that never expires."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One endpoint that a message goes to. Lower priorities leave first; `expires` is in Unix seconds."""

    endpoint: str
    priority: int
    expires: float = FOR_EVER


class _Stored(msgspec.Struct, array_like=True):
    body: bytes
    properties: dict[str, str]
    system: dict[str, str]
    device: str
    module: str | None
    output: str | None
    enqueued_at: float
    deliveries: list[tuple[str, int, float]]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Stored)


def encode_envelope(message: Message, deliveries: tuple[Delivery, ...] = ()) -> bytes:
    """The message, and the endpoints that it waits for, as bytes."""
    sender = message.sender
    return _encoder.encode(
        _Stored(
            body=message.body,
            properties=_plain(message.properties),
            system=_plain(message.system),
            device=sender.device if sender else "",
            module=sender.module if sender else None,
            output=message.output,
            enqueued_at=message.enqueued_at,
            deliveries=[(delivery.endpoint, delivery.priority, delivery.expires) for delivery in deliveries],
        )
    )


def _plain(values: Mapping[str, str]) -> dict[str, str]:
    return values if type(values) is dict else dict(values)


def decode_envelope(data: bytes) -> tuple[Message, tuple[Delivery, ...]]:
    """What `encode_envelope` was given. Raises msgspec.MsgspecError where the bytes are no envelope."""
    stored = _decoder.decode(data)
    message = Message(
        body=stored.body,
        properties=stored.properties,
        system=stored.system,
        sender=Identity(stored.device, stored.module) if stored.device else None,
        output=stored.output,
        enqueued_at=stored.enqueued_at,
    )
    return message, tuple(Delivery(*delivery) for delivery in stored.deliveries)
