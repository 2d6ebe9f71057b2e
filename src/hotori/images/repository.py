"""One repository of the registry: which blobs, manifests and tags it has.

On disk (a repository's name cannot begin a part with `_`, so these never clash with repositories below it):

    NAME/_blobs/sha256-HEX                        an empty file: this blob may be read through this repository
    NAME/_manifests/sha256-HEX                    the media type that the manifest was pushed with
    NAME/_tags/TAG                                the digest that the tag points to
    NAME/_referrers/sha256-SUBJECT/sha256-HEX     the descriptor that the subject's referrers list shows
    NAME/_uploads/ID                              bytes of an open upload
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hotori.images.content_files import ContentFiles, write_durably
from hotori.images.descriptor import INDEXES, canonical, is_digest
from hotori.model.json import Json, JsonObject
from hotori.store.disk import sync_folder


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """A manifest as pushed: its exact bytes and media type."""

    digest: str
    media_type: str
    content: bytes


class Repository:
    """Methods block; call them from a thread."""

    def __init__(self, name: str, folder: Path, content: ContentFiles) -> None:
        self.name = name
        self.folder = folder
        self._content = content

    def exists(self) -> bool:
        return (self.folder / "_manifests").is_dir()

    def blob(self, digest: str) -> Path | None:
        """The file of a blob that this repository has."""
        path = self._content.path(digest)
        return path if self._blob_link(digest).exists() and path.is_file() else None

    def link_blob(self, digest: str) -> None:
        """Let this repository read a blob; durable once a manifest that names it is."""
        link = self._blob_link(digest)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.touch()

    def unlink_blob(self, digest: str) -> bool:
        return _unlink(self._blob_link(digest))

    def names(self, digest: str) -> bool:
        """Whether the repository has a blob or manifest of this digest."""
        return self._blob_link(digest).exists() or self._manifest_link(digest).exists()

    def put_manifest(self, manifest: StoredManifest, tags: Iterable[str]) -> None:
        """Keep a manifest that was checked, and point the tags to it."""
        if (self.folder / "_blobs").is_dir():
            sync_folder(self.folder / "_blobs")
        self._content.put(manifest.content, manifest.digest)
        write_durably(self._manifest_link(manifest.digest), manifest.media_type.encode())
        if referrer := _referrer(manifest):
            subject, descriptor = referrer
            write_durably(self._referrers(subject) / _file_name(manifest.digest), canonical(descriptor))
        for tag in tags:
            write_durably(self.folder / "_tags" / tag, manifest.digest.encode())

    def manifest(self, selector: str) -> StoredManifest | None:
        """The manifest that a tag or digest names."""
        digest = selector if is_digest(selector) else self.resolve(selector)
        if digest is None:
            return None
        try:
            media_type = self._manifest_link(digest).read_text()
            return StoredManifest(digest, media_type, self._content.path(digest).read_bytes())
        except FileNotFoundError:
            return None

    def resolve(self, tag: str) -> str | None:
        """The digest that a tag points to."""
        try:
            return (self.folder / "_tags" / tag).read_text()
        except FileNotFoundError:
            return None

    def delete_tag(self, tag: str) -> bool:
        return _unlink(self.folder / "_tags" / tag)

    def delete_manifest(self, digest: str) -> bool:
        """Remove a manifest and every tag that points to it."""
        manifest = self.manifest(digest)
        if not _unlink(self._manifest_link(digest)):
            return False
        for tag in self.tags():
            if self.resolve(tag) == digest:
                self.delete_tag(tag)
        if manifest and (referrer := _referrer(manifest)):
            _unlink(self._referrers(referrer[0]) / _file_name(digest))
        return True

    def tags(self) -> list[str]:
        """Every tag, sorted as the contract asks: byte by byte."""
        return sorted(_names(self.folder / "_tags"))

    def referrers(self, subject: str) -> list[Json]:
        """Descriptors of the manifests that name `subject` as theirs."""
        folder = self._referrers(subject)
        return [json.loads((folder / name).read_bytes()) for name in sorted(_names(folder))]

    def uploads(self) -> Path:
        return self.folder / "_uploads"

    def _blob_link(self, digest: str) -> Path:
        return self.folder / "_blobs" / _file_name(digest)

    def _manifest_link(self, digest: str) -> Path:
        return self.folder / "_manifests" / _file_name(digest)

    def _referrers(self, subject: str) -> Path:
        return self.folder / "_referrers" / _file_name(subject)


def subject_of(manifest: StoredManifest) -> str | None:
    """The digest of the manifest that this one speaks of."""
    subject = json.loads(manifest.content).get("subject")
    digest = subject.get("digest") if isinstance(subject, dict) else None
    return digest if isinstance(digest, str) and is_digest(digest) else None


def _referrer(manifest: StoredManifest) -> tuple[str, JsonObject] | None:
    subject = subject_of(manifest)
    if subject is None:
        return None
    document = json.loads(manifest.content)
    descriptor: JsonObject = {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": len(manifest.content),
    }
    config = document.get("config")
    config_type = config.get("mediaType") if isinstance(config, dict) and manifest.media_type not in INDEXES else None
    if artifact_type := document.get("artifactType") or config_type:
        descriptor["artifactType"] = artifact_type
    if annotations := document.get("annotations"):
        descriptor["annotations"] = annotations
    return subject, descriptor


def _file_name(digest: str) -> str:
    return digest.replace(":", "-")


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir() if not path.name.startswith(".new-")]
    except FileNotFoundError:
        return []


def _unlink(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True
