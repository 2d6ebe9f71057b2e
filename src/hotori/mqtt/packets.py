"""The packets of MQTT 3.1.1 as values.

`Publish` and `Puback` are named tuples, because a hub makes one for every message and a tuple is made six
times faster than a frozen dataclass. All others are frozen dataclasses. Clauses in brackets are those of the
OASIS standard MQTT 3.1.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from hotori.mqtt.properties import NO_PROPERTIES, Properties

MAX_PACKET_ID = 0xFFFF
MAX_TEXT = 0xFFFF
"""The longest text in a packet (a topic, a client id), in bytes of UTF-8 [1.5.3]."""
MAX_REMAINING = 268_435_455
"""The largest packet that the length field can tell [2.2.3]."""

PROTOCOL_LEVEL = 4
SUBSCRIPTION_FAILED = 0x80
"""The SUBACK code of a filter that was not granted [3.9.3]."""


class MalformedPacketError(ValueError):
    """The bytes are no MQTT packet; the connection they came over must be closed [4.8.0-1].

    MalformedPacketError
    ├── PacketTooLargeError: a well-formed packet of more bytes than the receiver takes
    └── ProtocolBrokenError: bytes that can be read, and say what MQTT 5 calls a protocol error
    """


class PacketTooLargeError(MalformedPacketError):
    """A packet announces more bytes than the receiver takes."""


class ProtocolBrokenError(MalformedPacketError):
    """A packet can be read, and what it says may not be said."""


class ConnackCode(IntEnum):
    """What a server answers to CONNECT [3.2.2.3]."""

    ACCEPTED = 0
    UNACCEPTABLE_PROTOCOL = 1
    IDENTIFIER_REJECTED = 2
    SERVER_UNAVAILABLE = 3
    BAD_CREDENTIALS = 4
    NOT_AUTHORIZED = 5


@dataclass(frozen=True, slots=True)
class Will:
    """What the server publishes when the client drops off without saying goodbye."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Connect:
    """A client introduces itself. `keep_alive` in seconds, 0 is never. Level 4 is MQTT 3.1.1, and 5 is MQTT 5,
    which alone has properties and calls the clean session a clean start.

    Another `level` means another version of MQTT: nothing else was read, and the answer is a CONNACK with
    UNACCEPTABLE_PROTOCOL [3.1.2-2].
    """

    client_id: str
    username: str | None = None
    password: bytes | None = field(default=None, repr=False)
    clean_session: bool = True
    keep_alive: int = 60
    will: Will | None = None
    level: int = PROTOCOL_LEVEL
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Connack:
    """The server's answer to CONNECT. `session_present` is False wherever `code` is not ACCEPTED [3.2.2-4]."""

    session_present: bool
    code: int


class Publish(NamedTuple):
    """A message in either direction. `packet_id` is 0 at QoS 0, and 1 to 65535 otherwise [2.3.1]."""

    topic: str
    payload: bytes
    qos: int = 0
    packet_id: int = 0
    retain: bool = False
    dup: bool = False


class Puback(NamedTuple):
    """The receiver has taken responsibility for the QoS 1 message of that id."""

    packet_id: int


@dataclass(frozen=True, slots=True)
class Pubrec:
    """Second step of QoS 2. Decoded so that it can be refused by name; nobody here speaks QoS 2."""

    packet_id: int


@dataclass(frozen=True, slots=True)
class Pubrel:
    """Third step of QoS 2."""

    packet_id: int


@dataclass(frozen=True, slots=True)
class Pubcomp:
    """Last step of QoS 2."""

    packet_id: int


@dataclass(frozen=True, slots=True)
class Subscribe:
    """The client asks for topics. `filters` are pairs of topic filter and the highest QoS wanted, at least one."""

    packet_id: int
    filters: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Suback:
    """One code for each filter, in order: the QoS granted, or SUBSCRIPTION_FAILED."""

    packet_id: int
    codes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """The client lets topics go: at least one filter."""

    packet_id: int
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unsuback:
    """The answer to Unsubscribe."""

    packet_id: int


@dataclass(frozen=True, slots=True)
class Pingreq:
    """The client is alive, and asks whether the server is."""


@dataclass(frozen=True, slots=True)
class Pingresp:
    """The server is."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The client says goodbye: its will is not to be published."""


Packet: TypeAlias = (
    Connect
    | Connack
    | Publish
    | Puback
    | Pubrec
    | Pubrel
    | Pubcomp
    | Subscribe
    | Suback
    | Unsubscribe
    | Unsuback
    | Pingreq
    | Pingresp
    | Disconnect
)
