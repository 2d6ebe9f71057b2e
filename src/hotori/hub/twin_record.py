"""A twin as it is kept: with its times, and what an edge remembers of the cloud's copy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from hotori.model.json import JsonObject
from hotori.model.twin import Section, Twin


@dataclass(frozen=True, slots=True)
class TwinRecord:
    """A twin with what else is kept of it. Times are Unix seconds; 0.0 where never written.

    `synced` and `confirmed` are the edge's: whether the twin ever came from the cloud, and the reported values
    that the cloud has acknowledged. `model_id` is what the device says that it is (contract 1.2). `revision` grows
    with every write of a service; the etag is made of it, so that a device's reports disturb no service.
    """

    twin: Twin = field(default_factory=Twin)
    tags_at: float = 0.0
    desired_at: float = 0.0
    reported_at: float = 0.0
    model_id: str | None = None
    synced: bool = False
    confirmed: JsonObject = field(default_factory=dict)
    revision: int = 1
    desired_metadata: JsonObject = field(default_factory=dict)
    reported_metadata: JsonObject = field(default_factory=dict)


class _Stored(msgspec.Struct):
    version: int
    tags: dict[str, Any]
    desired: tuple[int, dict[str, Any]]
    reported: tuple[int, dict[str, Any]]
    times: tuple[float, float, float]
    model_id: str | None
    synced: bool
    confirmed: dict[str, Any]
    revision: int = 1
    metadata: tuple[dict[str, Any], dict[str, Any]] = ({}, {})


_decoder = msgspec.msgpack.Decoder(_Stored)


def encode_record(record: TwinRecord) -> bytes:
    twin = record.twin
    stored = _Stored(
        version=twin.version,
        tags=twin.tags,
        desired=(twin.desired.version, twin.desired.values),
        reported=(twin.reported.version, twin.reported.values),
        times=(record.tags_at, record.desired_at, record.reported_at),
        model_id=record.model_id,
        synced=record.synced,
        confirmed=record.confirmed,
        revision=record.revision,
        metadata=(record.desired_metadata, record.reported_metadata),
    )
    return msgspec.msgpack.encode(stored)


def decode_record(data: bytes) -> TwinRecord:
    """What `encode_record` was given. Raises msgspec.MsgspecError where the bytes are no record."""
    stored = _decoder.decode(data)
    desired, reported = Section(stored.desired[1], stored.desired[0]), Section(stored.reported[1], stored.reported[0])
    tags_at, desired_at, reported_at = stored.times
    return TwinRecord(
        Twin(stored.tags, desired, reported, stored.version),
        tags_at,
        desired_at,
        reported_at,
        stored.model_id,
        stored.synced,
        stored.confirmed,
        stored.revision,
        *stored.metadata,
    )
