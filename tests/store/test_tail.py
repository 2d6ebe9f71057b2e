"""The newest entries of a log, kept in runs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hotori.store.log import Entry
from hotori.store.tail import Tail

runs = st.lists(st.lists(st.binary(max_size=8), min_size=1, max_size=5), max_size=12)


@given(runs, st.integers(0, 20), st.integers(0, 40), st.integers(-1, 15))
def test_it_knows_the_newest_and_nothing_else(
    added: list[list[bytes]], first: int, most_bytes: int, count: int
) -> None:
    tail = Tail(most_bytes)
    entries: list[bytes] = []
    for run in added:
        tail.add(first + len(entries), run)
        entries += run
    known = [offset for offset in range(first + len(entries)) if tail.get(offset) is not None]
    assert known == list(range(first + len(entries)))[len(range(first + len(entries))) - len(known) :]
    assert all(tail.get(offset) == entries[offset - first] for offset in known)
    assert sum(len(entries[offset - first]) for offset in known) <= most_bytes
    for start in range(first + len(entries) + 2):
        wanted = [Entry(offset, entries[offset - first]) for offset in range(start, start + count) if offset in known]
        assert tail.read(start, count) == (wanted if len(wanted) == max(count, 0) else None)
