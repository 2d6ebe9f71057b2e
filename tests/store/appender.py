"""A program to be killed: appends for ever, and prints an offset or version only after it was confirmed."""

import asyncio
import os
import sys
from pathlib import Path

from hotori.store.segments import SegmentLog
from hotori.store.sqlite import SqliteRecords
from hotori.testing.log_suite import payload


def say(number: int) -> None:
    os.write(1, b"%d\n" % number)


async def append(folder: Path) -> None:
    log = SegmentLog.open(folder, segment_bytes=64 * 1024)

    async def one_after_another() -> None:
        while True:
            # Which offset it will get is known: nobody else runs between the two.
            say(await log.submit(payload(log_offset())))

    counter = iter(range(log.next, 1 << 60))

    def log_offset() -> int:
        return next(counter)

    await asyncio.gather(*(one_after_another() for _ in range(20)))


async def put(folder: Path) -> None:
    records = SqliteRecords.open(folder / "records.db")
    counter = iter(range(1 << 60))

    async def one_after_another() -> None:
        while True:
            number = next(counter)
            await records.put("numbers", str(number), b"%d" % number)
            say(number)

    await asyncio.gather(*(one_after_another() for _ in range(20)))


asyncio.run({"log": append, "records": put}[sys.argv[1]](Path(sys.argv[2])))
