"""What a module sees of the network: a program of its own, run inside a module's network, with nothing but Python.

    python module_view.py '{"hub": "172.18.0.1", "port": 8883, "server": "127.0.0.11", "name": "cloud.example.net"}'

It prints `{"hub": "", "name": ""}`: for each what went wrong. An empty question is not asked.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys

_SECONDS = 5.0
_QUERY, _INTERNET, _ADDRESSES = 0x0100, 1, (1, 28)
"""Records A and AAAA."""
_CODES = {2: "the name server failed", 3: "there is no such name", 5: "the name server refused"}


def reach(address: str, port: int) -> str:
    """Open a connection and close it; what went wrong."""
    try:
        socket.create_connection((address, port), _SECONDS).close()
    except OSError as error:
        return str(error)
    return ""


def look_up(server: str, name: str) -> str:
    """Ask a name server for an address, since this machine's own way of asking is not the module's; what went wrong."""
    wrong = [_ask(server, name, kind) for kind in _ADDRESSES]
    return "" if "" in wrong else wrong[0]


def _ask(server: str, name: str, kind: int) -> str:
    number = int.from_bytes(os.urandom(2), "big")
    labels = b"".join(bytes([len(label)]) + label.encode("idna") for label in name.rstrip(".").split("."))
    query = struct.pack(">6H", number, _QUERY, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", kind, _INTERNET)
    try:
        with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(_SECONDS)
            asking.connect((server, 53))
            asking.send(query)
            answer = asking.recv(4096)
    except OSError as error:
        return f"{server}: {error}"
    if len(answer) < 12 or int.from_bytes(answer[:2], "big") != number:
        return f"{server}: what it answered is no answer"
    code = answer[3] & 0x0F
    if code:
        return f"{server}: {_CODES.get(code, f'code {code}')}"
    return "" if int.from_bytes(answer[6:8], "big") else f"{server}: it knows no address of that name"


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    hub = reach(asked["hub"], asked["port"]) if asked["hub"] else ""
    sys.stdout.write(json.dumps({"hub": hub, "name": look_up(asked["server"], asked["name"]) if asked["name"] else ""}))
