"""Video as a camera, read with OpenCV: a device or stream as it is now, or a file from its beginning."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

from PIL import Image

from hotori.modules.camera_settings import CameraSettings
from hotori.modules.jpeg import encode_jpeg
from hotori.modules.source import Shot, device_path, without_password
from hotori.problems import Problem
from hotori.problems.vision import CAMERA_NOT_FOUND, CAMERA_PACKAGE_MISSING, CAMERA_UNREADABLE

PATIENCE = 10.0
"""Seconds that a camera has to open, and to give the next frame."""


class FileSource:
    """A video file: pictures `interval` seconds of the film apart, every frame for an interval of 0."""

    def __init__(self, path: Path, settings: CameraSettings) -> None:
        """Raises `camera-unreadable`, `camera-package-missing`."""
        self._name, self._settings = str(path), settings
        self._video = _opened(self._name, "FFMPEG", self._name)
        self._frames_a_second = self._video.get(_cv2(self._name).CAP_PROP_FPS) or 25.0
        self._begun = False

    def next(self, interval: float) -> Shot | None:
        frame = self._advance(interval)
        if frame is None and self._settings.loop and self._begun:
            self._video.release()
            self._video, self._begun = _opened(self._name, "FFMPEG", self._name), False
            frame = self._advance(interval)
        if frame is None and not self._begun:
            raise Problem(CAMERA_UNREADABLE, camera=self._name, reason="it holds no frame that can be decoded")
        if frame is None:
            return None
        self._begun = True
        return _shot(frame, self._settings, self._name)

    def close(self) -> None:
        self._video.release()

    def _advance(self, interval: float) -> Any:
        skipped = max(0, round(interval * self._frames_a_second) - 1) if self._begun else 0
        for _ in range(skipped):
            if not self._video.grab():
                return None
        taken, frame = self._video.read()
        return frame if taken else None


class LiveSource:
    """A device or stream: the picture is the newest frame. A thread takes frames all the time, lest old ones queue."""

    def __init__(self, address: str, backend: str, settings: CameraSettings) -> None:
        """`backend` is OpenCV's name: V4L2 or FFMPEG. Raises `camera-unreadable`, `camera-package-missing`."""
        self._name, self._settings = without_password(address), settings
        self._video = _opened(address, backend, self._name)
        self._fresh = threading.Condition()
        self._frame: Any = None
        self._ended = False
        self._thread = threading.Thread(target=self._take, name="camera", daemon=True)
        self._thread.start()

    def next(self, interval: float) -> Shot | None:
        """A frame that was not given before; waits for it."""
        with self._fresh:
            come = self._fresh.wait_for(lambda: self._frame is not None or self._ended, PATIENCE)
            frame, self._frame = self._frame, None
        if frame is None:
            reason = f"no frame came within {PATIENCE:g} seconds" if not come else "it stopped giving frames"
            raise Problem(CAMERA_UNREADABLE, camera=self._name, reason=reason)
        return _shot(frame, self._settings, self._name)

    def close(self) -> None:
        self._ended = True
        self._thread.join(PATIENCE)
        self._video.release()

    def _take(self) -> None:
        while not self._ended:
            taken, frame = self._video.read()
            with self._fresh:
                self._frame, self._ended = (frame, self._ended) if taken else (self._frame, True)
                self._fresh.notify_all()


def open_device(camera: str, settings: CameraSettings) -> LiveSource:
    """Open `/dev/video0` or `0`. Raises `camera-not-found`, `camera-unreadable`, `camera-package-missing`."""
    path = Path(device_path(camera))
    if not path.exists():
        raise Problem(CAMERA_NOT_FOUND, camera=path, reason=f"There is no {path}", present=present_cameras())
    if not os.access(path, os.R_OK | os.W_OK):
        raise Problem(CAMERA_UNREADABLE, camera=path, reason="this user may not use it")
    return LiveSource(str(path), "V4L2", settings)


def present_cameras() -> str:
    """The video devices of this machine, for a person to read."""
    return ", ".join(sorted(str(path) for path in Path("/dev").glob("video*"))) or "none"


def _cv2(camera: str) -> Any:
    """OpenCV is heavy, and a folder of pictures needs none of it. It is told to be quiet: problems say what fails."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        import cv2
    except ImportError as error:
        raise Problem(CAMERA_PACKAGE_MISSING, str(error), camera=camera, package="opencv-python-headless") from error
    return cv2


def _opened(address: str, backend: str, name: str) -> Any:
    cv2 = _cv2(name)
    limits = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        int(PATIENCE * 1000),
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        int(PATIENCE * 1000),
    ]
    start = time.monotonic()
    if backend == "V4L2":
        video = cv2.VideoCapture(address, cv2.CAP_V4L2)
    else:
        video = cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)
    if not video.isOpened():
        video.release()
        reason = f"it could not be opened ({backend}, given up after {time.monotonic() - start:.1f} seconds)"
        raise Problem(CAMERA_UNREADABLE, camera=name, reason=reason)
    return video


def _shot(frame: Any, settings: CameraSettings, name: str) -> Shot:
    """A frame is BGR, (height, width, 3)."""
    image = Image.fromarray(frame[:, :, ::-1])
    return Shot(encode_jpeg(image, settings.max_bytes, settings.long_side, name))
