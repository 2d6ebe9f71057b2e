"""Everything that the registry keeps, in one folder: content by digest, and repositories that name it."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from hotori.images.content_files import ContentFiles
from hotori.images.repository import Repository
from hotori.images.upload import Upload

UPLOAD_AGE = 24 * 3600.0
"""Seconds after which an upload that nobody continued is forgotten."""

_NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")


def is_repository_name(text: str) -> bool:
    return len(text) <= 200 and _NAME.fullmatch(text) is not None


class ImageFiles:
    """The registry's folder. Methods block; call them from a thread. One process at a time."""

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], float] = time.time,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self.content = ContentFiles(folder / "blobs")
        self._repositories = folder / "repositories"
        self._uploads: dict[tuple[str, str], Upload] = {}
        self._clock = clock
        self._new_id = new_id

    def repository(self, name: str) -> Repository:
        return Repository(name, self._repositories / name, self.content)

    def repositories(self) -> list[str]:
        """The names of all repositories that have had a manifest, sorted."""
        return sorted(self._having("_manifests"))

    def begin_upload(self, name: str) -> Upload:
        """Open an upload; old ones of this repository are forgotten on the way."""
        folder = self.repository(name).uploads()
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            if old.stat().st_mtime < self._clock() - UPLOAD_AGE:
                self._uploads.pop((name, old.name), None)
                old.unlink(missing_ok=True)
        path = folder / self._new_id()
        path.touch()
        upload = self._uploads[name, path.name] = Upload(path)
        return upload

    def upload(self, name: str, upload_id: str) -> Upload | None:
        """An open upload, also one from before a restart."""
        if upload := self._uploads.get((name, upload_id)):
            return upload
        path = self.repository(name).uploads() / upload_id
        if not upload_id.isalnum() or not path.is_file():
            return None
        upload = self._uploads[name, upload_id] = Upload(path)
        return upload

    def finish_upload(self, name: str, upload: Upload, digest: str) -> None:
        """Make a blob of an upload; it is gone afterwards, whatever came out. Raises DigestMismatchError."""
        try:
            self.content.adopt(upload.path, digest, upload.digest(digest.partition(":")[0]))
            self.repository(name).link_blob(digest)
        finally:
            self.discard_upload(name, upload)

    def discard_upload(self, name: str, upload: Upload) -> None:
        self._uploads.pop((name, upload.id), None)
        upload.discard()

    def mount(self, name: str, digest: str, source: str | None) -> bool:
        """Let a repository read a blob that `source` has, or any other where that is not said (contract 1, 11)."""
        sources = {source} if source else self._all()
        if not any(self.repository(other).blob(digest) for other in sources):
            return False
        self.repository(name).link_blob(digest)
        return True

    def delete_blob(self, name: str, digest: str) -> bool:
        """Take a blob from a repository; its bytes go with the last repository that has it."""
        had = self.repository(name).unlink_blob(digest)
        return self._forget(digest, had)

    def delete_manifest(self, name: str, digest: str) -> bool:
        """Take a manifest, and the tags that point to it, from a repository."""
        had = self.repository(name).delete_manifest(digest)
        return self._forget(digest, had)

    def _forget(self, digest: str, had: bool) -> bool:
        if had and not any(self.repository(name).names(digest) for name in self._all()):
            self.content.delete(digest)
        return had

    def _all(self) -> set[str]:
        return self._having("_manifests") | self._having("_blobs")

    def _having(self, mark: str) -> set[str]:
        folders = self._repositories.rglob(mark) if self._repositories.is_dir() else ()
        return {folder.parent.relative_to(self._repositories).as_posix() for folder in folders}
