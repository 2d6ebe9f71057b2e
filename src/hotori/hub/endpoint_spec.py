"""The endpoints that routes of the cloud can lead to besides its event log: containers and webhooks.

A specification is what somebody wrote; it is kept as JSON with its secrets, and shown without.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

from hotori.model.connection_string import StorageConnection
from hotori.model.json import Json, JsonObject
from hotori.model.secret import Secret
from hotori.net.address import is_loopback
from hotori.problems import Problem
from hotori.problems.events import ENDPOINT_INVALID

DEFAULT_TEMPLATE = "{hub}/{partition}/{YYYY}/{MM}/{DD}/{HH}/{mm}"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CONTAINER = re.compile(r"[a-z0-9](?:-?[a-z0-9])+")
_PLACE = re.compile(r"\{([^{}]*)\}")
_PLACES = frozenset({"hub", "partition", "YYYY", "MM", "DD", "HH", "mm"})
HIDDEN = "***"


@dataclass(frozen=True, slots=True)
class Batching:
    """When a batch is full: so many messages or bytes, or so many seconds after its first."""

    messages: int
    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class StorageSpec:
    """Batches become blobs. `connection` None means the cloud's own object store. `raw` blobs hold one body each."""

    name: str
    container: str
    template: str
    raw: bool
    batching: Batching
    connection: Secret | None = None

    type = "storage"

    def document(self, secret: Callable[[Secret], str]) -> JsonObject:
        return {
            "name": self.name,
            "type": self.type,
            "container": self.container,
            "nameTemplate": self.template,
            "format": "raw" if self.raw else "json",
            "connectionString": secret(self.connection) if self.connection else None,
            **_batching_document(self.batching),
        }


@dataclass(frozen=True, slots=True)
class WebhookSpec:
    """Batches are posted to `url`, signed with `secret`. What is older than `time_to_live` seconds is put aside."""

    name: str
    url: str
    cloud_events: bool
    time_to_live: float
    batching: Batching
    secret: Secret | None = None

    type = "webhook"

    def document(self, secret: Callable[[Secret], str]) -> JsonObject:
        return {
            "name": self.name,
            "type": self.type,
            "url": self.url,
            "format": "cloudevents" if self.cloud_events else "json",
            "timeToLiveSecs": self.time_to_live,
            "secret": secret(self.secret) if self.secret else None,
            **_batching_document(self.batching),
        }


EndpointSpec: TypeAlias = "StorageSpec | WebhookSpec"


def queue_of(spec: EndpointSpec) -> str:
    """The queue whose messages wait for the endpoint."""
    return f"{spec.type}:{spec.name}"


def dead_queue_of(spec: EndpointSpec) -> str:
    """The queue of what the endpoint never took."""
    return f"dead:{spec.name}"


def hidden(_: Secret) -> str:
    """For `document`: what people are shown."""
    return HIDDEN


def read_spec(name: str, document: JsonObject) -> EndpointSpec:
    """The specification that a document describes. Raises `endpoint-invalid`."""
    if not NAME.fullmatch(name):
        raise _invalid(name, "a name has letters, digits, . _ and -, and begins with a letter or digit")
    match document.get("type"):
        case "storage":
            return _storage(name, document)
        case "webhook":
            return _webhook(name, document)
        case other:
            raise _invalid(name, f"type is storage or webhook, not {other}")


def _storage(name: str, document: JsonObject) -> StorageSpec:
    container = _text(name, document, "container", name.lower())
    if not _CONTAINER.fullmatch(container) or not 3 <= len(container) <= 63:
        raise _invalid(name, f"{container} is no name of a container: 3 to 63 lower-case letters, digits and -")
    template = _text(name, document, "nameTemplate", DEFAULT_TEMPLATE)
    if unknown := set(_PLACE.findall(template)) - _PLACES:
        raise _invalid(name, f"nameTemplate knows {{{', '.join(sorted(_PLACES))}}}, not {{{', '.join(unknown)}}}")
    connection = document.get("connectionString")
    if connection is not None:
        StorageConnection.parse(str(connection))
    form = _choice(name, document, "format", ("json", "raw"))
    secret = Secret(str(connection)) if connection is not None else None
    return StorageSpec(name, container, template, form == "raw", _batching(name, document, 10_000, 60.0), secret)


def _webhook(name: str, document: JsonObject) -> WebhookSpec:
    url = _text(name, document, "url", "")
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise _invalid(name, "url begins with https://")
    if parts.scheme == "http" and not (parts.hostname == "localhost" or is_loopback(parts.hostname)):
        raise _invalid(name, "off this machine, url begins with https://")
    form = _choice(name, document, "format", ("cloudevents", "json"))
    life = _number(name, document, "timeToLiveSecs", 3600.0, 1, 7 * 86400)
    secret = document.get("secret")
    return WebhookSpec(
        name,
        url,
        form == "cloudevents",
        life,
        _batching(name, document, 100, 0.0),
        Secret(str(secret)) if secret else None,
    )


def _batching(name: str, document: JsonObject, messages: int, seconds: float) -> Batching:
    return Batching(
        messages=int(_number(name, document, "batchMessages", messages, 1, 100_000)),
        size=int(_number(name, document, "batchBytes", 4 * 1024**2, 1, 64 * 1024**2)),
        seconds=_number(name, document, "batchSeconds", seconds, 0, 3600),
    )


def _batching_document(batching: Batching) -> JsonObject:
    return {"batchMessages": batching.messages, "batchBytes": batching.size, "batchSeconds": batching.seconds}


def _text(name: str, document: JsonObject, member: str, default: str) -> str:
    value = document.get(member)
    if value is not None and not isinstance(value, str):
        raise _invalid(name, f"{member} is a text")
    return value or default


def _choice(name: str, document: JsonObject, member: str, choices: tuple[str, ...]) -> str:
    value = _text(name, document, member, choices[0])
    if value not in choices:
        raise _invalid(name, f"{member} is {' or '.join(choices)}, not {value}")
    return value


def _number(name: str, document: JsonObject, member: str, default: float, least: float, most: float) -> float:
    value: Json = document.get(member)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise _invalid(name, f"{member} is a number from {least:g} to {most:g}")
    return float(value)


def _invalid(name: str, reason: str) -> Problem:
    return Problem(ENDPOINT_INVALID, name=name, reason=reason)
