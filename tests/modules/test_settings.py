"""Settings are read once; a value of no use is a problem that names it."""

from __future__ import annotations

import pytest

from hotori.modules.camera_settings import CameraSettings
from hotori.modules.settings import Settings
from hotori.problems import Problem


def read(**environ: str) -> CameraSettings:
    return CameraSettings.read(Settings("camera", environ))


def test_without_an_environment_the_first_camera_is_asked_every_two_seconds() -> None:
    assert read() == CameraSettings("/dev/video0", interval=2.0, max_pictures=0, loop=True)


def test_an_empty_value_counts_as_none() -> None:
    assert read(CAMERA=" ", INTERVAL="") == read()


def test_every_setting_is_taken() -> None:
    settings = read(
        CAMERA="/app/pictures",
        INTERVAL="0.5",
        MAX_PICTURES="7",
        CAMERA_LOOP="No",
        MAX_BYTES="50000",
        LONG_SIDE="640",
        SEED="3",
    )
    assert settings == CameraSettings("/app/pictures", 0.5, 7, False, 50_000, 640, 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INTERVAL", "often"),
        ("INTERVAL", "-1"),
        ("INTERVAL", "inf"),
        ("INTERVAL", "nan"),
        ("MAX_PICTURES", "1.5"),
        ("MAX_PICTURES", "-3"),
        ("CAMERA_LOOP", "perhaps"),
        ("MAX_BYTES", "300000"),
        ("MAX_BYTES", "10"),
    ],
)
def test_a_value_of_no_use_is_named_with_its_module(name: str, value: str) -> None:
    with pytest.raises(Problem) as met:
        read(**{name: value})
    assert met.value.code == "module-setting-invalid"
    assert all(word in met.value.title() for word in (name, value, "camera"))


@pytest.mark.parametrize(("wanted", "seconds"), [(0, 0.0), (5, 5.0), (0.25, 0.25)])
def test_the_desired_interval_wins(wanted: float, seconds: float) -> None:
    assert read().with_desired({"interval": wanted}, Settings("camera", {})).interval == seconds


def test_other_desired_properties_change_nothing() -> None:
    assert read().with_desired({"colour": "grey", "interval": None}, Settings("camera", {})) == read()


@pytest.mark.parametrize("wanted", ["5", True, -1, float("nan"), [], {}])
def test_a_desired_interval_that_is_no_number_of_seconds_is_refused(wanted: object) -> None:
    with pytest.raises(Problem) as met:
        read().with_desired({"interval": wanted}, Settings("camera", {}))  # type: ignore[dict-item]
    assert met.value.code == "module-setting-invalid"
