"""What the versions of MQTT do differently before there is a head: who may come in, and how it is answered."""

from __future__ import annotations

import math
from typing import Any

from hotori.hub.denied import Denied
from hotori.hub.dialect import Dialect
from hotori.hub.head import Ending
from hotori.hub.mqtt5_head import RECEIVE_MAXIMUM, Mqtt5Head
from hotori.hub.mqtt_head import MqttHead
from hotori.hub.published import published
from hotori.hub.topic_aliases import MOST_ALIASES
from hotori.model.message import Message
from hotori.mqtt.bag import MalformedBagError
from hotori.mqtt.decoder import Cutter, Decoder
from hotori.mqtt.decoder5 import Decoder5
from hotori.mqtt.encoder import encode
from hotori.mqtt.encoder5 import encode5
from hotori.mqtt.packets import (
    Connack,
    ConnackCode,
    Connect,
    MalformedPacketError,
    PacketTooLargeError,
    ProtocolBrokenError,
    Will,
)
from hotori.mqtt.packets5 import LEVEL_5, Connack5, Reason
from hotori.mqtt.properties import Properties
from hotori.mqtt.run_decoder import RunDecoder

MOST_KEEP_ALIVE = 1767.0
"""Seconds of silence after which anyone is dropped (contract 1.2)."""
_MOST_ASKED = int(MOST_KEEP_ALIVE / 1.5)
_LONGEST_REASON = 500
"""Characters of a reason that quotes what a client said itself."""
_FOR_EVER = 0xFFFFFFFF
_REASONS = {
    ConnackCode.UNACCEPTABLE_PROTOCOL: Reason.UNSUPPORTED_VERSION,
    ConnackCode.IDENTIFIER_REJECTED: Reason.CLIENT_ID_INVALID,
    ConnackCode.SERVER_UNAVAILABLE: Reason.SERVER_UNAVAILABLE,
    ConnackCode.BAD_CREDENTIALS: Reason.BAD_USER_NAME_OR_PASSWORD,
    ConnackCode.NOT_AUTHORIZED: Reason.NOT_AUTHORIZED,
}


def decoder_for(connect: Connect, dialect: Dialect, max_packet: int) -> Cutter[Any]:
    """Cuts what comes after CONNECT, for `MqttHead.take` or `Mqtt5Head.take`."""
    if connect.level == LEVEL_5:
        return Decoder5(max_packet)
    return RunDecoder(max_packet, dialect.prefix) if dialect.prefix else Decoder(max_packet)


def head_class(connect: Connect) -> type[MqttHead]:
    return Mqtt5Head if connect.level == LEVEL_5 else MqttHead


def fault(connect: Connect) -> Denied | None:
    """Why a client of MQTT 5 cannot be served, whoever it is."""
    if connect.level != LEVEL_5:
        return None
    if connect.properties.authentication_method is not None:
        return Denied(Reason.BAD_AUTHENTICATION_METHOD, "enhanced authentication is not there")
    return None if connect.will is None else _fault_of_will(connect.will)


def _fault_of_will(will: Will) -> Denied | None:
    """What is well-formed and not taken as a will [3.2.2.2]."""
    if will.retain:
        return Denied(Reason.RETAIN_NOT_SUPPORTED, "a will cannot be retained")
    if will.qos == 2:
        return Denied(Reason.QOS_NOT_SUPPORTED, "a will cannot have QoS 2")
    try:
        published(Message(will.payload), will.properties, 0.0)
    except MalformedBagError as error:
        return Denied(Reason.IMPLEMENTATION, f"the properties of the will cannot be read: {error}")
    return None


def refusal(connect: Connect, denied: Denied) -> bytes:
    """The CONNACK of a client that may not come in; in MQTT 5 with the reason, if it wants to hear of problems and
    takes so much [3.2.2.3.9].
    """
    code, why = denied
    if connect.level != LEVEL_5:
        return encode(Connack(False, code))
    reason, asked = _REASONS[code] if isinstance(code, ConnackCode) else code, connect.properties
    if why and asked.request_problem != 0:
        said = encode5(Connack5(False, reason, Properties(reason=why[:_LONGEST_REASON])))
        if len(said) <= (asked.maximum_packet_size or math.inf):
            return said
    return encode5(Connack5(False, reason))


def welcome(connect: Connect, present: bool, dialect: Dialect, max_packet: int, assigned_id: str) -> bytes:
    """The CONNACK of a client that may, with what it has to know of us."""
    if connect.level != LEVEL_5:
        return encode(Connack(present, ConnackCode.ACCEPTED))
    asked = connect.keep_alive
    properties = Properties(
        receive_maximum=RECEIVE_MAXIMUM,
        maximum_qos=None if dialect.exactly_once else 1,
        retain_available=0,
        maximum_packet_size=max_packet,
        assigned_client_id=None if connect.client_id else assigned_id,
        topic_alias_maximum=MOST_ALIASES,
        wildcard_available=1,
        subscription_ids_available=1,
        shared_available=0,
        server_keep_alive=_MOST_ASKED if not 0 < asked <= _MOST_ASKED else None,
    )
    return encode5(Connack5(present, Reason.SUCCESS, properties))


def silence(connect: Connect) -> float:
    """Seconds after which a client that says nothing is dropped [MQTT-3.1.2-24]."""
    return min(1.5 * connect.keep_alive or MOST_KEEP_ALIVE, MOST_KEEP_ALIVE)


def session_expiry(connect: Connect) -> float:
    """Seconds for which the session outlives the connection: for ever or not at all in 3.1.1."""
    if connect.level != LEVEL_5:
        return 0.0 if connect.clean_session else math.inf
    asked = connect.properties.session_expiry or 0
    return math.inf if asked == _FOR_EVER else float(asked)


def ending_of(error: MalformedPacketError) -> Ending:
    """Why bytes that cannot be read end a connection."""
    if isinstance(error, PacketTooLargeError):
        return Ending.TOO_LARGE
    return Ending.RULE_BROKEN if isinstance(error, ProtocolBrokenError) else Ending.MALFORMED
