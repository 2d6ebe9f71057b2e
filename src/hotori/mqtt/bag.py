"""Property bags: the properties of a message, percent-encoded into its topic (contract 1.6).

`key=value` joined by `&`. System keys begin with `$.`; some clients encode the dollar sign and some do not, so
a bag is decoded first and interpreted then. Decoding a bag costs more than decoding its packet: short parts of
it are remembered, and only what holds a `%` is unquoted.
"""

from __future__ import annotations

import re
from collections.abc import ItemsView, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple, TypeAlias
from urllib.parse import quote, unquote_to_bytes

from hotori.model.identity import Identity
from hotori.model.message import CaseFolded, Message
from hotori.problems import Problem

_STAMPED = frozenset({"$.cdid", "$.cmid", "$.to", "$.exp", "$.iothub-message-source"})
"""System properties that only a hub may write: clients echo what they received (contract 1.6, trap 8)."""
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_RESERVED = re.compile(r"[^A-Za-z0-9_.~-]")
_TOPIC_SAFE = re.compile(r"[A-Za-z0-9_.~%=-]*")
# What is remembered is bounded in number and in length, since it comes from strangers.
_REMEMBERED_TEXT = 64
_MOST_REMEMBERED = 4096
_REMEMBERED_MIDDLE = 512
_MOST_MIDDLES = 1024


class MalformedBagError(ValueError):
    """The text is no property bag: a broken escape, bytes that are not UTF-8, or a value without a name."""


class Bag(CaseFolded, Mapping[str, str]):
    """The application properties of a message, with the text of the whole bag, without sender and output.

    `system` are the others of the same bag. A bag that is only handed on is never decoded; one whose text was not
    written by a hub must be read with `read_bag`.
    """

    __slots__ = ("_properties", "system", "text")

    def __init__(
        self,
        text: str,
        properties: dict[str, str] | None = None,
        system: dict[str, str] | None = None,
        folded: dict[str, str] | None = None,
    ) -> None:
        self.text = text
        self._properties: Mapping[str, str] | None = properties
        self.system: Mapping[str, str] = _System(text) if system is None else system
        self.folded = folded

    def __getitem__(self, name: str) -> str:
        return self.known()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.known())

    def __len__(self) -> int:
        return len(self.known())

    def __repr__(self) -> str:
        return repr(self.known())

    def items(self) -> ItemsView[str, str]:
        return self.known().items()

    def known(self) -> Mapping[str, str]:
        """The properties, decoded when this is first asked."""
        if self._properties is None:
            decoded = decode_bag(self.text)
            self._properties = {name: value for name, value in decoded.items() if name[:2] != "$."}
        return self._properties


class _System(Mapping[str, str]):
    """The system properties of a bag."""

    __slots__ = ("_known", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._known: Mapping[str, str] | None = None

    def __getitem__(self, name: str) -> str:
        return self.known()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.known())

    def __len__(self) -> int:
        return len(self.known())

    def __repr__(self) -> str:
        return repr(self.known())

    def known(self) -> Mapping[str, str]:
        if self._known is None:
            decoded = decode_bag(self._text)
            self._known = {name[2:]: value for name, value in decoded.items() if name[:2] == "$."}
        return self._known


class _Read(NamedTuple):
    """What parts of a bag say together. `as_it_is`: each of them can stand in a topic as it came, and none is left out
    or named twice.
    """

    properties: dict[str, str]
    system: dict[str, str]
    output: str | None
    mixed_case: bool
    as_it_is: bool


def read_bag(text: str) -> tuple[Bag, str | None]:
    """The bag of a client, and the output it names: properties that a hub stamps are left out.

    Where bags differ from message to message, it is mostly at one of their ends (an id, a number, a time): what
    stands between the first and the last part is remembered as a whole. A slash at the end is not part of the bag
    (contract 1.5). Raises MalformedBagError.
    """
    if text[-1:] == "/":
        text = text[:-1]
    first, _, rest = text.partition("&")
    middle, _, last = rest.rpartition("&")
    between = _middles.get(middle) or _read_middle(middle)
    properties, system, output, mixed_case, as_it_is = between
    if not as_it_is:
        return _read_whole(text)
    properties, own, expected = properties.copy(), text, len(properties) + len(system)
    for part in (first, last) if rest else (first,):
        place, name, value, safe = _parts.get(part) or _read_part(part)
        if not safe or place > _OUTPUT or (place == _OUTPUT and part is not first):
            return _read_whole(text)
        if place == _OUTPUT:
            output, own = value or None, rest
            continue
        if place == _SYSTEM:
            system = {**system, name: value}
        else:
            properties[name] = value
            mixed_case = mixed_case or place == _MIXED_CASE
        expected += 1
    if len(properties) + len(system) < expected:
        return _read_whole(text)
    return Bag(own, properties, system, None if mixed_case else properties), output


def _read_whole(text: str) -> tuple[Bag, str | None]:
    """Any bag, part by part."""
    properties, system, output, mixed_case, as_it_is = _read_parts(text)
    own = text if as_it_is else _text(properties, system)
    return Bag(own, properties, system, None if mixed_case else properties), output


def _read_middle(text: str) -> _Read:
    read = _read_parts(text)
    if len(text) <= _REMEMBERED_MIDDLE:
        if len(_middles) >= _MOST_MIDDLES:
            _middles.clear()
        _middles[text] = read
    return read


def _read_parts(text: str) -> _Read:
    properties: dict[str, str] = {}
    system: dict[str, str] = {}
    output = None
    parts = text.split("&") if text else ()
    as_it_is = 0
    mixed_case = False
    for part in parts:
        place, name, value, safe = _parts.get(part) or _read_part(part)
        if place <= _MIXED_CASE:
            mixed_case = mixed_case or place == _MIXED_CASE
            properties[name] = value
            as_it_is += safe
        elif place == _SYSTEM:
            system[name] = value
            as_it_is += safe
        elif place == _OUTPUT:
            output = value or None
    return _Read(properties, system, output, mixed_case, as_it_is == len(parts) == len(properties) + len(system))


def decode_bag(text: str) -> dict[str, str]:
    """The properties, system keys with their `$.`. A key without `=` has the empty value; the last of two wins."""
    properties: dict[str, str] = {}
    for part in text.split("&") if text else ():
        name, equals, value = part.partition("=")
        if name:
            properties[_decode_text(name)] = _decode_text(value)
        elif equals:
            raise MalformedBagError("a property has a value and no name")
    return properties


def encode_bag(properties: Mapping[str, str]) -> str:
    """The text for a topic; everything but letters, digits and `-._~` is percent-encoded, spaces as `%20`."""
    return "&".join([f"{_encode_text(name)}={_encode_text(value)}" for name, value in properties.items()])


def message_from_bag(bag: str, body: bytes, *, trusted: bool = False) -> Message:
    """The message of a PUBLISH, its bag split into application and system properties.

    What a client sends is not trusted, see `read_bag`. What a hub sends is: its `$.cdid` and `$.cmid` become the
    sender. Raises MalformedBagError.
    """
    if not trusted:
        read, output = read_bag(bag)
        return Message(body, read, read.system, None, output)
    properties = decode_bag(bag)
    system = {name[2:]: properties.pop(name) for name in [*properties] if name[:2] == "$."}
    output = system.pop("on", None) or None
    return Message(body, properties, system, _sender(system), output)


def bag_text(message: Message) -> str:
    """System properties (with their `$.` again) and others as one bag, without sender and output."""
    properties = message.properties
    if type(properties) is Bag and properties.system is message.system:
        return properties.text
    return _text(properties, message.system)


@lru_cache(maxsize=4096)
def sender_text(sender: Identity) -> str:
    """The part of a bag in which a hub tells its client who sent the message."""
    module = "" if sender.module is None else f"&%24.cmid={_encode_text(sender.module)}"
    return f"%24.cdid={_encode_text(sender.device)}{module}"


def bag_from_message(message: Message, *, to_client: bool) -> str:
    """The bag of a message. A hub tells its client the sender; a client tells its hub the output."""
    own = bag_text(message)
    if to_client:
        first = sender_text(message.sender) if message.sender is not None else ""
    else:
        first = f"%24.on={_encode_text(message.output)}" if message.output is not None else ""
    return f"{first}&{own}" if first and own else first or own


def _sender(system: dict[str, str]) -> Identity | None:
    device, module = system.pop("cdid", None), system.pop("cmid", None)
    try:
        return Identity(device, module or None) if device else None
    except Problem:  # a name that we would not give: the message is good, its sender is not known
        return None


def _text(properties: Mapping[str, str], system: Mapping[str, str]) -> str:
    parts = [f"%24.{_encode_text(name)}={_encode_text(value)}" for name, value in system.items()]
    parts += [f"{_encode_text(name)}={_encode_text(value)}" for name, value in properties.items()]
    return "&".join(parts)


_PROPERTY, _MIXED_CASE, _SYSTEM, _OUTPUT, _LEFT_OUT = range(5)

_Part: TypeAlias = tuple[int, str, str, bool]
"""Where a part of a bag belongs, its name there, its value, and whether it can stand in a topic as it is."""
_Name: TypeAlias = tuple[int, str, bool]
"""The same of its name alone."""
# Most parts of a bag are the same in every message, and of the others the names are: 0.1 us, 0.8 and 3.
_parts: dict[str, _Part] = {}
_middles: dict[str, _Read] = {}
_names: dict[str, _Name] = {}


def _read_part(part: str) -> _Part:
    name, equals, value = part.partition("=")
    place, known, safe = _names.get(name) or _read_name(name, equals)
    if value.isalnum() and value.isascii():
        read = (place, known, value, safe)
    else:
        read = (place, known, _decode_text(value), safe and bool(equals) and _TOPIC_SAFE.fullmatch(value) is not None)
    if len(part) <= _REMEMBERED_TEXT:
        if len(_parts) >= _MOST_REMEMBERED:  # all at once: that costs nothing, and what is common is soon known again
            _parts.clear()
        _parts[part] = read
    return read


def _read_name(text: str, equals: str) -> _Name:
    if not text and equals:
        raise MalformedBagError("a property has a value and no name")
    name, safe = _decode_text(text), _TOPIC_SAFE.fullmatch(text) is not None
    if name[:2] != "$.":
        read = ((_PROPERTY if name == name.lower() else _MIXED_CASE) if name else _LEFT_OUT, name, safe)
    elif name in _STAMPED:
        read = (_LEFT_OUT, name, safe)
    else:
        read = ((_OUTPUT if name == "$.on" else _SYSTEM), name[2:], safe)
    if text and len(text) <= _REMEMBERED_TEXT:
        if len(_names) >= _MOST_REMEMBERED:
            _names.clear()
        _names[text] = read
    return read


def _decode_text(text: str) -> str:
    if "%" not in text:
        return text
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
