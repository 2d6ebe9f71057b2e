"""What makes a machine an edge device: service, configuration, enrolment."""

from __future__ import annotations

import configparser
import json
import tomllib
from pathlib import Path

import pytest

from hotori.cli.edge import run_command
from hotori.cli.edge_install import read_settings
from hotori.cli.main import main
from hotori.problems import Problem


def unit_of(root: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(root / "etc/systemd/system/hotori-edge.service")
    return parser


def test_an_installation_needs_no_root_at_run_time(tmp_path: Path) -> None:
    enrolment = tmp_path / "edge-1.json"
    enrolment.write_text("{}")
    root = tmp_path / "root"
    assert main(["edge", "install", "--root", str(root), "--enrolment", str(enrolment), "--runtime", "docker"]) == 0
    service = unit_of(root)["Service"]
    assert service["DynamicUser"] == "yes"
    assert service["SupplementaryGroups"] == "docker"
    assert " edge launch --config /etc/hotori/edge.toml " in service["ExecStart"]
    assert (root / "etc/hotori/enrolment.json").stat().st_mode & 0o777 == 0o600
    assert tomllib.loads((root / "etc/hotori/edge.toml").read_text())["runtime"] == "docker"


def test_a_configuration_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "etc/hotori/edge.toml"
    path.parent.mkdir(parents=True)
    path.write_text('name = "mine"\n')
    assert main(["edge", "install", "--root", str(tmp_path)]) == 0
    assert path.read_text() == 'name = "mine"\n'


def test_a_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["edge", "install", "--root", str(tmp_path), "--dry-run", "--json"]) == 0
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [Path(each["path"]).name for each in shown] == ["edge.toml", "hotori-edge.service"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("runtime =", "Invalid value"),
        ('colour = "red"', "there is no setting colour"),
        ('mqtt-port = "8883"', "mqtt-port is to be int"),
        ("listen = true", "listen is to be str"),
        ("shell = 1", "shell is to be bool"),
        ("streams = true", "streams is to be int"),
    ],
)
def test_a_fault_in_the_configuration_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "edge.toml"
    path.write_text(text)
    with pytest.raises(Problem) as met:
        read_settings(path)
    assert met.value.code == "configuration-invalid"
    assert words in met.value.cause()


def test_a_device_with_a_faulty_configuration_does_not_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "edge.toml"
    path.write_text('colour = "red"')
    assert main(["edge", "run", "--data", str(tmp_path / "data"), "--config", str(path)]) == 1
    assert "configuration-invalid" in capsys.readouterr().err


def test_the_configuration_gives_what_the_line_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "edge.toml"
    path.write_text(f'data = "{tmp_path / "data"}"\nenrolment = "{tmp_path / "missing.json"}"\n')
    assert main(["edge", "run", "--config", str(path)]) == 1
    assert "missing.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "line", "allowed"),
    [
        ("", (), True),
        ("shell = false", (), False),
        ("shell = true", ("--no-shell",), False),
        ("shell = false", ("--shell",), True),
    ],
)
def test_shells_are_allowed_unless_the_configuration_or_the_line_says_otherwise(
    tmp_path: Path, text: str, line: tuple[str, ...], allowed: bool
) -> None:
    path = tmp_path / "edge.toml"
    path.write_text(f"{text}\nstreams = 3\nshell-idle = 5\n")
    context = run_command.make_context("run", ["--data", str(tmp_path), "--config", str(path), *line])
    assert {name: context.params[name] for name in ("shell", "streams", "shell_idle")} == {
        "shell": allowed,
        "streams": 3,
        "shell_idle": 5.0,
    }
