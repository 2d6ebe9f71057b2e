"""The cloud's event log on a failing disk: what is whole is read, what is missing is named."""

from __future__ import annotations

from pathlib import Path

from hotori.hub.events import Events
from hotori.model.identity import Identity
from hotori.model.message import Message
from hotori.store.segments import SegmentLog


def spoil(folder: Path) -> None:
    """Change two events where they stand."""
    for path in folder.glob("*.log"):
        path.write_bytes(path.read_bytes().replace(b"event-20", b"EVENT-20").replace(b"event-21", b"EVENT-21"))


async def test_events_behind_damage_are_read_and_those_in_it_are_named(tmp_path: Path) -> None:
    events = Events(SegmentLog.open(tmp_path, segment_bytes=4096))
    for number in range(50):
        await events.append(Message(b"event-%02d" % number + bytes(100), sender=Identity("dev-1")))
    await events.close()
    spoil(tmp_path)

    again = Events(SegmentLog.open(tmp_path, segment_bytes=4096))
    stream = again.subscribe("earliest")
    read = [(await anext(stream)).offset for _ in range(48)]
    assert read == [offset for offset in range(50) if offset not in (20, 21)]
    (problem,) = again.problems
    assert (problem.code, problem.values["first"], problem.values["last"]) == ("log-damaged", "20", "21")
    await stream.aclose()
    assert await again.append(Message(b"next", sender=Identity("dev-1"))) == 50
    await again.close()
