"""Frames of streams: whatever pieces they come in, the same frames come out."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.problems import Problem
from hotori.problems.streams import STREAM_CUT
from hotori.sdk.stream_frames import MAX_PAYLOAD, Frame, FrameKind, FrameReader, MalformedStreamError, data_frames

FRAMES = st.lists(st.builds(Frame, st.sampled_from(FrameKind), st.binary(max_size=300)), max_size=6)


@given(frames=FRAMES, cuts=st.lists(st.integers(0, 2000), max_size=8))
def test_frames_survive_any_cut(frames: list[Frame], cuts: list[int]) -> None:
    data = b"".join(frame.encode() for frame in frames)
    reader, found, last = FrameReader(), [], 0
    for cut in sorted({*(min(cut, len(data)) for cut in cuts), len(data)}):
        found += reader.feed(data[last:cut])
        last = cut
    assert found == frames


@given(data=st.binary(max_size=400))
def test_bytes_of_others_are_frames_or_refused(data: bytes) -> None:
    try:
        frames = FrameReader().feed(data)
    except MalformedStreamError:
        return
    assert b"".join(frame.encode() for frame in frames) == data[: sum(5 + len(frame.payload) for frame in frames)]


@pytest.mark.parametrize("data", [struct.pack(">BI", 1, MAX_PAYLOAD + 1), struct.pack(">BI", 99, 0)])
def test_a_frame_too_long_or_of_no_kind_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedStreamError):
        FrameReader().feed(data)


def test_much_data_makes_several_frames() -> None:
    data = bytes(MAX_PAYLOAD * 2 + 1)
    frames = list(data_frames(FrameKind.DATA, data))
    assert [len(frame.payload) for frame in frames] == [MAX_PAYLOAD, MAX_PAYLOAD, 1]
    assert list(data_frames(FrameKind.DATA, b"")) == []


def test_a_problem_travels_in_a_frame_and_nothing_else_does() -> None:
    problem = Frame.of(FrameKind.PROBLEM, Problem(STREAM_CUT, device="edge-1").document()).problem()
    assert (problem.code, problem.title()) == ("stream-cut", "The stream to edge-1 was cut")
    for payload in (b"{}", b"[]", b"no json"):
        with pytest.raises(MalformedStreamError):
            Frame(FrameKind.PROBLEM, payload).problem()
