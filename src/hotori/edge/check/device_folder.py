"""The device's data folder, as a check sees it: read, and never changed."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from hotori.edge.enrolment import EnrolmentFile
from hotori.edge.last_run import LastRun
from hotori.edge.membership import ENROLMENT
from hotori.problems import Problem, Words
from hotori.problems.checks import AUTHORITY_ENDING, DISK_SHORT
from hotori.problems.identity import ENROLMENT_MISSING
from hotori.problems.storage import FILE_UNREADABLE

_NO_FOLDER = Words("there is no such folder", "そのフォルダーがありません")
_NOT_OURS = Words("this user may not read and write it", "このユーザーは読み書きできません")
_LEAST_FREE = 500 * 1024**2
_LEAST_SHARE = 0.05
_ENDING = 30 * 86400


@dataclass(frozen=True, slots=True)
class DeviceFolder:
    """Where a device keeps everything."""

    path: Path

    def look(self) -> str:
        """Raises `file-unreadable`."""
        if not self.path.is_dir():
            raise Problem(FILE_UNREADABLE, path=self.path, reason=_NO_FOLDER)
        if not os.access(self.path, os.R_OK | os.W_OK | os.X_OK):
            raise Problem(FILE_UNREADABLE, f"uid {os.geteuid()}", path=self.path, reason=_NOT_OURS)
        return str(self.path)

    def enrolment(self) -> EnrolmentFile:
        """Raises `enrolment-missing`, `file-unreadable`, `connection-string-malformed`."""
        path = self.path / ENROLMENT
        if not path.exists():
            raise Problem(ENROLMENT_MISSING, path=self.path)
        return EnrolmentFile.read(path)

    def room(self) -> str:
        """Raises `disk-short` before the disk is full."""
        return check_disk(self.path)

    def last_run(self) -> LastRun | None:
        return LastRun.read(self.path)

    def own_certificate(self) -> x509.Certificate | None:
        """What its own listeners show; None before its first start."""
        found = sorted((self.path / "authority").glob("server-*.pem"), key=lambda path: path.stat().st_mtime)
        return x509.load_pem_x509_certificate(found[-1].read_bytes()) if found else None

    def authority(self, now: float) -> str:
        """Raises `authority-ending` for a device's own authority that clients will soon not trust any more."""
        path = self.path / "authority" / "root.pem"
        if not path.exists():
            return "made at the first start"
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        ends = certificate.not_valid_after_utc
        if ends.timestamp() - now < _ENDING:
            raise Problem(AUTHORITY_ENDING, str(path), end=ends.date().isoformat())
        return f"until {ends.date().isoformat()}"


def check_disk(path: Path) -> str:
    """Raises `disk-short` where the disk under a path is soon full."""
    usage = shutil.disk_usage(path)
    free, share = _size(usage.free), usage.free / usage.total
    if usage.free < _LEAST_FREE or share < _LEAST_SHARE:
        raise Problem(DISK_SHORT, f"{usage.free} of {usage.total} bytes", path=path, free=free)
    return f"{free} free"


def _size(count: int) -> str:
    return f"{count / 1024**3:.1f} GiB" if count >= 1024**3 else f"{count / 1024**2:.0f} MiB"
