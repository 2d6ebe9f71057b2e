"""Configurations over HTTPS (contract 2.7), and how their rollouts go, which is ours."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.responses import Response

from hotori.hub.moment import written_time
from hotori.hub.query.page import run_query
from hotori.hub.rollouts.configuration_document import configuration_document, system_queries
from hotori.hub.rollouts.configurations import Kept
from hotori.hub.rollouts.targeting import Target
from hotori.hub.service_api.answer import json_answer, no_content
from hotori.hub.service_api.call import Call
from hotori.model.configuration import Configuration, ContentKind
from hotori.model.json import Json, JsonObject
from hotori.problems import Problem
from hotori.problems.service import REQUEST_MALFORMED
from hotori.rollout.layers import merged, origins
from hotori.rollout.phase import Progress, Standing

_MOST = 100
_PAGE = 1000


async def list_configurations(call: Call) -> Response:
    """Without results, which are counted for one at a time."""
    kept = call.deps.rollouts.configurations.all()[: call.whole_number("top", _MOST, _MOST)]
    return json_answer([configuration_document(each.configuration) | {"etag": each.etag} for each in kept])


async def get_configuration(call: Call) -> Response:
    """With the results of all its metrics, counted now."""
    return await _shown(call, call.deps.rollouts.configurations.get(_name(call)))


async def put_configuration(call: Call) -> Response:
    """Create without If-Match, change with it; what stands there is not replaced by accident."""
    configurations, document = call.deps.rollouts.configurations, await call.object()
    if call.conditional:
        return await _shown(call, await configurations.update(_name(call), document, call.etag))
    return await _shown(call, await configurations.create(_name(call), document))


async def delete_configuration(call: Call) -> Response:
    await call.deps.rollouts.configurations.delete(_name(call), call.etag)
    return no_content()


async def test_queries(call: Call) -> Response:
    """Look at a condition and at metrics without keeping anything: the faults that they have."""
    document = await call.object()
    queries = document.get("customMetricQueries")
    condition = str(document.get("targetCondition") or "")
    errors: JsonObject = {}
    for name, query in (queries if isinstance(queries, dict) else {}).items():
        if fault := await _fault(call, str(query)):
            errors[name] = fault
    return json_answer({"targetConditionError": _condition_fault(condition), "customMetricQueryErrors": errors})


async def get_rollout(call: Call) -> Response:
    """How it goes, device by device."""
    return json_answer(rollout_document(call.deps.rollouts.progress(_name(call))))


async def change_rollout(call: Call) -> Response:
    """`{"action": "pause" | "resume" | "rollback", "reason"?}`."""
    document, rollouts, name = await call.object(), call.deps.rollouts, _name(call)
    reason = str(document.get("reason") or "asked for")
    match document.get("action"):
        case "pause":
            progress = await rollouts.pause(name, reason)
        case "resume":
            progress = await rollouts.resume(name)
        case "rollback":
            progress = await rollouts.roll_back(name, reason)
        case _:
            raise Problem(REQUEST_MALFORMED, reason="action is pause, resume or rollback")
    return json_answer(rollout_document(progress))


async def get_effective(call: Call) -> Response:
    """What a device should have, with the configuration that every value is from."""
    found = await call.deps.rollouts.effective(call.identity.device)
    content: JsonObject = {name: {"properties.desired": merged(entries, {})} for name, entries in found.entries.items()}
    return json_answer(
        {
            "deviceId": call.identity.device,
            "applied": list(found.applied),
            "targeted": list(found.targeted),
            "modulesContent": content,
            "origins": {name: origins(entries) for name, entries in found.entries.items()},
        }
    )


def rollout_document(progress: Progress | None) -> JsonObject:
    """A rollout for people and tools. Without a strategy everybody has it at once."""
    if progress is None:
        return {"phase": "all-at-once", "wave": 0, "reason": "", "devices": {}}
    devices: JsonObject = {name: _standing(each) for name, each in sorted(progress.devices.items())}
    return {
        "phase": progress.phase.value,
        "wave": progress.wave,
        "reason": progress.reason,
        "devices": devices,
    }


def _standing(standing: Standing) -> JsonObject:
    return {
        "health": standing.health.value,
        "since": written_time(standing.since),
        "admitted": written_time(standing.admitted_at),
        "connected": standing.connected,
        "reason": standing.reason,
    }


async def _shown(call: Call, kept: Kept) -> Response:
    document = configuration_document(kept.configuration) | {"etag": kept.etag}
    for metrics, queries in (
        ("systemMetrics", system_queries(kept.configuration)),
        ("metrics", kept.configuration.metrics),
    ):
        part = document[metrics]
        assert isinstance(part, dict)
        part["results"] = await _results(call, queries)
    document["images"] = await _images(call, kept.configuration)
    return json_answer(document)


async def _results(call: Call, queries: Mapping[str, str]) -> JsonObject:
    """The numbers of rows; a metric whose query has a fault has no result."""
    results: JsonObject = {}
    for name, query in queries.items():
        try:
            results[name] = await _count(call, query) if query else 0
        except Problem:
            continue
    return results


async def _count(call: Call, query: str) -> int:
    count, continuation = 0, None
    while True:
        page = await run_query(call.deps.hub, call.deps.registry, query, _PAGE, continuation)
        count += len(page.rows)
        continuation = page.continuation
        if continuation is None:
            return count


async def _images(call: Call, configuration: Configuration) -> Json:
    """Every pinned image with the digest of its submission and the one that its tag names now."""
    now = await asyncio.gather(*(_now(call, image) for image in configuration.pins))
    return [
        {"image": image, "digest": digest, "tagNow": found, "moved": found != digest}
        for (image, digest), found in zip(configuration.pins.items(), now, strict=True)
    ]


async def _now(call: Call, image: str) -> str | None:
    try:
        return await call.deps.rollouts.configurations.pin(image)
    except Problem:
        return None  # the tag is gone


async def _fault(call: Call, query: str) -> str:
    try:
        await run_query(call.deps.hub, call.deps.registry, query, 1, None)
    except Problem as problem:
        return f"{problem.title()}: {problem.cause()}"
    return ""


def _condition_fault(condition: str) -> str:
    modules = condition.lower().lstrip().startswith("from")
    try:
        Target.of(Configuration("x", ContentKind.MODULE if modules else ContentKind.MODULES, {}, condition))
    except Problem as problem:
        return f"{problem.title()}: {problem.cause()}"
    return ""


def _name(call: Call) -> str:
    return str(call.request.path_params["configuration"])
