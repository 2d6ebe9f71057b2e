"""Which cloud a command talks to: the one named, the one in the environment, or the last one used."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from hotori.problems import Problem
from hotori.problems.network import NO_CLOUD_CHOSEN
from hotori.sdk.connection_file import FILE_NAME, CloudConnection

VARIABLE = "HOTORI_CLOUD"


def settings_folder(environment: Mapping[str, str]) -> Path:
    """Where this person's settings are kept (XDG base directories)."""
    base = environment.get("XDG_CONFIG_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".config")
    return Path(base) / "hotori"


def state_folder(environment: Mapping[str, str]) -> Path:
    """Where this person's clouds and devices are kept when no folder is named."""
    base = environment.get("XDG_DATA_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".local/share")
    return Path(base) / "hotori"


def remember(connect_file: Path) -> None:
    """Make this cloud the one that later commands mean."""
    folder = settings_folder(os.environ)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cloud").write_text(f"{connect_file.resolve()}\n", encoding="utf-8")


def find(named: str | None, environment: Mapping[str, str]) -> Path:
    """The connect.json that a command means. Raises `no-cloud-chosen`."""
    if named:
        return Path(named)
    if from_environment := environment.get(VARIABLE):
        return Path(from_environment)
    last = settings_folder(environment) / "cloud"
    if last.is_file():
        return Path(last.read_text(encoding="utf-8").strip())
    usual = state_folder(environment) / "cloud" / FILE_NAME
    if usual.is_file():
        return usual
    raise Problem(NO_CLOUD_CHOSEN, looked=f"{last}, {usual}")


def open_cloud(named: str | None) -> CloudConnection:
    """Read the connect.json of the cloud that a command means, and remember a cloud that was named."""
    path = find(named, os.environ)
    connection = CloudConnection.read(path)
    if named:
        remember(path / FILE_NAME if path.is_dir() else path)
    return connection
