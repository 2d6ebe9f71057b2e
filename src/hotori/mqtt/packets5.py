"""The packets of MQTT 5 as values, where they differ from those of 3.1.1.

CONNECT is the same value for both, with properties in version 5; PINGREQ and PINGRESP are the same altogether.
Clauses in brackets are those of the OASIS standard MQTT 5.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from hotori.mqtt.packets import Connect, Pingreq, Pingresp
from hotori.mqtt.properties import NO_PROPERTIES, Properties

LEVEL_5 = 5


class Reason(IntEnum):
    """Reason codes [2.4]. From 0x80 on they are failures."""

    SUCCESS = 0x00
    GRANTED_1 = 0x01
    GRANTED_2 = 0x02
    DISCONNECT_WITH_WILL = 0x04
    NO_MATCHING_SUBSCRIBERS = 0x10
    NO_SUBSCRIPTION_EXISTED = 0x11
    UNSPECIFIED = 0x80
    MALFORMED = 0x81
    PROTOCOL_ERROR = 0x82
    IMPLEMENTATION = 0x83
    UNSUPPORTED_VERSION = 0x84
    CLIENT_ID_INVALID = 0x85
    BAD_USER_NAME_OR_PASSWORD = 0x86
    NOT_AUTHORIZED = 0x87
    SERVER_UNAVAILABLE = 0x88
    SERVER_BUSY = 0x89
    SERVER_SHUTTING_DOWN = 0x8B
    BAD_AUTHENTICATION_METHOD = 0x8C
    KEEP_ALIVE_TIMEOUT = 0x8D
    SESSION_TAKEN_OVER = 0x8E
    TOPIC_FILTER_INVALID = 0x8F
    TOPIC_NAME_INVALID = 0x90
    PACKET_ID_NOT_FOUND = 0x92
    RECEIVE_MAXIMUM_EXCEEDED = 0x93
    TOPIC_ALIAS_INVALID = 0x94
    PACKET_TOO_LARGE = 0x95
    QUOTA_EXCEEDED = 0x97
    ADMINISTRATIVE = 0x98
    PAYLOAD_FORMAT_INVALID = 0x99
    RETAIN_NOT_SUPPORTED = 0x9A
    QOS_NOT_SUPPORTED = 0x9B
    SHARED_NOT_SUPPORTED = 0x9E
    MAXIMUM_CONNECT_TIME = 0xA0


@dataclass(frozen=True, slots=True)
class Connack5:
    """The server's answer to CONNECT."""

    session_present: bool
    reason: int
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Publish5:
    """A message in either direction. `topic` is empty only where the properties have a topic alias."""

    topic: str
    payload: bytes
    qos: int = 0
    packet_id: int = 0
    retain: bool = False
    dup: bool = False
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Puback5:
    """The answer to a message of QoS 1. From 0x80 on it is a refusal: the message is not to be sent again [4.3.2]."""

    packet_id: int
    reason: int = Reason.SUCCESS
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Pubrec5:
    """The first answer to a message of QoS 2."""

    packet_id: int
    reason: int = Reason.SUCCESS
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Pubrel5:
    """The sender lets the packet id go."""

    packet_id: int
    reason: int = Reason.SUCCESS
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Pubcomp5:
    """The last answer to a message of QoS 2."""

    packet_id: int
    reason: int = Reason.SUCCESS
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Wish:
    """One topic filter of a SUBSCRIBE, and its options [3.8.3.1]."""

    topic_filter: str
    qos: int = 1
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0


@dataclass(frozen=True, slots=True)
class Subscribe5:
    """The client asks for topics, at least one."""

    packet_id: int
    wishes: tuple[Wish, ...]
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Suback5:
    """A reason code for each filter, in order: the QoS granted or why not."""

    packet_id: int
    reasons: tuple[int, ...]
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Unsubscribe5:
    """The client lets topics go: at least one filter."""

    packet_id: int
    filters: tuple[str, ...]
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Unsuback5:
    """A reason code for each filter, in order."""

    packet_id: int
    reasons: tuple[int, ...]
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Disconnect5:
    """Either side ends the connection, and says why."""

    reason: int = Reason.SUCCESS
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Auth5:
    """A step of extended authentication. Decoded so that it can be refused by name."""

    reason: int = Reason.SUCCESS
    properties: Properties = NO_PROPERTIES


Packet5: TypeAlias = (
    Connect
    | Connack5
    | Publish5
    | Puback5
    | Pubrec5
    | Pubrel5
    | Pubcomp5
    | Subscribe5
    | Suback5
    | Unsubscribe5
    | Unsuback5
    | Pingreq
    | Pingresp
    | Disconnect5
    | Auth5
)
