"""A query, run over the registry and the twins, a page at a time."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from hotori.hub.device_jobs import DeviceJob, DeviceJobs
from hotori.hub.hub import Hub
from hotori.hub.query.evaluate import Groups, project, wanted
from hotori.hub.query.fault import QueryFaultError
from hotori.hub.query.narrow import named
from hotori.hub.query.parser import parse_condition, parse_query
from hotori.hub.query.syntax import Expression, Query, Source
from hotori.hub.registration import Registration
from hotori.hub.registry import Registry
from hotori.hub.twin_document import twin_document
from hotori.model.identity import Identity, is_name
from hotori.model.json import JsonObject
from hotori.problems import Problem
from hotori.problems.service import QUERY_INVALID, REQUEST_MALFORMED

_T = TypeVar("_T")

_SHOWN = 100
"""Characters that a problem shows on either side of a fault."""
_SCAN = 100
"""Twins that are read at a time."""


@dataclass(frozen=True, slots=True)
class Page:
    """`kind` is Twin or DeviceJob for whole rows, else Raw; `continuation` is None on the last page."""

    rows: list[JsonObject]
    kind: str
    continuation: str | None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the next page begins: after which name, and how many rows were given before."""

    after: str = ""
    given: int = 0

    def token(self) -> str:
        return base64.urlsafe_b64encode(msgspec.json.encode((self.after, self.given))).decode()

    @classmethod
    def read(cls, token: str | None) -> _Place:
        """Raises `request-malformed`."""
        if token is None:
            return cls()
        try:
            return cls(*msgspec.json.decode(base64.urlsafe_b64decode(token), type=tuple[str, int]))
        except (ValueError, msgspec.DecodeError) as error:
            raise Problem(REQUEST_MALFORMED, str(error), reason="x-ms-continuation is not one of ours") from error


async def run_query(hub: Hub, registry: Registry, text: str, size: int, continuation: str | None) -> Page:
    """Up to `size` rows from where the page before ended. Raises `query-invalid`, `request-malformed`."""
    query, place = understand(text), _Place.read(continuation)
    if query.aggregates:
        return await _aggregated(hub, registry, query, size, place)
    return await _selected(hub, registry, query, size, place)


def understand(text: str) -> Query:
    """Read a query. Raises `query-invalid` with the column of the fault."""
    return _read(parse_query, text)


def understand_condition(text: str) -> Expression | None:
    """Read a condition by itself; None for `*`, which is everything. Raises as `understand` does."""
    return _read(parse_condition, text)


def _read(parse: Callable[[str], _T], text: str) -> _T:
    try:
        return parse(text)
    except QueryFaultError as fault:
        place = _around(text, fault.at)
        raise Problem(QUERY_INVALID, *place, column=fault.at + 1, reason=fault.reason) from fault


def _around(text: str, at: int) -> tuple[str, str]:
    """What stands near a place, on one line, and a mark below the place."""
    begin = max(0, at - _SHOWN)
    return " ".join(text[begin : at + _SHOWN].splitlines()), " " * (at - begin) + "^"


async def _selected(hub: Hub, registry: Registry, query: Query, size: int, place: _Place) -> Page:
    left = size if query.top is None else min(size, query.top - place.given)
    more = query.top is None or query.top - place.given > size
    rows: list[JsonObject] = []
    last = place.after
    kind = "Raw" if query.columns else "DeviceJob" if query.source is Source.JOBS else "Twin"
    async for name, row in _scan(hub, registry, query, place.after):
        if not wanted(query.condition, row):
            continue
        if len(rows) >= left:
            return Page(rows, kind, _Place(last, place.given + len(rows)).token() if more else None)
        rows.append(project(query, row))
        last = name
    return Page(rows, kind, None)


async def _aggregated(hub: Hub, registry: Registry, query: Query, size: int, place: _Place) -> Page:
    groups = Groups(query)
    async for _, row in _scan(hub, registry, query, ""):
        if wanted(query.condition, row):
            groups.add(row)
    rows = groups.rows()[: query.top]
    end = place.given + size
    return Page(rows[place.given : end], "Raw", _Place("", end).token() if end < len(rows) else None)


async def _scan(hub: Hub, registry: Registry, query: Query, after: str) -> AsyncIterator[tuple[str, JsonObject]]:
    """Rows with their names, in the order of these; so many at a time are in memory."""
    if query.source is Source.JOBS:
        async for part in _parts(hub.device_jobs, query, after):
            yield part.key, part.document()
        return
    async for page in _registrations(registry, query, after):
        rows = await asyncio.gather(*(twin_document(hub, one) for one in page))
        for registration, row in zip(page, rows, strict=True):
            yield str(registration.identity), row


async def _parts(device_jobs: DeviceJobs, query: Query, after: str) -> AsyncIterator[DeviceJob]:
    jobs = named(query.condition, "jobId")
    if jobs is None:
        while parts := await device_jobs.after(after, _SCAN):
            for part in parts:
                yield part
            after = parts[-1].key
        return
    last_job, _, last_device = after.partition("/")
    for job in sorted(name for name in jobs if name >= last_job):
        device = last_device if job == last_job else ""
        while parts := await device_jobs.of(job, device, _SCAN):
            for part in parts:
                yield part
            device = parts[-1].device


async def _registrations(registry: Registry, query: Query, after: str) -> AsyncIterator[list[Registration]]:
    """Pages of registrations; only of the devices that the condition names, where it names them."""
    names = named(query.condition, "deviceId") if query.source is Source.DEVICES else None
    if names is not None:
        asked = (registry.find(Identity(name)) for name in sorted(names) if name > after and is_name(name))
        yield [found for found in await asyncio.gather(*asked) if found is not None]
        return
    page_of = registry.devices if query.source is Source.DEVICES else registry.all_modules
    while page := await page_of(after, _SCAN):
        yield page
        after = str(page[-1].identity)
