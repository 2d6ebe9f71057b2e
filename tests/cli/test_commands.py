"""Every command has the same habits."""

import json

import click
import pytest

from hotori.cli.main import COMMANDS, hotori, main


def leaves(command=hotori, path=()):
    """Every command that does something, with its path."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from leaves(command.get_command(context, name), (*path, name))
    else:
        yield " ".join(path), command


LEAVES = dict(leaves())


@pytest.mark.parametrize("path", LEAVES)
def test_every_command_has_help_with_an_example(path):
    command = LEAVES[path]
    assert "Example:  hotori" in command.get_help(click.Context(command, info_name=path))


@pytest.mark.parametrize("path", LEAVES)
def test_every_command_answers_in_json_and_in_both_languages(path):
    names = {option for parameter in LEAVES[path].params for option in parameter.opts}
    assert {"--json", "--lang"} <= names


def test_the_fixed_names_are_there():
    fixed = {
        "up", "cloud serve", "edge run", "device add", "device list", "device show", "device remove",
        "deploy", "logs", "monitor", "twin", "invoke", "train",
    }  # fmt: skip
    assert fixed <= LEAVES.keys()


def test_the_overview_lists_every_command(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


def test_an_unknown_command_is_wrong_use(capsys):
    assert main(["nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err


def test_a_problem_can_be_looked_up_in_japanese(capsys):
    assert main(["problem", "token-expired", "--lang", "ja"]) == 0
    assert "アクセストークン" in capsys.readouterr().out


def test_without_a_cloud_the_problem_says_where_was_looked(capsys, tmp_path, monkeypatch):
    for name, value in {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HOTORI_CLOUD", raising=False)
    assert main(["device", "list", "--json"]) == 1
    problem = json.loads(capsys.readouterr().err)["problem"]
    assert problem["code"] == "no-cloud-chosen"
    assert str(tmp_path) in problem["cause"]["en"]


@pytest.mark.parametrize(
    ("locale", "words"), [("ja_JP.UTF-8", "対処"), ("C.UTF-8", "remedy"), ("de_DE.UTF-8", "remedy")]
)
def test_the_language_follows_the_locale(capsys, monkeypatch, tmp_path, locale, words):
    monkeypatch.setenv("LC_ALL", locale)
    monkeypatch.delenv("HOTORI_LANG", raising=False)
    assert main(["train", str(tmp_path), "--out", str(tmp_path / "model.onnx")]) == 1
    assert words in capsys.readouterr().err
