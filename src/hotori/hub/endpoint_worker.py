"""Takes what waits for one endpoint and hands it over, a batch at a time, in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from hotori.hub.endpoint_spec import EndpointSpec, WebhookSpec, dead_queue_of, queue_of
from hotori.hub.envelope import Delivery
from hotori.hub.lane import Item
from hotori.hub.queues import Queues
from hotori.hub.target import NotTakenError, Parcel, Target
from hotori.model.message import Message
from hotori.problems import Problem
from hotori.problems.events import ENDPOINT_FAILED
from hotori.sdk.backoff import Backoff

BACKOFF = Backoff(first=0.5, longest=60.0)
DEAD_LIFE = 7 * 86400.0
"""Seconds that a message which an endpoint never took is kept aside."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Waiting:
    item: Item
    message: Message


class EndpointWorker:
    """Runs from `start` to `close`. What was not taken stays in the queue, and is tried again.

    After a failure a webhook gets one message at a time, so that one that is refused holds up others as little as
    can be; a message older than the endpoint allows is put aside, with those that the endpoint never took.
    """

    def __init__(
        self,
        spec: EndpointSpec,
        target: Target,
        queues: Queues,
        clock: Callable[[], float],
        chance: Callable[[], float],
        backoff: Backoff = BACKOFF,
    ) -> None:
        self.spec = spec
        self.problem: Problem | None = None
        self._target, self._queues, self._clock, self._chance, self._backoff = target, queues, clock, chance, backoff
        self._queue = queues.queue(queue_of(spec))
        self._woken = asyncio.Event()
        self._failures = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._queues.listen(queue_of(self.spec), lambda _: self._woken.set())
        self._task = asyncio.create_task(self._run(), name=f"endpoint {self.spec.name}")

    async def close(self) -> None:
        self._queues.listen(queue_of(self.spec), None)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._target.close()

    async def _run(self) -> None:
        while True:
            try:
                await self._hand_over()
            except Problem as problem:
                logger.error("The endpoint %s waits: %s: %s", self.spec.name, problem.title(), problem.cause())
                self.problem = problem
                await self._pause()
            except Exception:  # the guard of this loop
                logger.exception("Messages for the endpoint %s could not be handed over", self.spec.name)
                await self._pause()

    async def _hand_over(self) -> None:
        """One batch: gathered, sent, and off the books once it is taken."""
        batch: list[_Waiting] = []
        try:
            await self._gather(batch)
            if batch:
                await self._target.send([Parcel(each.item.offset, each.message) for each in batch])
        except NotTakenError as error:
            self._give_back(batch)
            self._tell(str(error))
            await self._pause()
        except BaseException:
            self._give_back(batch)
            raise
        else:
            self._failures, self.problem = 0, None
            for each in batch:
                self._queue.deliver(each.item)

    async def _gather(self, batch: list[_Waiting]) -> None:
        """Wait for the first message, then for the batch to be full or its time to be over."""
        batching, size = self.spec.batching, 0
        most = 1 if self._failures and isinstance(self.spec, WebhookSpec) else batching.messages
        deadline: float | None = None
        while len(batch) < most and size < batching.size:
            self._woken.clear()
            item = self._queue.take(self._clock())
            if item is not None:
                waiting = await self._open(item)
                if waiting is not None:
                    batch.append(waiting)
                    size += waiting.message.size()
                    deadline = deadline or asyncio.get_running_loop().time() + batching.seconds
            elif not await self._news(deadline):
                return

    async def _news(self, deadline: float | None) -> bool:
        """Whether something came before the batch's time was over."""
        try:
            async with asyncio.timeout_at(deadline):
                await self._woken.wait()
        except TimeoutError:
            return False
        return True

    async def _open(self, item: Item) -> _Waiting | None:
        """The item's message; None where it is lost, or too old and so put aside."""
        try:
            message = await self._queues.load(item)
            if message is None:
                self._queue.drop(item)
                return None
            if self._too_old(message):
                await self._put_aside(item, message)
                return None
        except BaseException:
            self._queue.give_back(item)
            raise
        return _Waiting(item, message)

    def _too_old(self, message: Message) -> bool:
        life = self.spec.time_to_live if isinstance(self.spec, WebhookSpec) else None
        return life is not None and message.enqueued_at + life <= self._clock()

    async def _put_aside(self, item: Item, message: Message) -> None:
        dead = Delivery(dead_queue_of(self.spec), 0, self._clock() + DEAD_LIFE)
        await self._queues.submit(message, (dead,))
        self._queue.drop(item)
        logger.warning("The endpoint %s did not take a message in time; it is put aside", self.spec.name)

    def _give_back(self, batch: list[_Waiting]) -> None:
        for each in batch:
            self._queue.give_back(each.item)

    def _tell(self, reason: str) -> None:
        where = self.spec.url if isinstance(self.spec, WebhookSpec) else f"the container {self.spec.container}"
        self.problem = Problem(ENDPOINT_FAILED, name=self.spec.name, where=where, reason=reason)
        if not self._failures:
            logger.error("%s: %s", self.problem.title(), self.problem.cause())

    async def _pause(self) -> None:
        self._failures += 1
        await asyncio.sleep(self._backoff.delay(self._failures - 1, self._chance()))
