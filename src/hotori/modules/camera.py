"""The camera module: takes pictures from a device, stream, video file or folder, and sends them to the hub.

    python -m hotori.modules.camera

Environment: CAMERA (/dev/video0, an rtsp:// address, a video file, a folder), INTERVAL (seconds; the desired property
`interval` changes it live), MAX_PICTURES, CAMERA_LOOP, MAX_BYTES, LONG_SIDE, SEED. Output: `pictures`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from hotori.model.json import JsonObject
from hotori.model.trace import Trace
from hotori.modules.camera_settings import CameraSettings
from hotori.modules.open_source import open_source
from hotori.modules.picture_message import picture_message
from hotori.modules.running import log_problem, run
from hotori.modules.settings import Settings
from hotori.modules.source import Shot, Source, without_password
from hotori.modules.twin_report import Counts, tell, tell_changes
from hotori.problems import Problem
from hotori.sdk.module import ModuleClient

_log = logging.getLogger(__name__)
_REPORT_SECONDS = 10.0


class Camera:
    """Sends one picture after the other; the next is taken when the hub has the last durably, and not before."""

    def __init__(
        self,
        client: ModuleClient,
        source: Source,
        settings: Settings,
        taking: CameraSettings,
        clock: Callable[[], float] = time.time,
        chance: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._client, self._source, self._settings, self._taking = client, source, settings, taking
        self._clock, self._chance = clock, chance
        self._changed = asyncio.Event()
        self._problem: Problem | None = None
        self.counts = Counts("sent")

    async def run(self) -> None:
        """Until the pictures end or the task is cancelled. Raises `camera-unreadable`."""
        self._client.on_desired(self._on_desired)
        with ThreadPoolExecutor(1, "camera") as thread:
            due = time.monotonic()
            while not self._enough():
                due = await self._wait_until(due)
                shot = await asyncio.get_running_loop().run_in_executor(
                    thread, self._source.next, self._taking.interval
                )
                if shot is None:
                    break
                await self._send(shot)
        _log.info("no more pictures after %d", self.counts["sent"])

    def _enough(self) -> bool:
        return 0 < self._taking.max_pictures <= self.counts["sent"]

    async def _wait_until(self, due: float) -> float:
        """Sleep until `due`, anew when the interval changes; when the picture after this one is due."""
        while (left := due - time.monotonic()) > 0:
            self._changed.clear()
            before = self._taking.interval
            try:
                async with asyncio.timeout(left):
                    await self._changed.wait()
            except TimeoutError:
                break
            due += self._taking.interval - before
        return next_due(due, time.monotonic(), self._taking.interval)

    async def _send(self, shot: Shot) -> None:
        trace = Trace.begin(self._chance(24))
        message = picture_message(shot, self._client.identity, self.counts["sent"] + 1, self._clock(), trace)
        await self._client.send(message)
        self.counts.add("sent")
        _log.debug("sent %s, %d bytes", message.properties["picture"], len(shot.jpeg))

    async def _on_desired(self, patch: JsonObject, version: int) -> None:
        try:
            self._taking = self._taking.with_desired(patch, self._settings)
            self._problem = None
        except Problem as problem:
            log_problem(_log, problem)
            self._problem = problem
        self._changed.set()
        await tell(self._client, self.state())

    def state(self) -> JsonObject:
        """What the twin shows. No address with a password in it leaves the device."""
        return {
            "camera": without_password(self._taking.camera),
            "interval": self._taking.interval,
            "maxPictures": self._taking.max_pictures,
            "counts": self.counts.document(),
            "problem": self._problem.title() if self._problem else None,
        }


def next_due(due: float, now: float, interval: float) -> float:
    """When the next picture is due: an interval after the last was, or now where that has gone by. None is made up."""
    return max(due + interval, now)


async def camera(environ: Mapping[str, str]) -> None:
    """The module's work. The camera is opened first: where there is none, that is said before anything else."""
    settings = Settings.of(environ)
    taking = CameraSettings.read(settings)
    with closing(await asyncio.to_thread(open_source, taking)) as source:
        async with ModuleClient.from_environment(environ) as client:
            program = Camera(client, source, settings, taking)
            reporting = asyncio.create_task(tell_changes(client, program.state, _REPORT_SECONDS))
            try:
                await program.run()
                await asyncio.Event().wait()  # a module that ended would be started again
            finally:
                reporting.cancel()


if __name__ == "__main__":
    sys.exit(run(camera))
