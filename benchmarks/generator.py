"""The load generator: compiled when it is needed, run once a measurement, on the processor that brokers do not have."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "benchmarks" / "load" / "mqttload.c"
PROGRAM = ROOT / "build" / "mqttload"
LONGEST_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Load:
    """What clients do. `window` is in messages of one publisher; a `rate` (messages a second) is kept open-loop."""

    publishers: int
    subscribers: int = 1
    window: int = 1
    rate: int = 0

    def arguments(self) -> list[str]:
        numbers = {"publishers": self.publishers, "subscribers": self.subscribers, "window": self.window}
        return [*options(**numbers), *(options(rate=self.rate) if self.rate else [])]


FAN_IN = Load(publishers=10, window=20)
DEVICES = Load(publishers=200)
FAN_OUT = Load(publishers=1, subscribers=10, window=20)
PACED = Load(publishers=100, rate=2000)


def options(**values: object) -> list[str]:
    """Arguments of the generator: `keep_alive=5` is `--keep-alive=5`."""
    return [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]


def pinned(processor: int, *command: str) -> tuple[str, ...]:
    """The command on one processor of its own, where there are two."""
    return ("taskset", "-c", str(processor), *command) if (os.cpu_count() or 1) > 1 else command


def build() -> None:
    """Compile the generator, unless that was done since its source changed."""
    if not PROGRAM.exists() or PROGRAM.stat().st_mtime < SOURCE.stat().st_mtime:
        PROGRAM.parent.mkdir(exist_ok=True)
        command = ("gcc", "-O2", "-o", str(PROGRAM), str(SOURCE), "-lssl", "-lcrypto")
        subprocess.run(command, check=True)


async def generate(*arguments: str) -> dict[str, float]:
    """Run it to its end: the figures that it prints. Raises RuntimeError with its words where it failed."""
    await asyncio.to_thread(build)
    process = await asyncio.create_subprocess_exec(
        *pinned(1, str(PROGRAM), *arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            answer, words = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise RuntimeError(f"the load generator failed: {words.decode().strip()}")
    figures: dict[str, float] = json.loads(answer)
    return figures
