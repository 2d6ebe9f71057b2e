"""The commands of the README, typed against an installation that does the main job."""

import json
import os
import signal
import subprocess
import sys

from hotori.testing.addresses import loopback_address
from tests.journeys.test_bad_input import hotori


def answer(main_job, *arguments):
    """What the command said in JSON, one value a line."""
    done, problem = hotori(*arguments, "--cloud", main_job.cloud_program.folder)
    assert done.returncode == 0, problem or done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_monitor_shows_messages_as_they_arrive(main_job):
    first, second = answer(main_job, "monitor", "--count", "2", "--device", "edge-1")
    assert first["offset"] < second["offset"]
    assert second["body"]["predictions"]


def test_devices_are_listed_shown_added_and_removed(main_job):
    (added,) = answer(main_job, "device", "add", "shelf-7")
    assert added["connectionString"].startswith(f"HostName={main_job.cloud_address};DeviceId=shelf-7;")
    (listed,) = answer(main_job, "device", "list")
    assert {"edge-1", "shelf-7"} <= {device["deviceId"] for device in listed}
    assert answer(main_job, "device", "remove", "shelf-7", "--yes") == [{"removed": "shelf-7"}]


def test_a_key_is_shown_only_when_asked_for(main_job):
    (shown,) = answer(main_job, "device", "show", "edge-1")
    assert "authentication" not in shown
    (asked,) = answer(main_job, "device", "show", "edge-1", "--connection-string")
    assert "SharedAccessKey=" in asked["connectionString"]


def test_the_agent_answers_a_ping(main_job):
    assert answer(main_job, "invoke", "edge-1/$edgeAgent", "ping") == [{"status": 200, "payload": None}]


def test_logs_of_every_module_can_be_shown(main_job):
    (logs,) = answer(main_job, "logs", "edge-1", "all", "--tail", "5")
    assert {part["id"] for part in logs} == {"camera", "classifier", "uploader"}


def test_logs_of_a_module_that_is_not_there_are_refused_in_words(main_job):
    done, problem = hotori("logs", "edge-1", "nobody", "--cloud", main_job.cloud_program.folder)
    assert done.returncode == 1
    assert problem["code"] == "logs-refused"


def test_a_twin_is_changed_and_shown(main_job):
    (changed,) = answer(main_job, "twin", "edge-1/uploader", "--tags", '{"place": "roof"}')
    assert changed["tags"] == {"place": "roof"}


def test_up_starts_cloud_and_device_and_ends_both_when_asked(tmp_path):
    addresses = ["--cloud-address", loopback_address(), "--edge-address", loopback_address()]
    command = [sys.executable, "-m", "hotori.cli", "up", "--data", str(tmp_path / "all"), *addresses, "--json"]
    home = {**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=home) as running:
        ready = json.loads(running.stdout.readline())
        assert ready["ready"] is True
        assert answer_of("device", "list", env=home)[0][0]["deviceId"] == "edge-1", "the cloud is remembered"
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0
    assert not list((tmp_path / "all").rglob("connect.json")), "neither runs any more"


def answer_of(*arguments, env):
    """What a command said that was not told which cloud is meant."""
    homes = {name: env[name] for name in ("HOME", "XDG_CONFIG_HOME")}
    done, problem = hotori(*arguments, **homes)
    assert done.returncode == 0, problem or done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
