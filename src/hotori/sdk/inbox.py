"""Received messages on their way to the program's handler: in order, acknowledged when handled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from hotori.model.message import Message
from hotori.mqtt.packets import Publish
from hotori.sdk.mqtt_client import MqttClient


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message, the input it came to (None from the cloud to a device), and how it came."""

    message: Message
    input: str | None
    publish: Publish
    client: MqttClient


DeliveryHandler: TypeAlias = Callable[[Delivery], Awaitable[None]]


class Inbox:
    """Up to `concurrency` messages are in the handler's hands at a time; with one, their order is kept.

    A message is acknowledged when its handler has returned. One whose handler failed is not, and the hub sends
    it again; so does it with everything that it sent over a connection that is gone, which is why such messages
    are let go here. Until there is a handler, messages wait.
    """

    def __init__(self, concurrency: int, on_result: Callable[[Delivery, Exception | None], None]) -> None:
        self._concurrency = concurrency
        self._on_result = on_result
        self._queue: asyncio.Queue[Delivery] = asyncio.Queue()
        self._held: set[tuple[MqttClient, int]] = set()
        self._handler: DeliveryHandler | None = None
        self._ready = asyncio.Event()

    def handle_with(self, handler: DeliveryHandler) -> None:
        self._handler = handler
        self._ready.set()

    def put(self, delivery: Delivery) -> None:
        """Take a message in; the repetition of one that is still here is dropped."""
        if delivery.publish.qos:
            key = (delivery.client, delivery.publish.packet_id)
            if key in self._held:
                return
            self._held.add(key)
        self._queue.put_nowait(delivery)

    async def run(self) -> None:
        """Hand messages over, until cancelled."""
        await self._ready.wait()
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._concurrency):
                workers.create_task(self._work())

    async def _work(self) -> None:
        while True:
            delivery = await self._queue.get()
            try:
                if delivery.client.alive or not delivery.publish.qos:
                    await self._handle(delivery)
            finally:
                self._held.discard((delivery.client, delivery.publish.packet_id))

    async def _handle(self, delivery: Delivery) -> None:
        assert self._handler is not None
        try:
            await self._handler(delivery)
        except Exception as error:  # noqa: BLE001 - the handler is the program's: whatever it raises, the next message comes
            self._on_result(delivery, error)
        else:
            delivery.client.acknowledge(delivery.publish)
            self._on_result(delivery, None)
