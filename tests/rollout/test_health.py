"""A device's health, read off its agent's report (contract 4.1)."""

from typing import Any

import pytest

from hotori.rollout.health import Health, read_health

DESIRED: dict[str, Any] = {"modules": {"camera": {"status": "running"}, "spare": {"status": "stopped"}}}


def reported(camera: dict[str, Any], version: int = 7, code: int = 200, description: str = "") -> dict[str, Any]:
    status = {"code": code, "description": description}
    return {"lastDesiredVersion": version, "lastDesiredStatus": status, "modules": {"camera": camera}}


def test_a_device_that_has_not_read_the_version_is_waited_for() -> None:
    assert read_health(DESIRED, 7, reported({}, version=6)).health is Health.WAITING
    assert read_health(DESIRED, 7, {}).health is Health.WAITING


def test_a_device_whose_modules_run_as_desired_is_healthy() -> None:
    assert read_health(DESIRED, 7, reported({"runtimeStatus": "running"})).health is Health.HEALTHY


def test_a_module_that_is_not_reported_yet_is_being_applied() -> None:
    assert read_health(DESIRED, 7, reported({})).health is Health.APPLYING


@pytest.mark.parametrize("status", ["backoff", "failed", "unhealthy", "dead"])
def test_a_module_that_does_not_run_is_a_failure_with_its_evidence(status: str) -> None:
    reading = read_health(
        DESIRED, 7, reported({"runtimeStatus": status, "exitCode": 1, "statusDescription": "ImportError: no numpy"})
    )
    assert reading.health is Health.FAILING
    assert reading.reason == f"camera is {status} (exit code 1): ImportError: no numpy"


def test_a_refused_deployment_is_a_failure_in_the_words_of_the_device() -> None:
    reading = read_health(DESIRED, 7, reported({"runtimeStatus": "running"}, code=400, description="no such route"))
    assert (reading.health, reading.reason) == (Health.FAILING, "status 400: no such route")
