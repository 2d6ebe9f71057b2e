"""Module programs as tasks, and pictures for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from PIL import Image


@asynccontextmanager
async def running(program: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """The program beside the block; ended as SIGTERM ends it. What it raised by itself is raised here."""
    task = asyncio.ensure_future(program)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def eventually(question: Callable[[], Awaitable[object]], within: float = 20.0) -> object:
    """The first true answer."""
    async with asyncio.timeout(within):
        while not (answer := await question()):
            await asyncio.sleep(0.02)
        return answer


def write_pictures(folder: Path, *names: str) -> Path:
    """Small pictures under the names, each of another colour."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (80, 60), (number * 40 % 256, 100, 50)).save(path)
    return folder
