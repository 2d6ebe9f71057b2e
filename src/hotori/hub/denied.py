"""What a client hears that may not come in."""

from __future__ import annotations

from typing import NamedTuple

from hotori.mqtt.packets import ConnackCode
from hotori.mqtt.packets5 import Reason


class Denied(NamedTuple):
    """The code of the CONNACK, and why: words for people, which MQTT 3.1.1 has no room for (empty: it is not said)."""

    code: ConnackCode | Reason
    why: str = ""
