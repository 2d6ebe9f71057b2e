"""Property bags: the properties of a message, percent-encoded into its topic (contract 1.6).

`key=value` joined by `&`. System keys begin with `$.`; some clients encode the dollar sign and some do not, so
a bag is decoded first and interpreted then. Decoding a bag costs more than decoding its packet: short parts of
it are remembered, and only what holds a `%` is unquoted.
"""

from __future__ import annotations

import re
from abc import ABCMeta
from collections.abc import ItemsView, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple, TypeAlias
from urllib.parse import quote, unquote_to_bytes

import msgspec

from hotori.model.identity import Identity
from hotori.model.message import CaseFolded, Message
from hotori.problems import Problem

_STAMPED = frozenset({"$.cdid", "$.cmid", "$.to", "$.exp", "$.iothub-message-source"})
"""System properties that only a hub may write: clients echo what they received (contract 1.6, trap 8)."""
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_RESERVED = re.compile(r"[^A-Za-z0-9_.~-]")
_TOPIC_SAFE = re.compile(r"[A-Za-z0-9_.~%=-]*")
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]*")
# What is remembered is bounded in number and in length, since it comes from strangers.
_REMEMBERED_TEXT = 64
_MOST_REMEMBERED = 4096
_REMEMBERED_STEM = 512
_MOST_STEMS = 1024


class MalformedBagError(ValueError):
    """The text is no property bag: a broken escape, bytes that are not UTF-8, or a value without a name."""


class _Meta(msgspec.StructMeta, ABCMeta):
    """A struct that is a mapping: one is made for every message, and a struct is made in half the time."""


class Bag(msgspec.Struct, Mapping[str, str], CaseFolded, metaclass=_Meta, gc=False, eq=False):
    """The application properties of a message, with the text of the whole bag, without sender and output.

    `system` are the others of the same bag. The properties are put together when they are first asked for: a bag that
    is only handed on never needs them. One whose text was not written by a hub must be read with `read_bag`.
    """

    text: str
    system: Mapping[str, str]
    _stem: _Stem | None = None
    """What the bag says but for the value of its last property, which is `_value`."""
    _value: str = ""
    _properties: Mapping[str, str] | None = None
    _folded: Mapping[str, str] | None = None

    @classmethod
    def trusted(cls, text: str) -> Bag:
        """One whose text a hub has written."""
        return cls(text, _System(text))

    def __getitem__(self, name: str) -> str:
        return self.known()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.known())

    def __len__(self) -> int:
        return len(self.known())

    def __eq__(self, other: object) -> bool:
        return Mapping.__eq__(self, other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self.known())

    def items(self) -> ItemsView[str, str]:
        return self.known().items()

    def known(self) -> Mapping[str, str]:
        """The properties, decoded when this is first asked."""
        if self._properties is None:
            if (stem := self._stem) is not None:
                self._properties = {**stem.properties, stem.name: self._value}
            else:
                decoded = decode_bag(self.text)
                self._properties = {name: value for name, value in decoded.items() if name[:2] != "$."}
        return self._properties

    def folded(self) -> Mapping[str, str]:
        if self._folded is None:
            self._folded = {name.lower(): value for name, value in self.known().items()}
        return self._folded

    def find(self, name: str) -> str | None:
        stem = self._stem
        if stem is None or stem.mixed_case:
            return self.folded().get(name)
        return self._value if name == stem.name else stem.properties.get(name)


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


class _Stem(NamedTuple):
    """A bag up to its last equals sign: all that it says but for the value of the application property `name`.

    `mixed_case`: some name is not in lower case. The bag without its output begins at the character `begin`.
    """

    properties: dict[str, str]
    system: dict[str, str]
    output: str | None
    mixed_case: bool
    name: str
    begin: int


def read_bag(text: str) -> tuple[Bag, str | None]:
    """The bag of a client, and the output it names: properties that a hub stamps are left out.

    Where a client's bags differ, it is mostly in the last value or in the first part (a number, a time, an id):
    what is the same in all of them is remembered as a whole. A slash at the end is not part of the bag (contract
    1.5). Raises MalformedBagError.
    """
    before, _, value = text.rpartition("=")
    stem = _stems.get(before)
    # Most values are letters and digits, which is asked faster than by a pattern.
    if stem is not None and ((value.isalnum() and value.isascii()) or _is_plain(value)):
        _, system, output, _, _, begin = stem
        return Bag(text[begin:] if begin else text, system, stem, value), output
    return _read_bag(text[:-1] if text[-1:] == "/" else text)


def _is_plain(value: str) -> bool:
    """Whether a value says what it looks like, and can stand in a topic so."""
    return _PLAIN.fullmatch(value) is not None


def _read_bag(text: str) -> tuple[Bag, str | None]:
    """A bag whose stem is not known."""
    first, _, rest = text.partition("&")
    seen = first in _parts
    before, _, value = rest.rpartition("=")
    stem = _stems.get(before)
    read = _read_with(first, rest, stem, value) if stem is not None and not stem.begin and _is_plain(value) else None
    if stem is None and before:
        _remember_stem(before)
    if seen:
        _remember_stem(text.rpartition("=")[0])
    return _read_whole(text) if read is None else read


def _read_with(first: str, rest: str, stem: _Stem, value: str) -> tuple[Bag, str | None] | None:
    """A bag of which all but the first part has a stem; None where the two do not go together just so."""
    place, name, own, safe = _parts.get(first) or _read_part(first)
    properties, system, output, mixed_case, last, _ = stem
    if not safe or output is not None or name in properties or name in system or name == last:
        return None
    if place == _OUTPUT:
        return Bag(rest, system, stem, value), own or None
    if place == _SYSTEM:
        return Bag(f"{first}&{rest}", {name: own, **system}, stem, value), None
    if place > _MIXED_CASE:
        return None
    together = {name: own, **properties, last: value}
    plain = place == _PROPERTY and not mixed_case
    return Bag(f"{first}&{rest}", system, None, "", together, together if plain else None), None


def _read_whole(text: str) -> tuple[Bag, str | None]:
    """Any bag, part by part."""
    properties, system, output, mixed_case, as_it_is = _read_parts(text)
    own = text if as_it_is else _text(properties, system)
    return Bag(own, system, None, "", properties, None if mixed_case else properties), output


def _remember_stem(text: str) -> None:
    """Remember what a text that was followed by an equals sign and a value says, if it says just that."""
    if not text or len(text) > _REMEMBERED_STEM or (stem := _read_stem(text)) is None:
        return
    if len(_stems) >= _MOST_STEMS:  # all at once: that costs nothing, and what is common is soon known again
        _stems.clear()
    _stems[text] = stem


def _read_stem(text: str) -> _Stem | None:
    known, _, last = text.rpartition("&")
    place, name, safe = _read_name(last, "=")
    if place > _MIXED_CASE or not safe or "=" in last:
        return None
    begin, output = 0, None
    first, _, rest = known.partition("&")
    if first and (leading := _read_part(first))[0] == _OUTPUT:
        begin, output, known = len(first) + 1, leading[2] or None, rest
    properties, system, other, mixed_case, as_it_is = _read_parts(known)
    if not as_it_is or other is not None or name in properties:
        return None
    return _Stem(properties, system, output, mixed_case or place == _MIXED_CASE, name, begin)


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
_stems: dict[str, _Stem] = {}
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
