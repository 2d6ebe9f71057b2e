"""Messages that carry a picture. Pure."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from urllib.parse import quote

from hotori.model.identity import Identity
from hotori.model.message import TRACEPARENT, Message
from hotori.model.trace import Trace
from hotori.modules.source import Shot

PICTURES = "pictures"
"""The camera's output, the input of classifier and uploader, and the container in the object store."""

_BLOB_NAME = re.compile(r"[^\x00-\x1f\\/]+(?:/[^\x00-\x1f\\/]+)*")
_MAX_BLOB_NAME = 1024
_METADATA = {"expected": "expected", "capturedAt": "captured_at", TRACEPARENT: "traceparent"}


def picture_message(shot: Shot, camera: Identity, sequence: int, at: float, trace: Trace) -> Message:
    """A picture, taken at `at` (Unix seconds) as number `sequence` of this run."""
    captured = timestamp(at)
    properties = {
        "picture": f"{camera}/{captured.replace(':', '-')}-{sequence:06d}.jpg",
        "capturedAt": captured,
        "sequence": str(sequence),
        TRACEPARENT: str(trace),
    }
    if shot.expected is not None:
        properties["expected"] = shot.expected
    return Message(shot.jpeg, properties, {"ct": "image/jpeg"}, output=PICTURES)


def blob_name(picture: Message) -> str:
    """The name to store a picture by: its own, if it is fit to be one, else one made of its content.

    The same message always gets the same name, so storing it twice changes nothing.
    """
    name = picture.properties.get("picture", "")
    steps = name.split("/")
    if _BLOB_NAME.fullmatch(name) and len(name) <= _MAX_BLOB_NAME and not {".", ".."}.intersection(steps):
        return name
    return f"unnamed/{hashlib.sha256(picture.body).hexdigest()}.jpg"


def blob_metadata(picture: Message) -> dict[str, str]:
    """What a stored picture says of itself. Metadata travels in headers: other than ASCII is percent-encoded."""
    known = picture.properties
    return {name: quote(known[key], safe=" :-._~()") for key, name in _METADATA.items() if known.get(key)}


def timestamp(at: float) -> str:
    """RFC 3339 in UTC with milliseconds: 2027-01-01T00:00:00.000Z."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
