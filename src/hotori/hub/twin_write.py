"""What is written to a twin at once, and the twin after it.

Pure: neither store nor clock. Whole writes only: where one section breaks a limit, nothing of the write counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hotori.hub.twin_metadata import Stamp, restamped
from hotori.hub.twin_record import TwinRecord
from hotori.model.json import Json, JsonObject
from hotori.model.twin import MAX_TAGS, Twin, check_section, difference, merge_patch, without_control
from hotori.problems import Problem
from hotori.problems.service import REQUEST_MALFORMED


@dataclass(frozen=True, slots=True)
class TwinWrite:
    """A service's write. None leaves a section as it is; with `whole` sections are replaced, else merged."""

    tags: JsonObject | None = None
    desired: JsonObject | None = None
    whole: bool = False

    @classmethod
    def parse(cls, document: JsonObject) -> TwinWrite:
        """What a document gives of `tags` and `properties.desired`. Raises `request-malformed`, `twin-invalid`."""
        properties = _object(document.get("properties"), "properties") or {}
        desired = _object(properties.get("desired"), "properties.desired")
        return cls(_object(document.get("tags"), "tags"), desired).checked()

    @property
    def empty(self) -> bool:
        """Whether it gives nothing to write."""
        return self.tags is None and self.desired is None

    def checked(self) -> TwinWrite:
        """Without members that are the hub's to write. Raises `twin-invalid`."""
        tags, desired = _clean(self.tags), _clean(self.desired)
        if tags is not None:
            check_section(tags, MAX_TAGS)
        if desired is not None:
            check_section(desired)
        return replace(self, tags=tags, desired=desired)


def written(record: TwinRecord, write: TwinWrite, now: float) -> TwinRecord:
    """The record after a service's checked write. Raises `twin-invalid` where a section outgrows its limit."""
    before = record.twin
    if write.tags is not None:
        tags = {} if write.whole else before.tags
        record = replace(record, twin=replace(record.twin, tags=_merged(tags, write.tags)), tags_at=now)
        check_section(record.twin.tags, MAX_TAGS)
    if write.desired is not None:
        record = _desired(record, write.desired, now, whole=write.whole)
        check_section(record.twin.desired.values)
    twin = replace(record.twin, version=before.version + 1)
    return replace(record, twin=twin, revision=record.revision + 1)


def reported(record: TwinRecord, patch: JsonObject, now: float) -> TwinRecord:
    """The record after a device's checked patch. Raises `twin-invalid` where the section outgrows its limit."""
    twin = record.twin.with_reported(patch)
    check_section(twin.reported.values)
    metadata = restamped(record.reported_metadata, patch, Stamp(now))
    return replace(record, twin=twin, reported_at=now, reported_metadata=metadata)


def told(write: TwinWrite, before: Twin, after: Twin) -> JsonObject:
    """What a device hears of a write: a patch as it was given, a replacement as the difference (contract 1.7)."""
    if write.whole:
        return difference(before.desired.values, after.desired.values)
    return write.desired or {}


def _desired(record: TwinRecord, values: JsonObject, now: float, *, whole: bool) -> TwinRecord:
    before = record.twin.desired
    section = before.replaced(_merged({}, values)) if whole else before.patched(values)
    metadata = restamped({} if whole else record.desired_metadata, values, Stamp(now, section.version))
    return replace(record, twin=replace(record.twin, desired=section), desired_at=now, desired_metadata=metadata)


def _object(value: Json, name: str) -> JsonObject | None:
    if value is None or isinstance(value, dict):
        return value
    raise Problem(REQUEST_MALFORMED, reason=f"{name} is an object")


def _clean(section: JsonObject | None) -> JsonObject | None:
    return None if section is None else without_control(section)


def _merged(values: JsonObject, patch: JsonObject) -> JsonObject:
    merged = merge_patch(values, patch)
    assert isinstance(merged, dict)
    return merged
