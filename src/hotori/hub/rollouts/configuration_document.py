"""A configuration as the REST API and the store write it (contract 2.7)."""

from __future__ import annotations

import msgspec

from hotori.hub.moment import written_time
from hotori.model.configuration import Configuration, ContentKind, Strategy, Wave
from hotori.model.json import JsonObject

_TARGETED = "select deviceId from devices where capabilities.iotEdge = true"
_OF_AGENT = "select deviceId from devices.modules where moduleId = '$edgeAgent'"
_READ = "properties.desired.$version = properties.reported.lastDesiredVersion"
_CODE = "properties.reported.lastDesiredStatus.code"


def configuration_document(configuration: Configuration) -> JsonObject:
    """What a GET answers, without etag and results."""
    labels: JsonObject = dict(configuration.labels)
    queries: JsonObject = dict(configuration.metrics)
    return {
        "id": configuration.id,
        "schemaVersion": configuration.schema_version,
        "labels": labels,
        "content": {configuration.kind.value: configuration.content},
        "targetCondition": configuration.target_condition,
        "createdTimeUtc": written_time(configuration.created_at),
        "lastUpdatedTimeUtc": written_time(configuration.updated_at),
        "priority": configuration.priority,
        "systemMetrics": {"results": {}, "queries": dict(system_queries(configuration))},
        "metrics": {"results": {}, "queries": queries},
        **({"rollout": strategy_document(configuration.strategy)} if configuration.strategy else {}),
    }


def strategy_document(strategy: Strategy) -> JsonObject:
    return {
        "waves": [_wave_document(wave) for wave in strategy.waves],
        "healthySeconds": strategy.healthy,
        "failingSeconds": strategy.failing,
        "deadlineSeconds": strategy.deadline,
        "maxFailures": strategy.failures,
        "onFailure": strategy.on_failure.value,
    }


def _wave_document(wave: Wave) -> JsonObject:
    size: JsonObject = {"devices": wave.devices} if wave.devices is not None else {"percent": wave.percent}
    return size | ({"pauseSeconds": wave.pause} if wave.pause else {})


def system_queries(configuration: Configuration) -> dict[str, str]:
    """The texts that tools run themselves; that of `targetedCount` is empty where the condition is."""
    if configuration.kind is ContentKind.MODULES:
        return _edge_queries(configuration.id, configuration.target_condition.strip())
    return _twin_queries(configuration)


def _edge_queries(name: str, condition: str) -> dict[str, str]:
    applied = f"{_OF_AGENT} and configurations.[[{name}]].status = 'Applied'"
    targeted = _TARGETED if condition == "*" else f"{_TARGETED} and ({condition})"
    return {
        "targetedCount": targeted if condition else "",
        "appliedCount": applied,
        "reportedSuccessfulCount": f"{applied} and {_READ} and {_CODE} = 200",
        "reportedFailedCount": f"{applied} and {_READ} and {_CODE} != 200",
    }


def _twin_queries(configuration: Configuration) -> dict[str, str]:
    condition = configuration.target_condition.strip()
    applied = f"configurations.[[{configuration.id}]].status = 'Applied'"
    if configuration.kind is ContentKind.MODULE:
        targeted = f"select deviceId, moduleId {condition}" if condition else ""
        return {
            "targetedCount": targeted,
            "appliedCount": f"select deviceId, moduleId from devices.modules where {applied}",
        }
    targeted = "select deviceId from devices" + ("" if condition == "*" else f" where {condition}")
    return {
        "targetedCount": targeted if condition else "",
        "appliedCount": f"select deviceId from devices where {applied}",
    }


def encode_configuration(configuration: Configuration) -> bytes:
    return msgspec.json.encode(configuration)


def decode_configuration(data: bytes) -> Configuration:
    return msgspec.json.decode(data, type=_Stored).configuration()


class _Stored(msgspec.Struct, omit_defaults=True):
    """The same members as the noun, with types that a decoder can be made of."""

    id: str
    kind: ContentKind
    content: dict[str, object]
    target_condition: str = ""
    priority: int = 0
    labels: dict[str, str] = {}
    metrics: dict[str, str] = {}
    schema_version: str = "2.0"
    strategy: Strategy | None = None
    created_at: float = 0.0
    updated_at: float = 0.0
    pins: dict[str, str] = {}

    def configuration(self) -> Configuration:
        return Configuration(**{name: getattr(self, name) for name in self.__struct_fields__})
