"""Messages as blobs: newline-delimited JSON, or each body as it is, in a container of an object store."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from hotori.hub.endpoint_spec import StorageSpec
from hotori.hub.moment import written_time
from hotori.hub.partitions import partition_of
from hotori.hub.target import NotTakenError, Parcel
from hotori.model.json import Json, JsonObject
from hotori.model.message import Message
from hotori.problems import Problem
from hotori.sdk.storage import StorageClient, StorageRequestError

_LINES = "application/x-ndjson"
_OPAQUE = "application/octet-stream"
_SYSTEM: Mapping[str, str] = {
    "mid": "messageId",
    "cid": "correlationId",
    "uid": "userId",
    "ct": "contentType",
    "ce": "contentEncoding",
}


@dataclass(frozen=True, slots=True)
class Blob:
    """One blob to write."""

    name: str
    content: bytes
    content_type: str


@dataclass(slots=True)
class StorageTarget:
    """Writes batches by a client of its own. `hub` is the name that templates ask for."""

    spec: StorageSpec
    hub: str
    client: StorageClient
    _made: bool = field(default=False, init=False)

    async def send(self, batch: Sequence[Parcel]) -> None:
        try:
            if not self._made:
                await self.client.create_container(self.spec.container)
                self._made = True
            for blob in blobs_of(self.spec, self.hub, batch):
                await self.client.put(self.spec.container, blob.name, blob.content, blob.content_type)
        except StorageRequestError as error:
            self._made = False
            raise NotTakenError(str(error)) from error
        except Problem as problem:
            raise NotTakenError(problem.cause()) from problem

    async def close(self) -> None:
        await self.client.close()


def blobs_of(spec: StorageSpec, hub: str, batch: Sequence[Parcel]) -> list[Blob]:
    """The blobs of a batch: one for each partition and minute, or one for each message where they are raw.

    Names come from the messages alone, so a batch that is sent again replaces what it left behind.
    """
    if spec.raw:
        return [_raw(spec, hub, parcel) for parcel in batch]
    groups: dict[str, list[Parcel]] = {}
    for parcel in batch:
        groups.setdefault(folder_of(spec.template, hub, parcel.message), []).append(parcel)
    return [
        Blob(f"{folder}/{group[0].number:012d}.json", b"\n".join(map(_line, group)) + b"\n", _LINES)
        for folder, group in groups.items()
    ]


def folder_of(template: str, hub: str, message: Message) -> str:
    """The template filled in with the message's partition and the time of its acceptance (UTC)."""
    moment = datetime.fromtimestamp(message.enqueued_at, UTC)
    places = {
        "hub": hub,
        "partition": f"{partition_of(message):02d}",
        "YYYY": f"{moment:%Y}",
        "MM": f"{moment:%m}",
        "DD": f"{moment:%d}",
        "HH": f"{moment:%H}",
        "mm": f"{moment:%M}",
    }
    return template.format_map(places).strip("/")


def _raw(spec: StorageSpec, hub: str, parcel: Parcel) -> Blob:
    folder = folder_of(spec.template, hub, parcel.message)
    return Blob(f"{folder}/{parcel.number:012d}", parcel.message.body, parcel.message.content_type or _OPAQUE)


def _line(parcel: Parcel) -> bytes:
    """One message as IoT Hub writes it to storage: a body is a value if it is JSON in UTF-8, else base64."""
    message = parcel.message
    sender = message.sender
    system: JsonObject = {
        **{_SYSTEM.get(name, name): value for name, value in message.system.items()},
        "enqueuedTime": written_time(message.enqueued_at),
    }
    if sender is not None:
        system["connectionDeviceId"] = sender.device
        if sender.module is not None:
            system["connectionModuleId"] = sender.module
    if message.output is not None:
        system["outputName"] = message.output
    return msgspec.json.encode(
        {
            "EnqueuedTimeUtc": written_time(message.enqueued_at),
            "Properties": dict(message.properties),
            "SystemProperties": system,
            "Body": _body(message),
        }
    )


def _body(message: Message) -> Json | msgspec.Raw:
    is_json = (message.content_type or "").partition(";")[0].strip().lower() == "application/json"
    if is_json and (message.content_encoding or "utf-8").lower() == "utf-8":
        try:
            value: Json = msgspec.json.decode(message.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        else:
            return value
    return base64.b64encode(message.body).decode()
