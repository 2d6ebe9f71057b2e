"""How a camera module takes pictures: from its environment, changed live by desired properties."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hotori.model.json import JsonObject
from hotori.modules.settings import Settings

MAX_BYTES = 200 * 1024
"""A picture of the size limit leaves room in a message (contract 1.9) for what travels with it."""


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """`interval` in seconds (0: as fast as the hub takes them); `max_pictures` 0: without end.

    A picture has fewer than `max_bytes` bytes, and neither side has more than `long_side` pixels.
    """

    camera: str
    interval: float = 2.0
    max_pictures: int = 0
    loop: bool = True
    max_bytes: int = MAX_BYTES
    long_side: int = 1024
    seed: int = 1

    @classmethod
    def read(cls, settings: Settings) -> CameraSettings:
        """CAMERA, INTERVAL, MAX_PICTURES, CAMERA_LOOP, MAX_BYTES, LONG_SIDE, SEED. Raises `module-setting-invalid`."""
        plain = cls(camera="/dev/video0")
        read = cls(
            camera=settings.text("CAMERA", plain.camera),
            interval=settings.number("INTERVAL", plain.interval),
            max_pictures=settings.whole("MAX_PICTURES", plain.max_pictures),
            loop=settings.flag("CAMERA_LOOP", plain.loop),
            max_bytes=settings.whole("MAX_BYTES", plain.max_bytes, least=4096),
            long_side=settings.whole("LONG_SIDE", plain.long_side, least=32),
            seed=settings.whole("SEED", plain.seed),
        )
        if read.max_bytes > MAX_BYTES:
            raise settings.invalid("MAX_BYTES", read.max_bytes, f"A message has room for {MAX_BYTES} bytes of picture")
        return read

    def with_desired(self, desired: JsonObject, settings: Settings) -> CameraSettings:
        """As a change of the desired properties wants it. Raises `module-setting-invalid`; removed means as it is."""
        interval = desired.get("interval")
        if interval is None:
            return self
        if isinstance(interval, bool) or not isinstance(interval, int | float) or not 0 <= interval < float("inf"):
            raise settings.invalid("interval", interval, "It must be a number of seconds, 0 or more")
        return replace(self, interval=float(interval))
