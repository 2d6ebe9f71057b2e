"""A message as JSON: how the event stream shows it, and how a person writes one to ask where it would go.

Bodies that say that they are JSON are values; all others are `{"base64": …}`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

import msgspec

from hotori.model.identity import Identity
from hotori.model.json import Json, JsonObject
from hotori.model.message import Message

JSON_TYPE = "application/json"
_JSON_SYSTEM: Mapping[str, str] = MappingProxyType({"ct": JSON_TYPE, "ce": "utf-8"})

WIRE_KEYS: Mapping[str, str] = MappingProxyType(
    {
        "messageid": "mid",
        "correlationid": "cid",
        "cid": "cid",
        "userid": "uid",
        "contenttype": "ct",
        "contentencoding": "ce",
        "messageschema": "schema",
        "creationtime": "ctime",
        "absolute-expiry-time": "exp",
        "iothub-interface-id": "ifid",
        "dt-subject": "sub",
    }
)
"""The names of system properties in routes (contract 5.2) in lower case, and their wire keys (1.6)."""


class MessageDocumentError(ValueError):
    """The JSON is no message; the text says which member is at fault."""


def message_document(message: Message) -> JsonObject:
    """The message without its place in a log."""
    sender = message.sender
    return {
        "enqueuedTime": written_time(message.enqueued_at),
        "deviceId": sender.device if sender else None,
        "moduleId": sender.module if sender else None,
        "output": message.output,
        "properties": dict(message.properties.items()),  # of a bag that is faster than its keys one by one
        "system": dict(message.system.items()),
        "body": body_document(message),
    }


def body_document(message: Message) -> Json:
    """A value if the sender says that the body is JSON and it is; else its bytes in base64."""
    if (message.content_type or "").partition(";")[0].strip().lower() == JSON_TYPE:
        try:
            value: Json = msgspec.json.decode(message.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        else:
            return value
    return {"base64": base64.b64encode(message.body).decode()}


def read_message(document: Json) -> Message:
    """The message that a document describes; every member may be left out. Raises MessageDocumentError.

    A body that is written as a value is JSON in UTF-8, unless `system` says otherwise. System properties have
    their wire keys or the names that routes use.
    """
    if not isinstance(document, dict):
        raise MessageDocumentError("a message is an object with body, properties, system, deviceId, moduleId, output")
    system = {WIRE_KEYS.get(name.lower(), name): value for name, value in _texts(document, "system").items()}
    body, is_value = _read_body(document.get("body"))
    device, module = _text(document, "deviceId"), _text(document, "moduleId")
    return Message(
        body=body,
        properties=_texts(document, "properties"),
        system={**_JSON_SYSTEM, **system} if is_value else system,
        sender=Identity(device or "device", module) if device or module else None,
        output=_text(document, "output"),
        enqueued_at=_read_time(_text(document, "enqueuedTime")),
    )


def written_time(seconds: float) -> str:
    """RFC 3339 with milliseconds, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _read_body(body: Json) -> tuple[bytes, bool]:
    """The bytes, and whether they were written as a JSON value."""
    if body is None:
        return b"", False
    if isinstance(body, dict) and body.keys() == {"base64"} and isinstance(text := body["base64"], str):
        try:
            return base64.b64decode(text, validate=True), False
        except binascii.Error as error:
            raise MessageDocumentError(f"body.base64 is not base64 ({error})") from error
    return json.dumps(body, ensure_ascii=False).encode(), True


def _read_time(text: str | None) -> float:
    try:
        return datetime.fromisoformat(text).timestamp() if text else 0.0
    except ValueError as error:
        raise MessageDocumentError(f"enqueuedTime is no time ({error})") from error


def _text(document: JsonObject, name: str) -> str | None:
    value = document.get(name)
    if value is not None and not isinstance(value, str):
        raise MessageDocumentError(f"{name} is a text")
    return value or None


def _texts(document: JsonObject, name: str) -> dict[str, str]:
    value = document.get(name) or {}
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise MessageDocumentError(f"{name} is an object of texts")
    return {key: str(text) for key, text in value.items()}
