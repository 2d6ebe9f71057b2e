"""What the long-running commands share: ports as options, and ending on Ctrl-C or SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable

import click

PORT = click.IntRange(1, 65535)


async def until_asked_to_stop(program: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run a program that ends soon after its event is set; Ctrl-C and SIGTERM set it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("httpx", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, stop.set)
    await program(stop)
