"""A problem that a program told of itself is taken at its word."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.diagnosis.evidence import ExitEvidence
from hotori.diagnosis.findings import findings
from hotori.diagnosis.told import told

LINE = {
    "time": "2027-01-01T00:00:00.000Z",
    "level": "error",
    "code": "camera-not-found",
    "values": {"camera": "/dev/video0", "reason": "There is no /dev/video0", "present": "none"},
    "evidence": ["ENODEV"],
}


def line(**changed: object) -> str:
    return json.dumps({**LINE, **changed})


def test_a_module_that_said_why_it_ended_is_believed() -> None:
    (found,) = findings(ExitEvidence("camera", exit_code=1, log_tail=f"starting\n{line()}\nbye"))
    assert found.code == "camera-not-found"
    assert "/dev/video0" in found.title()
    assert found.evidence == ("ENODEV",)


@pytest.mark.parametrize(
    "changed", [{"code": "unheard-of"}, {"level": "warning"}, {"values": {}}, {"values": None}, {"evidence": "text"}]
)
def test_a_line_that_is_no_such_problem_is_passed_over(changed: dict[str, object]) -> None:
    assert told(line(**changed)) is None


def test_the_last_word_counts() -> None:
    last = line(values={**LINE["values"], "camera": "/dev/video9"})  # type: ignore[dict-item]
    problem = told(f"{line()}\n{last}\n{{not JSON\n")
    assert problem is not None
    assert problem.values["camera"] == "/dev/video9"


def test_keys_are_blotted_out() -> None:
    problem = told(line(evidence=["AccountKey=c2VjcmV0"]))
    assert problem is not None
    assert problem.evidence == ("AccountKey=***",)


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner)).map(json.dumps))
def test_any_log_may_be_read(text: str) -> None:
    told(text)
