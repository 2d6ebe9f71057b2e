"""What clients say in one turn of the loop is entered together, and each is answered in its own order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hotori.hub.answers import Answers
from hotori.hub.promise import Answer, Promise
from hotori.hub.turn import Turn
from hotori.model.message import Message
from hotori.store.batch import Batch


class Client:
    """Collects what it is answered."""

    def __init__(self) -> None:
        self.given: list[tuple[list[int], Answer]] = []
        self.answers = Answers(lambda turns, answer: self.given.append(([*turns], answer)))


class Log:
    """Takes everything into one batch, or each message into a promise of its own."""

    def __init__(self, *, together: bool = True) -> None:
        self.together = together
        self.entered: list[Sequence[Message]] = []
        self.pushed = 0
        self.batch = Batch(self._push)
        self.futures: list[asyncio.Future[int]] = []

    def enter(self, messages: Sequence[Message]) -> Sequence[tuple[Promise, int]]:
        self.entered.append(messages)
        if self.together:
            return ((self.batch, len(messages)),)
        self.futures = [asyncio.get_running_loop().create_future() for _ in messages]
        return [(future, 1) for future in self.futures]

    def _push(self) -> None:
        self.pushed += 1


def messages(*bodies: bytes) -> list[Message]:
    return [Message(body) for body in bodies]


async def test_all_of_a_turn_is_entered_once_and_handed_to_the_log() -> None:
    log, first, second = Log(), Client(), Client()
    turn = Turn(log.enter)
    turn.add(messages(b"1", b"2"), first.answers, [1, 2])
    turn.add(messages(b"3"), second.answers, [7])
    assert (log.entered, first.answers.waiting) == ([], 2)
    await asyncio.sleep(0)
    assert [[message.body for message in run] for run in log.entered] == [[b"1", b"2", b"3"]]
    assert log.pushed == 1
    log.batch.settle(40, 3)
    assert (first.given, second.given) == ([([1, 2], 40)], [([7], 40)])
    assert first.answers.waiting == 0


async def test_what_needs_no_answer_from_the_log_waits_for_its_turn() -> None:
    log, client = Log(), Client()
    turn = Turn(log.enter)
    turn.add(messages(b"1"), client.answers, [1])
    turn.end()
    client.answers.add(2, None)
    assert client.given == []
    log.batch.settle(0, 1)
    assert client.given == [([1], 0), ([2], 0)]


async def test_promises_of_their_own_are_answered_in_order() -> None:
    log, client = Log(together=False), Client()
    turn = Turn(log.enter)
    turn.add(messages(b"1", b"2"), client.answers, [1, 2])
    turn.end()
    first, second = log.futures
    second.set_result(6)
    await asyncio.sleep(0)
    assert client.given == []
    first.set_result(5)
    await asyncio.sleep(0)
    assert client.given == [([1], 5), ([2], 6)]


async def test_one_who_cannot_take_its_answer_holds_nobody_up() -> None:
    log, client = Log(), Client()

    def fail(_: Sequence[int], __: Answer) -> None:
        raise RuntimeError("it has gone")

    turn = Turn(log.enter)
    turn.add(messages(b"1"), Answers(fail), [1])
    turn.add(messages(b"2"), client.answers, [2])
    turn.end()
    faults = list[str]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(str(context["exception"])))
    asyncio.get_running_loop().call_soon(log.batch.settle, 0, 2)
    for _ in range(4):
        await asyncio.sleep(0)
    assert (client.given, faults) == ([([2], 0)], ["it has gone"])


async def test_a_client_that_has_gone_is_answered_nothing() -> None:
    log, client = Log(), Client()
    turn = Turn(log.enter)
    turn.add(messages(b"1"), client.answers, [1])
    turn.end()
    client.answers.close()
    log.batch.settle(0, 1)
    assert client.given == []
