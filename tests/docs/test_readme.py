"""What the READMEs show is what the program says."""

from pathlib import Path

import pytest

from hotori.cli.terminal import Terminal
from hotori.problems import Language, Problem
from hotori.problems.identity import DEVICE_EXISTS

ROOT = Path(__file__).resolve().parents[2]
NAMES = {Language.EN: "README.md", Language.JA: "README.ja.md"}


@pytest.mark.parametrize("language", list(Language))
def test_the_problem_that_is_shown_is_told_so(language, capsys):
    Terminal.open(language, as_json=False).problem(Problem(DEVICE_EXISTS, device="edge-1"))
    told = [f"    {line}".rstrip() for line in capsys.readouterr().err.splitlines()]
    assert "\n".join(told) in (ROOT / NAMES[language]).read_text(encoding="utf-8")


def test_both_readmes_show_the_same_commands():
    shown = {}
    for language, name in NAMES.items():
        text = (ROOT / name).read_text(encoding="utf-8").replace(" --lang ja", "")
        lines = [line.strip().partition("#")[0].strip() for line in text.splitlines() if line.startswith("    ")]
        shown[language] = [line for line in lines if line.isascii() and line]
    english = [line for line in shown[Language.EN] if line.startswith(("make", "hotori", "git", "$", ". "))]
    japanese = [line for line in shown[Language.JA] if line.startswith(("make", "hotori", "git", "$", ". "))]
    assert [line for line in english if "<" not in line] == [line for line in japanese if "<" not in line]


@pytest.mark.parametrize("name", [*NAMES.values(), "CONTRIBUTING.md"])
def test_every_file_that_is_linked_is_there(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    links = [part.partition(")")[0] for part in text.split("](")[1:]]
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []
