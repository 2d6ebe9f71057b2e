"""A twin as Plug and Play sees it: properties and components under one roof (contract 2.10).

Pure. A property of a model stands in desired, in reported, or in both; a component is an object marked `"__t": "c"`.
It will not check anything against the model itself, which the hub does not have.
"""

from __future__ import annotations

from hotori.hub.twin_record import TwinRecord
from hotori.model.json import Json, JsonObject
from hotori.problems import Problem
from hotori.problems.service import REQUEST_MALFORMED

_MARK = {"__t": "c"}
_ANSWER = ("value", "ac", "av", "ad")


def digital_twin(device: str, record: TwinRecord) -> JsonObject:
    """The document; `$metadata` has the model, and what was wanted and acknowledged of each property."""
    twin = record.twin
    view = _view(twin.desired.values, twin.reported.values, record.desired_metadata, record.reported_metadata)
    metadata = view.pop("$metadata")
    assert isinstance(metadata, dict)
    return {"$dtId": device, **view, "$metadata": {"$model": record.model_id or "", **metadata}}


def desired_after(desired: JsonObject, operations: Json) -> JsonObject:
    """Desired properties after a JSON patch of the digital twin. Raises `request-malformed`."""
    if not isinstance(operations, list):
        raise _malformed("the body is an array of JSON patch operations")
    after = dict(desired)
    for operation in operations:
        if not isinstance(operation, dict):
            raise _malformed("an operation is an object with op and path")
        after = _applied(after, operation)
    return after


def _view(desired: JsonObject, reported: JsonObject, wanted_at: JsonObject, reported_at: JsonObject) -> JsonObject:
    view: JsonObject = {}
    metadata: JsonObject = {}
    for name in [*desired, *(name for name in reported if name not in desired)]:
        if name == "__t":
            continue
        wanted, said = desired.get(name), reported.get(name)
        stamps = (_object(wanted_at.get(name)), _object(reported_at.get(name)))
        if _is_component(wanted) or _is_component(said):
            view[name] = _view(_object(wanted), _object(said), *stamps)
            continue
        if said is not None:
            view[name] = said["value"] if _is_answer(said) else said  # type: ignore[index, call-overload]
        metadata[name] = _facts(name in desired, wanted, said, *stamps)
    return {**view, "$metadata": metadata}


def _facts(is_wanted: bool, wanted: Json, said: Json, wanted_at: JsonObject, said_at: JsonObject) -> JsonObject:
    facts: JsonObject = {}
    if is_wanted:
        facts |= {"desiredValue": wanted, "desiredVersion": wanted_at.get("$lastUpdatedVersion")}
    if isinstance(said, dict) and _is_answer(said):
        named = {"av": "ackVersion", "ac": "ackCode", "ad": "ackDescription"}
        facts |= {name: said[key] for key, name in named.items() if key in said}
    if last := (said_at or wanted_at).get("$lastUpdated"):
        facts["lastUpdateTime"] = last
    return facts


def _is_component(value: Json) -> bool:
    return isinstance(value, dict) and value.get("__t") == "c"


def _is_answer(value: Json) -> bool:
    """Whether a device answers to a property that was asked of it: its value with code and version."""
    return isinstance(value, dict) and {"value", "ac", "av"} <= value.keys() <= set(_ANSWER)


def _applied(desired: JsonObject, operation: JsonObject) -> JsonObject:
    verb, path = operation.get("op"), operation.get("path")
    if verb not in ("add", "replace", "remove") or not isinstance(path, str) or not path.startswith("/"):
        raise _malformed("an operation has op (add, replace, remove) and a path that begins with /")
    if verb != "remove" and "value" not in operation:
        raise _malformed(f"the operation on {path} has no value")
    names = [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]
    if not all(names) or len(names) > 2:
        raise _malformed(f"{path} is neither /property nor /component/property")
    if len(names) == 1:
        return _set(desired, names[0], verb, _without_metadata(operation.get("value")))
    component = {**_MARK, **_object(desired.get(names[0]))}
    return {**desired, names[0]: _set(component, names[1], verb, operation.get("value"))}


def _set(values: JsonObject, name: str, verb: Json, value: Json) -> JsonObject:
    rest = {known: old for known, old in values.items() if known != name}
    return rest if verb == "remove" else {**values, name: value}


def _without_metadata(value: Json) -> Json:
    """A whole component is given with an empty `$metadata`; it is marked as the twin marks one."""
    if not isinstance(value, dict) or "$metadata" not in value:
        return value
    return {**_MARK, **{name: inner for name, inner in value.items() if name != "$metadata"}}


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _malformed(reason: str) -> Problem:
    return Problem(REQUEST_MALFORMED, reason=reason)
