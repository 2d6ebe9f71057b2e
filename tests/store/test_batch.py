"""What waits for a batch of the log is told in order, whatever becomes of one of the tellings."""

from __future__ import annotations

import asyncio

from hotori.store.batch import Batch


async def test_those_who_come_last_are_called_when_all_others_were() -> None:
    batch, told = Batch(), list[str]()
    batch.add_done_callback(lambda _: batch.add_last(lambda: told.append("last")))
    batch.add_done_callback(lambda _: told.append("first"))
    batch.settle(0, 0)
    assert told == ["first", "last"]


async def test_who_asks_to_be_last_afterwards_is_called_soon() -> None:
    batch, told = Batch(), list[str]()
    batch.settle(0, 0)
    batch.add_last(lambda: told.append("last"))
    assert told == []
    await asyncio.sleep(0)
    assert told == ["last"]


async def test_nobody_is_forgotten_behind_one_that_fails() -> None:
    batch, told = Batch(), list[str]()

    def fail(*_: object) -> None:
        raise RuntimeError("it cannot take its answer")

    batch.add_done_callback(fail)
    batch.add_done_callback(lambda _: told.append("first"))
    batch.add_last(fail)
    batch.add_last(lambda: told.append("last"))
    faults = list[str]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(str(context["exception"])))
    asyncio.get_running_loop().call_soon(batch.settle, 0, 0)
    for _ in range(4):
        await asyncio.sleep(0)
    assert told == ["first", "last"]
    assert faults == ["it cannot take its answer"] * 2


async def test_a_batch_is_pushed_until_it_is_done() -> None:
    pushed = list[str]()
    batch = Batch(lambda: pushed.append("now"))
    batch.push()
    batch.settle(0, 0)
    batch.push()
    assert pushed == ["now"]
