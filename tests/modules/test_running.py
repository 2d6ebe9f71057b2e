"""How modules run and end, as processes."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hotori.modules.running import LogLines
from hotori.problems import Problem
from hotori.problems.vision import CAMERA_NOT_FOUND
from tests.modules.conftest import Device
from tests.modules.programs import eventually, write_pictures


def end_of(module: str, **environ: str) -> tuple[int, list[str]]:
    """Exit status and log of a module that ends by itself."""
    done = subprocess.run(
        [sys.executable, "-m", f"hotori.modules.{module}"],
        env={**os.environ, "IOTEDGE_MODULEID": module, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr.strip().splitlines()


@pytest.mark.parametrize(
    ("module", "environ", "code", "words"),
    [
        ("camera", {"CAMERA": "/dev/video97"}, "camera-not-found", "/dev/video97"),
        ("camera", {"CAMERA": "/nowhere"}, "camera-not-found", "/nowhere"),
        ("camera", {"CAMERA": "/usr", "INTERVAL": "often"}, "module-setting-invalid", "often"),
        ("classifier", {"MODEL": "/nowhere.onnx"}, "model-unreadable", "/nowhere.onnx"),
        ("uploader", {"STORAGE_CONNECTION_STRING": "nonsense"}, "connection-string-malformed", ""),
        ("uploader", {"STORAGE_CA": "/nowhere.pem"}, "file-unreadable", "/nowhere.pem"),
        ("uploader", {}, "module-environment-incomplete", ""),
    ],
)
def test_a_module_that_cannot_begin_says_why_in_one_line_of_json(
    module: str, environ: dict[str, str], code: str, words: str
) -> None:
    status, log = end_of(module, **environ)
    assert status == 1
    told = json.loads(log[-1])
    assert told["code"] == code
    assert told["level"] == "error"
    assert told["cause"]
    assert words in log[-1]
    assert not any("Traceback" in line for line in log)


def test_a_folder_without_pictures_is_said_before_anything_else(tmp_path: Path) -> None:
    status, log = end_of("camera", CAMERA=str(tmp_path))
    assert status == 1
    assert json.loads(log[0])["code"] == "folder-without-pictures"


async def test_sigterm_ends_a_module_at_once_and_well(device: Device, tmp_path: Path) -> None:
    environ = device.environ("camera", CAMERA=str(write_pictures(tmp_path / "pictures", "1.png")), INTERVAL="0.05")
    command = [sys.executable, "-m", "hotori.modules.camera"]
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **environ})
    try:
        await eventually(lambda: has_reported(device))
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def has_reported(device: Device) -> bool:
    return "camera" in await device.reported("camera")


def record(**extra: object) -> logging.LogRecord:
    made = logging.LogRecord("a.module", logging.WARNING, "", 0, "%s pictures", (3,), None)
    made.created = 1_798_804_800.25
    made.__dict__.update(extra)
    return made


def test_ordinary_words_are_one_line_with_time_and_level() -> None:
    assert LogLines().format(record()) == "2027-01-01T12:00:00.250Z WARNING a.module: 3 pictures"


def test_a_problem_is_a_line_from_which_it_can_be_said_again() -> None:
    problem = Problem(CAMERA_NOT_FOUND, "ENODEV", camera="/dev/video0", reason="It is\ngone", present="none")
    line = LogLines().format(record(problem=problem))
    told = json.loads(line)
    assert "\n" not in line
    assert Problem(CAMERA_NOT_FOUND, *told["evidence"], **told["values"]).document() == problem.document()
