"""Our programs, started by tools of ours: what does not come up is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotori.problems import Problem
from hotori.sdk.program import Program
from hotori.testing.addresses import loopback_address


def test_a_program_that_is_not_ready_in_time_is_ended_and_named(tmp_path: Path) -> None:
    program = Program(tmp_path / "cloud", "cloud", "serve", "--listen", loopback_address(), ready_within=0.01)
    with pytest.raises(Problem) as caught:
        program.start()
    assert caught.value.code == "program-slow"
    assert program.stop() is None, "it has been ended"


def test_a_program_that_ends_before_it_is_ready_is_told_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        Program(tmp_path / "cloud", "cloud", "no-such-command").start()
    assert caught.value.code == "program-ended"
    assert "no-such-command" in "".join(caught.value.evidence)
