"""When each member of a section was last written: the tree that services see as `$metadata` (contract 1.7).

Pure changes of such a tree. It mirrors the section's objects; an array is one member.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from hotori.hub.moment import written_time
from hotori.model.json import Json, JsonObject

Metadata: TypeAlias = JsonObject


@dataclass(frozen=True, slots=True)
class Stamp:
    """When a write happened (Unix seconds), and for desired properties the version it made."""

    at: float
    version: int | None = None

    def members(self) -> JsonObject:
        version: JsonObject = {} if self.version is None else {"$lastUpdatedVersion": self.version}
        return {"$lastUpdated": written_time(self.at), **version}


def restamped(metadata: Metadata, patch: JsonObject, stamp: Stamp) -> Metadata:
    """The tree after a merge patch: every object on the way to a written member is stamped, as the member is."""
    changed: JsonObject = {**metadata, **stamp.members()}
    for name, value in patch.items():
        if value is None:
            changed.pop(name, None)
        else:
            changed[name] = _member(changed.get(name), value, stamp)
    return changed


def _member(known: Json, value: Json, stamp: Stamp) -> Metadata:
    if isinstance(value, dict):
        return restamped(known if isinstance(known, dict) else {}, value, stamp)
    return stamp.members()
