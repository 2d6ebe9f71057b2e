"""Whom a configuration is for: its target condition, understood (contract 3.4)."""

from __future__ import annotations

from dataclasses import dataclass

from hotori.hub.query.evaluate import wanted
from hotori.hub.query.page import understand
from hotori.hub.query.syntax import Query, Source
from hotori.model.configuration import Configuration, ContentKind
from hotori.model.json import JsonObject
from hotori.problems import Problem
from hotori.problems.manifest import MANIFEST_MALFORMED

_MODULES = "from devices.modules"


@dataclass(frozen=True, slots=True)
class Target:
    """`query` is None where nothing is targeted: an empty condition is an idle configuration."""

    kind: ContentKind
    query: Query | None

    @classmethod
    def of(cls, configuration: Configuration) -> Target:
        """Raises `query-invalid` with the place of the fault, and `manifest-malformed`."""
        return cls(configuration.kind, _understood(configuration.kind, configuration.target_condition.strip()))

    def matches(self, row: JsonObject) -> bool:
        """Whether the twin of a device, or of a module, is meant. Edge deployments mean edge devices only."""
        if self.query is None:
            return False
        capabilities = row.get("capabilities")
        edge = isinstance(capabilities, dict) and capabilities.get("iotEdge") is True
        return (edge or self.kind is not ContentKind.MODULES) and wanted(self.query.condition, row)


def _understood(kind: ContentKind, condition: str) -> Query | None:
    if not condition:
        return None
    if kind is not ContentKind.MODULE:
        return understand("select * from devices" + ("" if condition == "*" else f" where {condition}"))
    if not " ".join(condition.lower().split()).startswith(_MODULES):
        reason = "the condition for module twins begins with FROM devices.modules WHERE"
        raise Problem(MANIFEST_MALFORMED, pointer="/targetCondition", reason=reason)
    query = understand(f"select * {condition}")
    assert query.source is Source.MODULES
    return query
