"""Build files of modules, and what they leave open."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hotori.model.platform import Platform
from hotori.problems import Problem
from hotori.solution.build_file import read_recipe


def test_a_variable_that_nobody_filled_in_is_named_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "image.json"
    path.write_text(json.dumps({"entrypoint": ["main"], "copy": [{"from": "${MODEL}", "to": "/app/model"}]}))
    with pytest.raises(Problem) as caught:
        read_recipe(path, Platform("amd64"), {})
    assert (caught.value.code, caught.value.values["name"]) == ("variable-missing", "MODEL")
    assert str(path) in caught.value.cause() + caught.value.title()
