"""Queries, jobs and messages by command, against a cloud as people run it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotori.sdk.program import Program
from hotori.testing.addresses import loopback_address


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data folder of a cloud with three devices."""
    folder = tmp_path_factory.mktemp("cloud")
    with Program(folder, "cloud", "serve", "--listen", loopback_address()):
        for number in range(3):
            answer(folder, "device", "add", f"shelf-{number}")
        yield folder


def run(cloud: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hotori.cli", *arguments, "--cloud", str(cloud)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def answer(cloud: Path, *arguments: str) -> object:
    """What the command says in JSON."""
    done = run(cloud, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    value: object = json.loads(done.stdout)
    return value


def test_a_job_changes_twins_and_a_query_finds_them(cloud: Path) -> None:
    where = "deviceId IN ['shelf-0', 'shelf-1']"
    done = run(cloud, "job", "create", "paint", "--where", where, "--tags", '{"colour": "red"}', "--wait")
    assert (done.returncode, done.stdout) == (0, "paint: completed, 2 of 2 done, 0 failed\n")
    assert answer(cloud, "query", "SELECT deviceId FROM devices WHERE tags.colour = 'red'") == [
        {"deviceId": "shelf-0"},
        {"deviceId": "shelf-1"},
    ]
    table = run(cloud, "query", "SELECT * FROM devices.jobs WHERE jobId = 'paint'").stdout
    assert [line.split()[:2] for line in table.splitlines()[1:]] == [["shelf-0", "paint"], ["shelf-1", "paint"]]
    shown = run(cloud, "job", "show", "paint", "--lang", "ja").stdout
    assert "paint: completed、2 台中 2 台が完了、0 台が失敗" in shown


def test_a_job_that_fails_on_a_device_does_not_end_well(cloud: Path) -> None:
    done = run(cloud, "job", "create", "blink", "--where", "deviceId = 'shelf-2'", "--method", "blink", "--wait")
    assert (done.returncode, done.stdout) == (1, "blink: completed, 0 of 1 done, 1 failed\n")
    assert "not connected" in run(cloud, "job", "show", "blink").stdout


def test_a_job_of_tomorrow_is_listed_and_cancelled(cloud: Path) -> None:
    answer(cloud, "job", "create", "later", "--method", "blink", "--start", "2999-01-01T00:00:00Z")
    listed = answer(cloud, "job", "list")
    assert isinstance(listed, list)
    assert ("later", "scheduled") in [(each["jobId"], each["status"]) for each in listed]
    cancelled = answer(cloud, "job", "cancel", "later")
    assert isinstance(cancelled, dict)
    assert cancelled["status"] == "cancelled"


def test_what_a_command_needs_is_said(cloud: Path) -> None:
    assert run(cloud, "job", "create", "nothing").returncode == 2
    fault = run(cloud, "query", "SELECT * FROM devices WHERE a ==")
    assert fault.returncode == 1
    assert "query-invalid" in fault.stderr
    assert "^" in fault.stderr
    assert "job-unknown" in run(cloud, "job", "show", "nobody").stderr


def test_a_message_is_sent_purged_and_its_end_told(cloud: Path) -> None:
    sent = ("message", "send", "shelf-0", "lights on", "--id", "m-1", "--ack", "full", "--property", "a=b")
    assert answer(cloud, *sent) == {"queued": "shelf-0"}
    assert answer(cloud, "message", "purge", "shelf-0", "--yes") == {"purged": 1}
    told: list[dict[str, str]] = []
    for _ in range(20):  # the record may be on its way to the disk
        told = told or answer(cloud, "message", "feedback")  # type: ignore[assignment]
    assert [(each["originalMessageId"], each["statusCode"]) for each in told] == [("m-1", "Purged")]
    assert run(cloud, "message", "send", "shelf-0", "x", "--property", "nothing").returncode == 2
