"""Who is connected: one live connection for each identity, and what is remembered of each between connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import msgspec

from hotori.hub.credentials import Claim
from hotori.hub.head import Ending
from hotori.hub.methods import Callee
from hotori.hub.session import Session
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.store.records import Records

COLLECTION = "sessions"


class Client(Callee, Protocol):
    """The live end of a session."""

    session: Session
    claim: Claim | None

    @property
    def last_activity(self) -> float:
        """When it last sent anything, in Unix seconds."""
        ...

    def desired_changed(self, patch: JsonObject, version: int) -> None:
        """Tell it what it should be now."""
        ...

    @property
    def takes_methods(self) -> bool:
        """Whether it asked for method calls."""
        ...

    def close(self, reason: str, ending: Ending = Ending.ADMINISTRATIVE) -> None:
        """End the connection."""
        ...


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether an identity is connected, since when it is or is not, and when it last spoke (Unix seconds)."""

    connected: bool
    since: float
    last_activity: float


PresenceWatcher: TypeAlias = Callable[[Identity, bool], None]


class Sessions:
    """Sessions by identity. `watchers` are called on the loop with every coming (True) and going (False)."""

    def __init__(self, records: Records, clock: Callable[[], float] = time.time) -> None:
        self.watchers: list[PresenceWatcher] = []
        self._records = records
        self._clock = clock
        self._sessions: dict[Identity, Session] = {}
        self._clients: dict[Identity, Client] = {}
        self._presence: dict[Identity, Presence] = {}
        self._waiting: dict[Identity, set[asyncio.Future[None]]] = {}

    def connected(self, identity: Identity) -> bool:
        return identity in self._clients

    def client(self, identity: Identity) -> Client | None:
        """The live connection, if there is one."""
        return self._clients.get(identity)

    def all_connected(self) -> tuple[Identity, ...]:
        return tuple(self._clients)

    def presence(self, identity: Identity) -> Presence | None:
        """None where it was not seen since the hub started."""
        known = self._presence.get(identity)
        client = self._clients.get(identity)
        return known if known is None or client is None else Presence(True, known.since, client.last_activity)

    def disconnect(
        self,
        identity: Identity,
        reason: str = "the identity was changed",
        ending: Ending = Ending.ADMINISTRATIVE,
    ) -> bool:
        """End its connection; whether there was one. It may come back if it is still admitted."""
        client = self._clients.get(identity)
        if client is not None:
            client.close(reason, ending)
        return client is not None

    async def forget(self, identity: Identity) -> None:
        """End its connection and its session: the identity is no more."""
        self.disconnect(identity, "the identity was removed")
        self._sessions.pop(identity, None)
        self._presence.pop(identity, None)
        await self._records.delete(COLLECTION, str(identity))

    async def callee(self, identity: Identity, timeout: float) -> Callee | None:
        """Who takes method calls for an identity; waits up to `timeout` seconds until it is there and subscribed."""
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            client = self._clients.get(identity)
            if client is not None and client.takes_methods:
                return client
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or not await self._change(identity, left):
                return None

    async def open(self, identity: Identity, clean: bool) -> tuple[Session, bool]:
        """The session to go on with, and whether there was one (contract 1.4)."""
        if clean:
            self._sessions.pop(identity, None)
            await self._records.delete(COLLECTION, str(identity))
            return Session(identity, clean=True), False
        known = self._sessions.get(identity)
        if known is not None:
            return known, True
        record = await self._records.get(COLLECTION, str(identity))
        subscriptions = msgspec.json.decode(record.value, type=dict[str, int]) if record else {}
        session = self._sessions.setdefault(identity, Session(identity, subscriptions=subscriptions))
        return session, record is not None

    def attach(self, client: Client) -> None:
        """The client is the live one now; the one before it is closed."""
        identity = client.session.identity
        before = self._clients.get(identity)
        if before is not None:
            before.close("the same identity connected again", Ending.TAKEN_OVER)
        self._clients[identity] = client
        self._tell(identity, True)

    def detach(self, client: Client) -> None:
        """The client's connection has ended."""
        identity = client.session.identity
        if self._clients.get(identity) is client:
            del self._clients[identity]
            self._tell(identity, False, client.last_activity)

    async def subscribe(self, session: Session, subscriptions: Mapping[str, int]) -> None:
        """Keep the subscriptions, durably unless the session is clean, and then act on them."""
        if not session.clean and subscriptions != session.subscriptions:
            await self._records.put(COLLECTION, str(session.identity), msgspec.json.encode(subscriptions))
        session.subscriptions = subscriptions
        self._wake(session.identity)

    def _tell(self, identity: Identity, connected: bool, last_activity: float | None = None) -> None:
        now = self._clock()
        self._presence[identity] = Presence(connected, now, now if last_activity is None else last_activity)
        self._wake(identity)
        for watcher in list(self.watchers):
            watcher(identity, connected)

    def _wake(self, identity: Identity) -> None:
        for waiting in self._waiting.pop(identity, ()):
            if not waiting.done():
                waiting.set_result(None)

    async def _change(self, identity: Identity, timeout: float) -> bool:
        """Wait for the identity to come, or to subscribe; whether it did in time."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(identity, set()).add(waiting)
        try:
            await asyncio.wait_for(waiting, timeout)
        except TimeoutError:
            return False
        finally:
            self._waiting.get(identity, set()).discard(waiting)
        return True
