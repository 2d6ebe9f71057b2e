"""The hub: who is connected, what they say, and what is kept for them. The cloud and the edge each host one."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence

from hotori.hub.admission import Admissions
from hotori.hub.carrier import Closable
from hotori.hub.courier import DEVICE_TERMS, INPUT_TERMS, Terms
from hotori.hub.credentials import Refusal
from hotori.hub.device_bound import DeviceBound
from hotori.hub.device_jobs import DeviceJobs
from hotori.hub.directory import Directory
from hotori.hub.failed_logins import LoginLimits
from hotori.hub.fast_clients import FastClients
from hotori.hub.flushes import Flushes
from hotori.hub.head import Ending
from hotori.hub.intake import Intake
from hotori.hub.meters import Meters
from hotori.hub.methods import Methods
from hotori.hub.promise import Promise, as_future
from hotori.hub.queues import Queues, device_endpoint
from hotori.hub.rates import ClientRates
from hotori.hub.service_bound import ServiceBound
from hotori.hub.sessions import Sessions
from hotori.hub.takeovers import Takeovers
from hotori.hub.turn import Turn
from hotori.hub.twins import TwinChange, TwinGate, Twins
from hotori.hub.visitors import Counter
from hotori.hub.vouchers import Vouchers
from hotori.hub.watch import Watch
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.model.message import Message
from hotori.mqtt.packets import ConnackCode
from hotori.store.records import Records


class Hub:
    """One hub. `start` before clients come, `close` when they should go.

    `name` is what clients call it in user names and tokens; `host_names` are others that it answers to (a
    gateway's own). `device` is the edge device whose modules have inputs here; None in the cloud. Messages go
    to `intake`; `queues` keep what waits for clients. Everything is durable when a call returns.
    """

    connect_seconds = 15.0
    """How long a new connection may take to introduce itself."""
    room_seconds = 30.0
    """How long a message waits for room in full queues, if its sender can be told that it was not taken."""

    def __init__(
        self,
        name: str,
        directory: Directory,
        records: Records,
        queues: Queues,
        intake: Intake,
        *,
        device: str | None = None,
        host_names: tuple[str, ...] = (),
        twin_gate: TwinGate | None = None,
        input_terms: Terms = INPUT_TERMS,
        device_terms: Terms = DEVICE_TERMS,
        vouchers: Vouchers | None = None,
        login_limits: LoginLimits | None = None,
        client_rates: ClientRates | None = None,
        clock: Callable[[], float] = time.time,
        chance: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.name = name
        self.host_names = host_names
        self.device = device
        self.clock = clock
        self.input_terms = input_terms
        self.directory = directory
        self.queues = queues
        self.intake = intake
        self.device_jobs = DeviceJobs(records)
        self.twins = Twins(records, clock, twin_gate)
        self.sessions = Sessions(records, clock)
        self.takeovers = Takeovers(clock)
        self.fast = FastClients(client_rates or ClientRates(), clock)
        self.rates = self.fast.rates
        self.meters = Meters()
        self.methods = Methods(self.sessions, self.meters.method)
        self.admissions = Admissions(directory, self._names, clock, device, vouchers, login_limits, self.meters.refuse)
        self.connections: set[Closable] = set()
        self.watch = Watch(clock)
        self.flushes = Flushes()
        self.turn = Turn(self._enter)
        self.counter: Counter | None = None
        """Who serves those that come to the same port and mean somebody else."""
        self.closed = False
        self.service_bound = ServiceBound(queues, clock, chance)
        feedback = self.service_bound if device is None else None
        self.device_bound = DeviceBound(queues, records, directory, clock, chance, feedback, device_terms)
        self.configuration_statuses: dict[Identity, JsonObject] = {}
        self.twins.desired_watchers.append(self._tell_desired)
        self.twins.reported_watchers.append(lambda change: self.meters.reports(change.identity))
        self.sessions.watchers.append(self.meters.presence)

    async def start(self) -> None:
        """Read what is kept. Raises the problems of the stores."""
        await self.queues.start()
        await self.device_bound.start()

    async def close(self) -> None:
        """End every connection, and keep the queues' cursors. Stores of others are theirs to close."""
        self.closed = True
        for connection in list(self.connections):
            connection.abort("the hub is closing", Ending.CLOSING)
        self.sessions.close()
        await asyncio.sleep(0)
        await self.device_bound.close()
        self.service_bound.close()
        await self.queues.close()

    def enter(self, sender: Identity, message: Message) -> Promise:
        """Begin to take a message of a client, which has its time; done once it is durable."""
        assert message.sender == sender
        self.turn.end()
        return self._enter((message,))[0][0]

    def _enter(self, messages: Sequence[Message]) -> Sequence[tuple[Promise, int]]:
        promises = self.intake.enter_each(messages)
        if self.rates.limited:
            self._count_rates(messages)
        self.meters.messages(messages, promises[-1][0])
        return promises

    def _count_rates(self, messages: Sequence[Message]) -> None:
        now = asyncio.get_running_loop().time()
        for message in messages:
            if message.sender is not None:
                self.fast.count(message.sender, message, now)

    def submit(self, sender: Identity, message: Message) -> asyncio.Future[int]:
        """Stamp and begin to take a message of a client; the future is done once it is durable."""
        stamped = Message(message.body, message.properties, message.system, sender, message.output, self.clock())
        return as_future(self.enter(sender, stamped))

    async def accept(self, message: Message) -> None:
        """Take a message whose sender is known; it is durable, and on its way, when this returns."""
        assert message.sender is not None, "a message without a sender cannot be accepted"
        await self.submit(message.sender, message)

    async def send_to_device(self, device: str, message: Message, time_to_live: float | None = None) -> None:
        """Queue a message for a device, which gets it when it is connected. Raises DeviceQueueFullError."""
        await self.device_bound.send(device, message, time_to_live)

    def disconnect_behind(self, device: str) -> None:
        """The device may not speak for others any more as it did: everyone whom it speaks for has to come again."""
        for identity in self.admissions.spoken_for(device):
            self.sessions.disconnect(identity, f"{device} was changed, which spoke for it")

    def _names(self) -> tuple[str, ...]:
        return (self.name, *self.host_names)

    async def judge_again(self, identity: Identity) -> None:
        """A registration was changed: end the connection that is not to be admitted any more (contract 1.3)."""
        client = self.sessions.client(identity)
        if client is None or client.claim is None:
            return
        verdict = await self.admissions.judge(client.claim)
        if isinstance(verdict, Refusal) and verdict.code is not ConnackCode.SERVER_UNAVAILABLE:
            client.close(verdict.problem.title())

    async def forget(self, identity: Identity) -> None:
        """The identity was removed from the directory: end its connection and let go what is kept for it."""
        await self.sessions.forget(identity)
        await self.twins.delete(identity)
        if identity.module is None:
            await self.queues.forget(device_endpoint(identity.device))

    def _tell_desired(self, change: TwinChange) -> None:
        client = self.sessions.client(change.identity)
        if client is not None:
            client.desired_changed(change.patch, change.twin.desired.version)
