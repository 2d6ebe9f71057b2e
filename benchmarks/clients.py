"""The clients of the load generator, as our hub knows them: names, keys, user names, tokens and topics."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path

from hotori.hub.registration import Registration, own_scope
from hotori.model.identity import Identity
from hotori.model.sas import sign
from hotori.model.secret import Secret

HUB_NAME = "bench.local"
DEVICE = "edge-1"
PROPERTIES = "level=info&site=kyoto%20north&seq={n}"
"""Three, one of which is encoded and one new in every message, so that no hub can remember the whole bag."""
TOPIC = f"devices/d{{}}/messages/events/%24.ct=application%2Fjson&{PROPERTIES}"
SINK_FILTER = f"devices/{DEVICE}/modules/sink{{}}/inputs/#"
EXPIRY = 4_000_000_000


def registration(identity: Identity) -> Registration:
    """The same key for everybody: what is measured is the check."""
    key = Secret(base64.b64encode(b"0123456789abcdef0123456789abcdef").decode())
    return Registration(identity, "1", key, key, edge=identity.device == DEVICE, scope=own_scope(DEVICE, "1"))


def write_credentials(path: Path, devices: int, sinks: int = 0) -> None:
    """A line for each client, as the generator reads them: id, user name, password; devices first."""
    identities = [Identity(f"d{number}") for number in range(devices)]
    identities += [Identity(DEVICE, f"sink{number}") for number in range(sinks)]
    path.write_text("".join(_lines(identities)), encoding="ascii")


def _lines(identities: Iterable[Identity]) -> Iterable[str]:
    for identity in identities:
        token = sign(f"{HUB_NAME}/{identity.path()}", registration(identity).primary, EXPIRY)
        user = f"{HUB_NAME}/{identity}/?api-version=2021-04-12"
        yield f"{identity}\t{user}\t{token}\n"
