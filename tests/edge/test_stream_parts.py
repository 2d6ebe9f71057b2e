"""Parts of streams that have no network: chosen lines, orders, places in a log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.edge.log_request import LogFilter
from hotori.edge.streams.sieve import LONGEST, Sieve
from hotori.hub.streams.order import StreamKind, StreamOrder
from hotori.problems import Problem
from hotori.runtimes.rotated_log import LogLimits, RotatedLog

LINES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")))


@given(lines=LINES, cuts=st.lists(st.integers(0, 400), max_size=6), level=st.sampled_from([None, 3, 6]))
def test_the_chosen_lines_of_a_log_that_comes_in_pieces_are_those_of_the_whole(
    lines: list[str], cuts: list[int], level: int | None
) -> None:
    chosen = LogFilter.parse({"regex": "[a-z0]", "loglevel": level}, 0.0)
    data = "".join(f"{line}\n" for line in lines).encode()
    sieve, found, last = Sieve(chosen), b"", 0
    for cut in sorted({*(min(cut, len(data)) for cut in cuts), len(data)}):
        found += sieve.feed(data[last:cut])
        last = cut
    found += sieve.rest()
    assert found.decode().split("\n")[:-1] == [line for line in lines if chosen.keeps(line)]


def test_a_line_that_never_ends_is_judged_as_it_is() -> None:
    sieve = Sieve(LogFilter.parse({"regex": "x"}, 0.0))
    assert sieve.feed(b"x" * (LONGEST + 1)) == b"x" * (LONGEST + 1)
    assert sieve.feed(b"y") == b""
    assert sieve.rest() == b""


def test_every_line_is_let_through_as_it_is_where_all_are_chosen() -> None:
    assert Sieve(LogFilter.parse({"tail": 3}, 0.0)).feed(b"half a li") == b"half a li"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
MEMBERS = st.sampled_from(["command", "filter", "terminal", "columns", "rows", "term"])


@given(data=JSON, name=MEMBERS)
def test_what_a_caller_asks_for_is_an_order_or_refused(data: Any, name: str) -> None:
    try:
        order = StreamOrder.parse(StreamKind.SHELL, "edge-1", "camera", "service", {name: data})
    except Problem as problem:
        if problem.code != "request-malformed":
            raise
        return
    assert StreamOrder.read(order.document()) == order


@pytest.mark.parametrize("document", [{}, {"kind": "other"}, {"kind": "logs", "device": "d", "module": 1, "by": "x"}])
def test_an_order_that_names_nothing_is_refused(document: Any) -> None:
    with pytest.raises(Problem) as caught:
        StreamOrder.read(document)
    assert caught.value.code == "request-malformed"


def test_a_reader_of_a_log_finds_its_place_again_over_rotations(tmp_path: Path) -> None:
    log = RotatedLog(tmp_path / "log", LogLimits(100, 3))
    written, place, read = b"", 0, b""
    for number in range(40):
        line = f"line {number}\n".encode()
        log.write(line)
        written += line
        while piece := log.read_from(place, 7):
            if not piece[0]:
                break
            read, place = read + piece[0], piece[1]
    assert read == written
    assert place == log.end == len(written)


def test_a_reader_who_was_away_too_long_goes_on_with_what_is_kept(tmp_path: Path) -> None:
    log = RotatedLog(tmp_path / "log", LogLimits(100, 2))
    for number in range(100):
        log.write(f"line {number}\n".encode())
    read, place = b"", 0
    while True:
        piece, place = log.read_from(place, 1000)
        if not piece:
            break
        read += piece
    assert read == log.read()
    assert place == log.end
    again = RotatedLog(tmp_path / "log", LogLimits(100, 2))
    assert again.read_from(0, 10_000)[0] + again.read_from(again.read_from(0, 10_000)[1], 10_000)[0] == read
