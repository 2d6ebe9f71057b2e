"""Opens the source that a setting means."""

from __future__ import annotations

from pathlib import Path

from hotori.modules.camera_settings import CameraSettings
from hotori.modules.folder_source import FolderSource
from hotori.modules.source import Source, SourceKind, kind_of
from hotori.modules.video_source import FileSource, LiveSource, open_device, present_cameras
from hotori.problems import Problem
from hotori.problems.vision import CAMERA_NOT_FOUND


def open_source(settings: CameraSettings) -> Source:
    """Open it, or raise the problem that says why it cannot be: `camera-not-found`, `camera-unreadable`, …"""
    camera = settings.camera
    match kind_of(camera):
        case SourceKind.DEVICE:
            return open_device(camera, settings)
        case SourceKind.STREAM:
            return LiveSource(camera, "FFMPEG", settings)
        case SourceKind.PATH:
            return _open_path(Path(camera), settings)


def _open_path(path: Path, settings: CameraSettings) -> Source:
    if path.is_dir():
        return FolderSource(path, settings)
    if path.is_file():
        return FileSource(path, settings)
    raise Problem(
        CAMERA_NOT_FOUND, camera=path, reason=f"There is neither a folder nor a file {path}", present=present_cameras()
    )
