"""What the long-running commands share: ports as options, rare garbage collection, and ending on Ctrl-C or SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click

_Result = TypeVar("_Result")
PORT = click.IntRange(1, 65535)
_YOUNG, _MIDDLE, _OLD = 20_000, 20, 50
"""So many new objects, and collections of the younger ones, before the next: Python's own are 700, 10 and 10."""


async def until_asked_to_stop(program: Callable[[asyncio.Event], Awaitable[_Result]]) -> _Result:
    """Run a program that ends soon after its event is set; Ctrl-C and SIGTERM set it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("httpx", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    calm_collector()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, stop.set)
    return await program(stop)


def calm_collector() -> None:
    """Look for cycles more rarely, and never again in what is there now.

    Messages hold no cycles, reference counts free them; looking for cycles took a tenth of a hub's time under load.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
