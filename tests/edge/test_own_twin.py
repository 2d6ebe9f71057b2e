"""The device's own twins: desired is told, reports are written by difference."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from hotori.edge.own_twin import OwnTwin, key_safe
from hotori.hub.twins import TwinNotReadyError, Twins
from hotori.model.identity import EDGE_AGENT, Identity
from hotori.model.json import JsonObject
from hotori.model.twin import check_section
from hotori.store.memory import MemoryRecords
from tests.edge.parts import DEVICE

AGENT = Identity(DEVICE.device, EDGE_AGENT)


def nothing(desired: JsonObject, version: int) -> None:
    """Nobody listens."""


async def test_only_differences_are_reported() -> None:
    twins = Twins(MemoryRecords())
    await twins.patch_reported(AGENT, {"a": 1, "old": {"x": 1}})
    patches: list[JsonObject] = []
    twins.reported_watchers.append(lambda change: patches.append(change.patch))
    twin = OwnTwin(twins, AGENT, nothing)

    for values in ({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}}):
        twin.report(values)
        await twin.write()

    assert patches == [{"b": {"c": 2}, "old": None}, {"b": {"c": 3}}]


async def test_every_change_of_desired_is_told_whole() -> None:
    twins, told = Twins(MemoryRecords()), list[tuple[JsonObject, int]]()
    OwnTwin(twins, AGENT, lambda desired, version: told.append((desired, version)))

    await twins.patch_desired(AGENT, {"a": 1})
    await twins.patch_desired(AGENT, {"b": 2})
    await twins.patch_desired(Identity("edge-1", "camera"), {"c": 3})

    assert told == [({"a": 1}, 2), ({"a": 1, "b": 2}, 3)]


async def test_what_was_desired_in_a_former_life_is_told_at_the_start() -> None:
    twins, told = Twins(MemoryRecords()), list[int]()
    await twins.patch_desired(AGENT, {"a": 1})
    await twins.rewrite(AGENT, lambda record: replace(record, synced=True))

    await OwnTwin(twins, AGENT, lambda _, version: told.append(version)).start()

    assert told == [2]


class Gate:
    """A cloud that is not there at first."""

    def __init__(self) -> None:
        self.open = False
        self.asked = asyncio.Event()

    async def ready(self, identity: Identity) -> None:
        self.asked.set()
        await asyncio.sleep(0)
        if not self.open:
            raise TwinNotReadyError


async def test_a_report_waits_until_the_twin_has_come() -> None:
    gate = Gate()
    twins = Twins(MemoryRecords(), gate=gate)
    twin = OwnTwin(twins, AGENT, nothing)
    written = asyncio.Event()
    twins.reported_watchers.append(lambda _: written.set())
    running = asyncio.create_task(twin.run())

    twin.report({"state": "first"})
    await gate.asked.wait()
    twin.report({"state": "last"})
    gate.open = True
    async with asyncio.timeout(30):
        await written.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert (await twins.peek(AGENT)).twin.reported.values == {"state": "last"}


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1))
def test_any_name_can_be_a_key(name: str) -> None:
    check_section({key_safe(name): 1})
