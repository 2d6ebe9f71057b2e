"""A folder that is made anew each time is never one that somebody else filled."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotori.problems import Problem
from hotori.store.own_folder import make_anew


def test_a_folder_is_made_anew_as_often_as_wanted(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    for _ in range(2):
        (make_anew(folder) / "old").write_text("x")
    assert not (make_anew(folder) / "old").exists()


def test_a_folder_with_other_things_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("the only copy")
    with pytest.raises(Problem) as caught:
        make_anew(tmp_path)
    assert caught.value.code == "folder-foreign"
    assert (tmp_path / "thesis.txt").read_text() == "the only copy"
