"""An edge's copy of a twin that belongs to the cloud: desired comes down, reported goes up, whichever is away.

Pure changes of a TwinRecord, for `Twins.rewrite`. What was reported while the cloud was away is the difference
between the values here and those that the cloud last acknowledged, so nothing else needs to be remembered.
"""

from __future__ import annotations

from dataclasses import replace

from hotori.hub.twin_record import TwinRecord
from hotori.model.json import JsonObject
from hotori.model.twin import Section, Twin, difference


def adopted(record: TwinRecord, desired: Section, reported: Section, now: float) -> TwinRecord:
    """The whole twin as the cloud has it; what was reported here and is not acknowledged yet stays."""
    before = record.twin
    mine = before.reported if record.synced else reported
    version = max(mine.version, reported.version)
    changed = desired != before.desired or mine.values != before.reported.values or not record.synced
    twin = Twin(before.tags, desired, Section(mine.values, version), before.version + changed)
    desired_at = now if desired != before.desired else record.desired_at
    return replace(record, twin=twin, desired_at=desired_at, synced=True, confirmed=reported.values)


def desired_adopted(record: TwinRecord, desired: Section, now: float) -> TwinRecord:
    """A newer desired section; before the whole twin has come once, it is left for that."""
    if not record.synced or record.twin.desired == desired:
        return record
    twin = replace(record.twin, desired=desired, version=record.twin.version + 1)
    return replace(record, twin=twin, desired_at=now)


def unconfirmed(record: TwinRecord) -> JsonObject:
    """The patch that the cloud has yet to hear; empty where it has heard everything."""
    return difference(record.confirmed, record.twin.reported.values)


def confirmed(record: TwinRecord, values: JsonObject) -> TwinRecord:
    """The cloud has acknowledged these reported values."""
    return replace(record, confirmed=values)
