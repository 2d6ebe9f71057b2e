"""A whole hub in the test's own process: real sockets, real TLS, stores in memory or on disk."""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from hotori.hub.courier import INPUT_TERMS, Terms
from hotori.hub.directory import DirectoryNotReadyError
from hotori.hub.events import Events
from hotori.hub.hub import Hub
from hotori.hub.intake import EventIntake, RoutingIntake
from hotori.hub.listener import PORT, serve_mqtt
from hotori.hub.queues import CHECKPOINT_SECONDS, Queues
from hotori.hub.registration import Registration, own_scope
from hotori.hub.store_limits import StoreLimits
from hotori.model.connection_string import IdentityConnection
from hotori.model.identity import Identity
from hotori.model.sas import sign
from hotori.model.secret import Secret
from hotori.net.authority import Authority
from hotori.net.tls import client_context, server_context
from hotori.routing.router import Router
from hotori.sdk.endpoint import Endpoint
from hotori.store.disk import Disk
from hotori.store.log import Log
from hotori.store.records import Records
from hotori.store.segments import SEGMENT_BYTES, SegmentLog
from hotori.store.sqlite import SqliteRecords

FAR_FUTURE = 4_000_000_000
"""A token's end that no test lives to see (Unix seconds)."""

_GOODBYE = 2.0
GATEWAY = "edge-1"
"""The edge device that others stand behind in a `BookDirectory`, unless it is said otherwise."""


def key_for(text: str) -> Secret:
    """A base64 key that is always the same for a text."""
    return Secret(base64.b64encode(text.encode().ljust(32, b"0")[:32]).decode())


class BookDirectory:
    """A directory kept by hand: an edge device `edge-1` with the devices behind it.

    `ready` set to False makes it say that it is not.
    """

    def __init__(self, *identities: str) -> None:
        self.ready = True
        self._book: dict[Identity, Registration] = {}
        for text in identities:
            self.add(Identity.parse(text))

    def add(
        self, identity: Identity, *, enabled: bool = True, edge: bool = False, behind: str | None = GATEWAY
    ) -> Registration:
        """Register, with keys made of the name. `edge` and `behind` say what a device is and whose child."""
        edge = identity.module is None and (edge or identity.device == GATEWAY)
        parents = (own_scope(behind, "1"),) if behind and identity not in (Identity(behind), Identity(GATEWAY)) else ()
        registration = Registration(
            identity,
            "1",
            key_for(f"{identity} first"),
            key_for(f"{identity} second"),
            enabled=enabled,
            edge=edge,
            scope=own_scope(identity.device, "1") if edge else None,
            parent_scopes=() if identity.module else parents,
        )
        self._book[identity] = registration
        return registration

    def disable(self, identity: Identity) -> None:
        self._book[identity] = replace(self._book[identity], enabled=False)

    def remove(self, identity: Identity) -> None:
        del self._book[identity]

    def key(self, identity: Identity) -> Secret:
        return self._book[identity].primary

    async def find(self, identity: Identity) -> Registration | None:
        if not self.ready:
            raise DirectoryNotReadyError("the book is closed")
        return self._book.get(identity)


async def _last_goodbye(server: asyncio.Server) -> None:
    """Wait a little for clients that were greeted by TLS as the server closed: nobody closes their sockets after the
    loop has ended."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_GOODBYE):
            while getattr(server, "_active_count", 0):  # noqa: ASYNC110 - as `wait_closed` does from Python 3.12 on
                await asyncio.sleep(0.005)


class SmallHub:
    """One hub on a loopback address of its own, with its stores in a folder; may be stopped and started again.

    With `device` it is that edge device's hub, and `router` decides; else a cloud's, and `events` keep all. The
    hub's name is `name`, or the address. `name` is what its tokens and user names say.
    """

    def __init__(
        self,
        folder: Path,
        address: str,
        directory: BookDirectory,
        *,
        name: str | None = None,
        device: str | None = None,
        router: Router | None = None,
        clock: Callable[[], float] = time.time,
        tls: bool = True,
        input_terms: Terms = INPUT_TERMS,
        disk: Disk | None = None,
        checkpoint: float = CHECKPOINT_SECONDS,
        limits: StoreLimits | None = None,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self.name, self.address, self.directory = name or address, address, directory
        self.port = PORT
        self._folder, self._device, self._router, self._clock = folder, device, router or Router(), clock
        self._input_terms = input_terms
        self._disk, self._checkpoint = disk, checkpoint
        self._limits, self._segment_bytes = limits, segment_bytes
        self.authority = Authority.open(folder.parent / "authority") if tls else None
        self.stores: list[Records | Log] = []
        self._server: asyncio.Server | None = None
        self.hub: Hub
        self.events: Events
        self.intake: EventIntake | RoutingIntake

    async def __aenter__(self) -> SmallHub:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        records = SqliteRecords.open(self._folder / "records.db")
        log = SegmentLog.open(self._folder / "queues", self._segment_bytes, self._disk)
        queues = Queues(log, records, self._clock, limits=self._limits, checkpoint=self._checkpoint)
        self.events = Events(SegmentLog.open(self._folder / "events"))
        self.intake = RoutingIntake(self._router, queues) if self._device else EventIntake(self.events)
        self.hub = Hub(
            self.name,
            self.directory,
            records,
            queues,
            self.intake,
            device=self._device,
            host_names=(self.address,),
            input_terms=self._input_terms,
            clock=self._clock,
        )
        self.stores = [records]
        await self.hub.start()
        self._server = await serve_mqtt(self.hub, self.address, self.port, self._server_context())

    async def stop(self) -> None:
        """End everything; what is on disk stays."""
        if self._server is not None:
            server, self._server = self._server, None
            server.close()
            await self.hub.close()
            await _last_goodbye(server)
            await self.events.close()
            for store in self.stores:
                await store.close()

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.address, self.port, self.client_context())

    @property
    def authority_pem(self) -> str:
        assert self.authority is not None
        return self.authority.pem

    def client_context(self) -> ssl.SSLContext | None:
        return None if self.authority is None else client_context(self.authority.certificate)

    def connection_string(self, identity: Identity, gateway: str | None = None) -> str:
        return IdentityConnection(self.name, identity, self.directory.key(identity), gateway).format()

    def user_name(self, identity: Identity) -> str:
        return f"{self.name}/{identity}/?api-version=2021-04-12"

    def token(self, identity: Identity, expiry: int = FAR_FUTURE) -> str:
        return sign(f"{self.name}/{identity.path()}", self.directory.key(identity), expiry)

    def _server_context(self) -> ssl.SSLContext | None:
        if self.authority is None:
            return None
        issued = self.authority.issue_server([self.address])
        return server_context(issued.cert_path, issued.key_path)
