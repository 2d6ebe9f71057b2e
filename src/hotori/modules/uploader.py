"""The uploader module: stores the pictures that come in, in the cloud's object store.

    python -m hotori.modules.uploader

Environment: STORAGE_CONNECTION_STRING, or the desired property
`deviceToCloudUploadProperties.cloudStorageConnectionString`, which wins and may change live; CONTAINER (pictures);
UPLOADS (how many at a time, 4); STORAGE_CA (a PEM file, or `system`; else what the device trusts). Input: `pictures`.

A picture is acknowledged when it is stored. While the cloud is away it is tried again and again, and the hub on the
device keeps what waits.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from hotori.model.connection_string import StorageConnection
from hotori.model.json import JsonObject
from hotori.model.message import Message
from hotori.modules.blob_target import BlobTarget, Roots, desired_connection
from hotori.modules.picture_message import PICTURES, blob_metadata, blob_name
from hotori.modules.running import log_problem, run
from hotori.modules.settings import Settings
from hotori.modules.twin_report import Counts, tell_changes
from hotori.problems import Problem
from hotori.problems.storage import FILE_UNREADABLE
from hotori.sdk.backoff import Backoff
from hotori.sdk.link import ConnectionOptions
from hotori.sdk.module import ModuleClient
from hotori.sdk.workload import WorkloadClient

_log = logging.getLogger(__name__)
_REPORT_SECONDS = 10.0
_BACKOFF = Backoff(first=0.5, longest=30.0)


class Uploader:
    """Puts pictures into the target, each until it is there."""

    def __init__(
        self,
        target: BlobTarget,
        settings: Settings,
        backoff: Backoff = _BACKOFF,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.target = target
        self.problem: Problem | None = None
        self.counts = Counts("uploaded", "retried")
        self._backoff, self._chance = backoff, chance
        self._at_start = settings.text("STORAGE_CONNECTION_STRING", "")

    async def upload(self, picture: Message) -> None:
        """Return when the picture is stored."""
        attempt = 0
        while not await self._try(picture):
            await self._pause(attempt)
            attempt += 1
            self.counts.add("retried")
        self.counts.add("uploaded")

    async def _try(self, picture: Message) -> bool:
        self.target.changed.clear()
        content_type = picture.content_type or "application/octet-stream"
        try:
            await self.target.put(blob_name(picture), picture.body, content_type, blob_metadata(picture))
        except Problem as problem:
            self._met(problem)
            return False
        if self.problem is not None:
            _log.info("pictures are stored again")
        self.problem = None
        return True

    async def _pause(self, attempt: int) -> None:
        """Wait for the next attempt, or until another account is meant."""
        try:
            async with asyncio.timeout(self._backoff.delay(attempt, self._chance())):
                await self.target.changed.wait()
        except TimeoutError:
            return

    def _met(self, problem: Problem) -> None:
        """Log a problem when it begins, not at every attempt."""
        if self.problem is None or (self.problem.code, self.problem.values) != (problem.code, problem.values):
            log_problem(_log, problem)
        self.problem = problem

    def desired(self, desired: JsonObject) -> None:
        """Take the whole of the desired properties into use. What cannot be read is a problem, and changes nothing."""
        text = desired_connection(desired) or self._at_start
        try:
            self.target.use(StorageConnection.parse(text) if text else None)
        except Problem as problem:
            self._met(problem)
        if not self.target.known:
            self._met(self.target.missing)

    def state(self) -> JsonObject:
        """What the twin shows. Never the connection string."""
        title = self.problem.title() if self.problem else None
        return {"counts": self.counts.document(), "problem": title}


def open_target(settings: Settings) -> BlobTarget:
    """The target as the environment names it. Raises `connection-string-malformed`, `file-unreadable`."""
    text = settings.text("STORAGE_CONNECTION_STRING", "")
    connection = StorageConnection.parse(text) if text else None
    reason = "It is needed to store pictures, unless the desired properties give it"
    missing = settings.invalid("STORAGE_CONNECTION_STRING", "''", reason)
    return BlobTarget(settings.text("CONTAINER", PICTURES), connection, roots(settings), missing)


def roots(settings: Settings) -> Roots:
    """Which authorities to trust, as STORAGE_CA says; without it those that the device's runtime names."""
    choice, uri = settings.text("STORAGE_CA", ""), settings.text("IOTEDGE_WORKLOADURI", "")
    file = _read(Path(choice)) if choice and choice != "system" else None

    async def find() -> str | None:
        if choice or not uri:
            return file
        async with WorkloadClient(uri) as workload:
            return await workload.trust_bundle()

    return find


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(FILE_UNREADABLE, str(error), path=path, reason="it is not a PEM file that can be read") from error


async def uploader(environ: Mapping[str, str]) -> None:
    """The module's work."""
    settings = Settings.of(environ)
    target = open_target(settings)
    program = Uploader(target, settings)
    options = ConnectionOptions(concurrency=settings.whole("UPLOADS", 4, least=1))
    async with ModuleClient.from_environment(environ, options=options) as client:

        async def on_input(name: str, message: Message) -> None:
            await program.upload(message)

        async def on_desired(patch: JsonObject, version: int) -> None:
            program.desired(client.desired.values if client.desired else patch)

        client.on_desired(on_desired)
        client.on_input(on_input)
        try:
            await tell_changes(client, program.state, _REPORT_SECONDS)
        finally:
            await target.close()


if __name__ == "__main__":
    sys.exit(run(uploader))
