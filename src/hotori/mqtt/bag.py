"""Property bags: the properties of a message, percent-encoded into its topic (contract 1.6).

`key=value` joined by `&`. System keys begin with `$.`; some clients encode the dollar sign and some do not, so
a bag is decoded first and interpreted then. Decoding a bag costs more than decoding its packet: short
texts are remembered, short bags too, and only what holds a `%` is unquoted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

from hotori.model.identity import Identity
from hotori.model.message import Message
from hotori.problems import Problem

_STAMPED = ("cdid", "cmid", "to", "exp", "iothub-message-source")
"""System properties that only a hub may write: clients echo what they received (contract 1.6, trap 8)."""
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_RESERVED = re.compile(r"[^A-Za-z0-9_.~-]")
# What is remembered is bounded in number and in length, since it comes from strangers.
_REMEMBERED_BAG = 512
_REMEMBERED_TEXT = 64


class MalformedBagError(ValueError):
    """The text is no property bag: a broken escape, bytes that are not UTF-8, or a value without a name."""


def decode_bag(text: str) -> dict[str, str]:
    """The properties, system keys with their `$.`. A key without `=` has the empty value; the last of two wins."""
    if not text:
        return {}
    if len(text) > _REMEMBERED_BAG:
        return _decode(text)
    return _decode_remembered(text).copy()


def encode_bag(properties: Mapping[str, str]) -> str:
    """The text for a topic; everything but letters, digits and `-._~` is percent-encoded, spaces as `%20`."""
    return "&".join([f"{_encode_text(name)}={_encode_text(value)}" for name, value in properties.items()])


def message_from_bag(bag: str, body: bytes, *, trusted: bool = False) -> Message:
    """The message of a PUBLISH, its bag split into application and system properties.

    What a client sends is not trusted: properties that a hub stamps are left out. What a hub sends is: its
    `$.cdid` and `$.cmid` become the sender. `$.on` becomes the output. Raises MalformedBagError.
    """
    properties = decode_bag(bag)
    system = {name[2:]: properties.pop(name) for name in [*properties] if name[:2] == "$."}
    output = system.pop("on", None) or None
    if trusted:
        return Message(body, properties, system, _sender(system), output)
    if system:
        for name in _STAMPED:
            system.pop(name, None)
    return Message(body, properties, system, None, output)


def bag_from_message(message: Message, *, to_client: bool) -> str:
    """The bag of a message. A hub tells its client the sender; a client tells its hub the output."""
    parts = []
    if to_client:
        if message.sender is not None:
            parts.append(f"%24.cdid={_encode_text(message.sender.device)}")
            if message.sender.module is not None:
                parts.append(f"%24.cmid={_encode_text(message.sender.module)}")
    elif message.output is not None:
        parts.append(f"%24.on={_encode_text(message.output)}")
    parts += [f"%24.{_encode_text(name)}={_encode_text(text)}" for name, text in message.system.items()]
    parts.append(encode_bag(message.properties))
    return "&".join(filter(None, parts))


def _sender(system: dict[str, str]) -> Identity | None:
    device, module = system.pop("cdid", None), system.pop("cmid", None)
    try:
        return Identity(device, module or None) if device else None
    except Problem:  # a name that we would not give: the message is good, its sender is not known
        return None


def _decode(text: str) -> dict[str, str]:
    properties: dict[str, str] = {}
    for part in text.split("&"):
        name, equals, value = part.partition("=")
        if name:
            properties[_decode_text(name) if "%" in name else name] = _decode_text(value) if "%" in value else value
        elif equals:
            raise MalformedBagError("a property has a value and no name")
    return properties


_decode_remembered = lru_cache(maxsize=1024)(_decode)


def _decode_text(text: str) -> str:
    return _unquote_remembered(text) if len(text) <= _REMEMBERED_TEXT else _unquote(text)


def _unquote(text: str) -> str:
    if _BROKEN_ESCAPE.search(text):
        raise MalformedBagError("a percent sign is not followed by two hexadecimal digits")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError as error:
        raise MalformedBagError("a property is not UTF-8") from error


_unquote_remembered = lru_cache(maxsize=2048)(_unquote)


def _encode_text(text: str) -> str:
    if not _RESERVED.search(text):
        return text
    return _quote_remembered(text) if len(text) <= _REMEMBERED_TEXT else _quote(text)


def _quote(text: str) -> str:
    return quote(text, safe="")


_quote_remembered = lru_cache(maxsize=2048)(_quote)
