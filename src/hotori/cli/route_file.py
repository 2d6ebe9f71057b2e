"""Routes and messages that stand in files: what `hotori routes check` and `explain` read."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from hotori.model.json import Json, JsonObject
from hotori.model.manifest import HubConfig, RouteSpec
from hotori.model.message import Message
from hotori.model.message_document import MessageDocumentError, read_message
from hotori.problems import Problem
from hotori.problems.events import MESSAGE_UNREADABLE, ROUTES_MISSING

_HUB = "$edgeHub"
_DESIRED = "properties.desired"


def read_routes(path: Path) -> tuple[HubConfig, str]:
    """The routes of a manifest, a template, a JSON object with `routes`, or a text that is one route; and the
    JSON pointer of where they stand. Raises `routes-missing`, `manifest-malformed`, `schema-unsupported`."""
    text = _read(path)
    try:
        document: Json = json.loads(text)
    except ValueError:
        if path.suffix == ".json":
            raise Problem(ROUTES_MISSING, path=path, reason="it is no JSON") from None
        return HubConfig({path.stem: RouteSpec(path.stem, text.strip())}), ""
    desired, at = _desired(document, path)
    return HubConfig.parse({"schemaVersion": "1.1", **desired}, at), at


def read_message_file(path: str) -> Message:
    """The message in a JSON file, `-` for standard input. Raises `message-unreadable`."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
        return read_message(json.loads(text))
    except (OSError, ValueError) as error:
        raise Problem(MESSAGE_UNREADABLE, where=path, reason=str(error)) from error


def written_message(document: JsonObject, where: str) -> Message:
    """The message of a document that was put together here. Raises `message-unreadable`."""
    try:
        return read_message(document)
    except MessageDocumentError as error:
        raise Problem(MESSAGE_UNREADABLE, where=where, reason=str(error)) from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(ROUTES_MISSING, path=path, reason=str(error)) from error


def _desired(document: Json, path: Path) -> tuple[JsonObject, str]:
    """The object that has the routes, and the pointer to it."""
    at = ""
    for name in ("content", "modulesContent", "moduleContent", _HUB, _DESIRED):
        if isinstance(document, dict) and isinstance(inner := document.get(name), dict):
            document, at = inner, f"{at}/{name}"
    if not isinstance(document, dict) or not isinstance(document.get("routes"), dict):
        raise Problem(ROUTES_MISSING, path=path, reason="there is no object named routes")
    return document, at
