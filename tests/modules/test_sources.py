"""Every form of the setting CAMERA opens what it means, or says why it cannot."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from hotori.modules.camera_settings import CameraSettings
from hotori.modules.folder_source import FolderSource, in_order
from hotori.modules.open_source import open_source
from hotori.modules.source import Shot, Source, SourceKind, device_path, kind_of, without_password
from hotori.problems import Problem
from tests.modules.programs import write_pictures


def taken(settings: CameraSettings, count: int, interval: float = 0.0) -> list[Shot | None]:
    source = open_source(settings)
    try:
        return [source.next(interval) for _ in range(count)]
    finally:
        source.close()


def problem_of(camera: str) -> Problem:
    with pytest.raises(Problem) as met:
        taken(CameraSettings(camera), 1)
    return met.value


@pytest.mark.parametrize(
    ("camera", "kind"),
    [
        ("/dev/video0", SourceKind.DEVICE),
        ("2", SourceKind.DEVICE),
        ("rtsp://camera.example/stream", SourceKind.STREAM),
        ("https://camera.example/live.m3u8", SourceKind.STREAM),
        ("/app/pictures", SourceKind.PATH),
        ("film.mp4", SourceKind.PATH),
        ("/developer/film.mp4", SourceKind.PATH),
    ],
)
def test_the_form_of_the_setting_tells_what_is_meant(camera: str, kind: SourceKind) -> None:
    assert kind_of(camera) is kind


def test_a_number_is_short_for_a_device() -> None:
    assert device_path("2") == "/dev/video2"
    assert device_path("/dev/video0") == "/dev/video0"


def test_a_password_in_an_address_is_not_shown() -> None:
    assert without_password("rtsp://user:secret@10.0.0.5/live") == "rtsp://10.0.0.5/live"
    assert without_password("/app/pictures") == "/app/pictures"


class TestFolder:
    def test_sub_folders_are_the_true_labels(self, tmp_path: Path) -> None:
        write_pictures(tmp_path, "good/1.png", "good/deep/2.png", "3.png")
        shots = taken(CameraSettings(str(tmp_path), loop=False), 3)
        assert sorted(str(shot and shot.expected) for shot in shots) == ["None", "good", "good"]

    def test_a_round_shows_every_picture_once_and_then_it_ends(self, tmp_path: Path) -> None:
        write_pictures(tmp_path, *(f"a/{number}.png" for number in range(5)))
        shots = taken(CameraSettings(str(tmp_path), loop=False), 7)
        assert len({shot.jpeg for shot in shots[:5] if shot}) == 5
        assert shots[5:] == [None, None]

    def test_a_loop_goes_on_in_another_order(self, tmp_path: Path) -> None:
        write_pictures(tmp_path, *(f"a/{number}.png" for number in range(6)))
        shots = taken(CameraSettings(str(tmp_path)), 12)
        first, second = shots[:6], shots[6:]
        assert first != second
        assert sorted(shot.jpeg for shot in first if shot) == sorted(shot.jpeg for shot in second if shot)

    def test_the_order_depends_on_the_seed_and_on_nothing_else(self) -> None:
        names = [f"{number}.png" for number in range(9)]
        assert in_order(names, 1, 0) == in_order(names[::-1], 1, 0)
        assert in_order(names, 1, 0) != in_order(names, 2, 0)

    def test_a_damaged_file_is_logged_and_passed_over(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        write_pictures(tmp_path, "a/1.png", "a/2.png")
        (tmp_path / "a" / "broken.jpg").write_bytes(b"nothing")
        with caplog.at_level(logging.WARNING):
            shots = taken(CameraSettings(str(tmp_path), loop=False), 3)
        assert shots[2] is None
        assert [record.problem.code for record in caplog.records] == ["picture-unreadable"]  # type: ignore[attr-defined]

    def test_a_folder_of_damaged_files_is_a_problem_and_no_endless_search(self, tmp_path: Path) -> None:
        for number in range(3):
            (tmp_path / f"{number}.jpg").write_bytes(b"nothing")
        assert problem_of(str(tmp_path)).code == "folder-without-pictures"

    def test_an_empty_folder_is_a_problem(self, tmp_path: Path) -> None:
        assert problem_of(str(tmp_path)).code == "folder-without-pictures"

    def test_pictures_are_kept_for_the_next_round_only_as_far_as_there_is_room(self, tmp_path: Path) -> None:
        write_pictures(tmp_path, "a/1.png", "a/2.png")
        source = FolderSource(tmp_path, CameraSettings(str(tmp_path)), room=1000)
        first, second = source.next(0), source.next(0)
        assert first is not None
        assert second is not None
        assert max(len(first.jpeg), len(second.jpeg)) <= 1000 < len(first.jpeg) + len(second.jpeg)
        for file in (tmp_path / "a").iterdir():
            file.unlink()
        assert [source.next(0), source.next(0)] == [first, first]


FRAMES, RATE = 20, 10


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Two seconds of film; the grey of each frame is its number times ten."""
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), RATE, (64, 48))
    for number in range(FRAMES):
        writer.write(np.full((48, 64, 3), number * 10, np.uint8))
    writer.release()
    return path


def frame_of(shot: Shot | None) -> int | None:
    """Which frame of the film a shot shows."""
    if shot is None:
        return None
    return round(float(np.asarray(Image.open(BytesIO(shot.jpeg)), dtype=float).mean()) / 10)


class TestVideoFile:
    def test_an_interval_of_nothing_shows_every_frame(self, film: Path) -> None:
        shots = taken(CameraSettings(str(film), loop=False), FRAMES + 1)
        assert [frame_of(shot) for shot in shots] == [*range(FRAMES), None]

    def test_pictures_are_an_interval_of_film_apart(self, film: Path) -> None:
        shots = taken(CameraSettings(str(film), loop=False), 5, interval=0.5)
        assert [frame_of(shot) for shot in shots] == [0, 5, 10, 15, None]

    def test_a_loop_begins_again_at_the_beginning(self, film: Path) -> None:
        shots = taken(CameraSettings(str(film)), 6, interval=0.5)
        assert [frame_of(shot) for shot in shots] == [0, 5, 10, 15, 0, 5]

    def test_colours_are_right_side_round(self, tmp_path: Path) -> None:
        path = tmp_path / "red.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), RATE, (64, 48))
        writer.write(np.full((48, 64, 3), (0, 0, 250), np.uint8))  # blue, green, red
        writer.release()
        (shot,) = taken(CameraSettings(str(path)), 1)
        assert shot is not None
        red, green, blue = np.asarray(Image.open(BytesIO(shot.jpeg)))[10, 10]
        assert red > 200 > 50 > max(green, blue)

    def test_a_file_that_is_no_video_is_a_problem(self, tmp_path: Path) -> None:
        (tmp_path / "film.mp4").write_bytes(b"no film")
        problem = problem_of(str(tmp_path / "film.mp4"))
        assert problem.code == "camera-unreadable"
        assert "film.mp4" in problem.title()


class TestLive:
    def test_a_device_that_is_not_there_is_a_problem_that_names_those_that_are(self) -> None:
        problem = problem_of("/dev/video97")
        assert problem.code == "camera-not-found"
        assert "/dev/video97" in problem.title()
        assert "Cameras here: " in problem.cause()

    def test_a_device_that_is_no_camera_is_a_problem(self) -> None:
        assert problem_of("/dev/null").code == "camera-unreadable"

    def test_a_path_that_is_not_there_is_a_problem(self, tmp_path: Path) -> None:
        assert problem_of(str(tmp_path / "none.mp4")).code == "camera-not-found"

    def test_a_stream_that_nobody_serves_is_a_problem_without_the_password(self) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))  # bound, not listening: refused at once
            problem = problem_of(f"rtsp://user:secret@127.0.0.1:{closed.getsockname()[1]}/live")
        assert problem.code == "camera-unreadable"
        assert "secret" not in str(problem.document())

    def test_a_stream_gives_new_pictures_until_it_ends(self, film: Path) -> None:
        """A film at an address plays like a stream that stops: the newest frame, none twice, then the problem."""
        source = open_source(CameraSettings(f"file://{film}"))
        seen: list[int | None] = []
        with pytest.raises(Problem) as met:
            watch(source, seen)
        source.close()
        assert seen == sorted(set(seen), key=seen.index)
        assert seen[-1] == FRAMES - 1
        assert met.value.code == "camera-unreadable"
        assert "stopped" in met.value.cause()


def watch(source: Source, seen: list[int | None]) -> None:
    """Look for ever."""
    while True:
        seen.append(frame_of(source.next(0)))


def test_a_folder_of_pictures_needs_no_opencv(tmp_path: Path) -> None:
    write_pictures(tmp_path, "a/1.png")
    script = (
        "import sys; sys.modules['cv2'] = None\n"
        "from hotori.modules.camera_settings import CameraSettings\n"
        "from hotori.modules.open_source import open_source\n"
        "from hotori.problems import Problem\n"
        f"assert open_source(CameraSettings({str(tmp_path)!r})).next(0)\n"
        "try:\n    open_source(CameraSettings('/dev/null'))\nexcept Problem as problem:\n    print(problem.code)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "camera-package-missing"
