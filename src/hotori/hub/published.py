"""Between the properties of MQTT 5 and those of a message.

User properties are application properties, and may name the contract's system properties by their keys (`$.mid`),
as a bag may. The content type and the correlation data have places of their own on both sides.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime

from msgspec.structs import replace

from hotori.model.message import Message
from hotori.mqtt.bag import encode_bag, message_from_bag
from hotori.mqtt.properties import Properties

RESPONSE_TOPIC = "mqtt-response-topic"
"""The application property that carries a response topic on."""


def published(message: Message, properties: Properties, now: float) -> Message:
    """The message of a client, with what its packet's properties say. Raises MalformedBagError.

    An expiry interval becomes a point in time, `exp`, which the client itself could not have written.
    """
    named = dict(properties.user)
    if properties.content_type:
        named["$.ct"] = properties.content_type
    if properties.correlation_data:
        named["$.cid"] = _text(properties.correlation_data)
    if properties.response_topic:
        named[RESPONSE_TOPIC] = properties.response_topic
    if properties.payload_format and "ce" not in message.system:
        named.setdefault("$.ce", "utf-8")
    said = message_from_bag(encode_bag(named), b"")
    system = {**message.system, **said.system}
    if properties.message_expiry is not None:
        system["exp"] = datetime.fromtimestamp(now + properties.message_expiry, UTC).isoformat()
    return replace(
        message,
        properties={**message.properties, **said.properties},
        system=system,
        output=said.output or message.output,
    )


def delivered(message: Message, now: float, identifiers: tuple[int, ...]) -> Properties:
    """What a message's packet says beside its body; `identifiers` are those of the subscriptions it goes by."""
    system, own = dict(message.system), dict(message.properties)
    content_type, correlation, encoding = system.pop("ct", None), system.pop("cid", None), system.get("ce", "")
    user = [(f"$.{name}", value) for name, value in system.items()]
    if message.sender is not None:
        user.append(("$.cdid", message.sender.device))
        if message.sender.module is not None:
            user.append(("$.cmid", message.sender.module))
    response = own.pop(RESPONSE_TOPIC, None)
    return Properties(
        payload_format=1 if encoding.lower() in ("utf-8", "utf8") and _is_text(message.body) else None,
        message_expiry=_left(system.get("exp"), now),
        content_type=content_type,
        correlation_data=None if correlation is None else correlation.encode(),
        response_topic=response if response and not set("+#\0") & set(response) else None,
        subscription_ids=identifiers,
        user=(*user, *own.items()),
    )


def _text(data: bytes) -> str:
    """Correlation data are bytes, a correlation id is a text: what is no text goes as base64."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return base64.b64encode(data).decode()


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _left(expiry: str | None, now: float) -> int | None:
    """Seconds until a point in time (ISO 8601); None where it is not one."""
    try:
        return max(0, int(datetime.fromisoformat(expiry).timestamp() - now)) if expiry else None
    except (ValueError, OverflowError):
        return None
