"""Who is connected: one live connection for each identity, and what is remembered of each between connections."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import msgspec

from hotori.hub.credentials import Claim
from hotori.hub.head import Ending
from hotori.hub.methods import Callee
from hotori.hub.session import Session
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.problems import Problem
from hotori.store.records import Records

COLLECTION = "sessions"

logger = logging.getLogger(__name__)


class _Kept(msgspec.Struct, omit_defaults=True):
    """A session on disk. `expiry` is None where it never ends, `ends_at` (Unix seconds) while it is connected."""

    subscriptions: dict[str, int] = {}
    identifiers: dict[str, int] = {}
    expiry: float | None = None
    ends_at: float | None = None


class Client(Callee, Protocol):
    """The live end of a session."""

    session: Session
    claim: Claim | None
    address: str
    """Where it connects from."""

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
        self._held: dict[Identity, tuple[asyncio.TimerHandle, Callable[[], None]]] = {}
        self._keeping: dict[Identity, asyncio.Future[None]] = {}
        self._on_disk: set[str] | None = None
        """Who has a record: most clients have none, and the disk need not be asked each time one of them comes."""

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
        await self._drop(identity)

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

    async def open(self, identity: Identity, clean: bool, expiry: float = math.inf) -> tuple[Session, bool]:
        """The session to go on with, and whether there was one (contract 1.4).

        `clean` begins a new one; `expiry` is how many seconds it outlives its connection.
        """
        if (keeping := self._keeping.get(identity)) is not None:
            await keeping
        known = None if clean else self._sessions.get(identity) or await self._read(identity)
        if known is not None and (known.ends_at is None or known.ends_at > self._clock()):
            known.expiry, known.ends_at = expiry, None
            self._sessions[identity] = known
            return known, True
        self._sessions.pop(identity, None)
        await self._drop(identity)
        session = Session(identity, expiry)
        if expiry:
            session = self._sessions.setdefault(identity, session)
        return session, False

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
        session = client.session
        identity = session.identity
        if self._clients.get(identity) is client:
            del self._clients[identity]
            if session.expiry != math.inf:
                self._begin_to_end(session)
            self._tell(identity, False, client.last_activity)

    async def subscribe(
        self, session: Session, subscriptions: Mapping[str, int], identifiers: Mapping[str, int] | None = None
    ) -> None:
        """Keep the subscriptions, durably where the session outlives its connection, and then act on them."""
        if identifiers is None:
            identifiers = {known: number for known, number in session.identifiers.items() if known in subscriptions}
        if session.expiry and (subscriptions, identifiers) != (session.subscriptions, session.identifiers):
            await self._write(session, subscriptions, identifiers)
        session.subscriptions, session.identifiers = subscriptions, identifiers
        self._wake(session.identity)

    def hold(self, identity: Identity, delay: float, publish: Callable[[], None]) -> None:
        """Publish a will after a delay in seconds, unless the client is back by then [MQTT 5, 3.1.3.2.2]."""
        self.release(identity, publish=True)
        handle = asyncio.get_running_loop().call_later(delay, self.release, identity)
        self._held[identity] = (handle, publish)

    def release(self, identity: Identity, *, publish: bool = True) -> None:
        """Publish the will that is held for an identity now, or never."""
        held = self._held.pop(identity, None)
        if held is not None:
            held[0].cancel()
            if publish:
                held[1]()

    def close(self) -> None:
        """Publish the wills that are held, since nobody will be there to do so."""
        for identity in list(self._held):
            self.release(identity)

    async def _read(self, identity: Identity) -> Session | None:
        if str(identity) not in await self._recorded():
            return None
        record = await self._records.get(COLLECTION, str(identity))
        if record is None:
            return None
        kept = msgspec.json.decode(record.value, type=_Kept)
        expiry = math.inf if kept.expiry is None else kept.expiry
        return Session(identity, expiry, kept.subscriptions, kept.identifiers, ends_at=kept.ends_at)

    async def _recorded(self) -> set[str]:
        if self._on_disk is None:
            found = {record.key for record in await self._records.list(COLLECTION)}
            if self._on_disk is None:  # somebody else may have read them meanwhile, and added to them
                self._on_disk = found
        return self._on_disk

    async def _drop(self, identity: Identity) -> None:
        """Take what is kept from the disk, where something is."""
        name, recorded = str(identity), await self._recorded()
        if name in recorded:
            recorded.discard(name)
            await self._records.delete(COLLECTION, name)

    async def _write(self, session: Session, subscriptions: Mapping[str, int], identifiers: Mapping[str, int]) -> None:
        expiry = None if session.expiry == math.inf else session.expiry
        kept = _Kept(dict(subscriptions), dict(identifiers), expiry, session.ends_at)
        (await self._recorded()).add(str(session.identity))
        await self._records.put(COLLECTION, str(session.identity), msgspec.json.encode(kept))

    def _begin_to_end(self, session: Session) -> None:
        """The session has an end, and its connection is gone: note when it is, or let it go now."""
        if self._sessions.get(session.identity) is not session:
            return  # it was not to be kept, or another has its place
        if not session.expiry:
            del self._sessions[session.identity]
            writing: Awaitable[object] = self._drop(session.identity)
        else:
            session.ends_at = self._clock() + session.expiry
            writing = self._write(session, session.subscriptions, session.identifiers)
        self._keeping[session.identity] = asyncio.ensure_future(self._kept(session, writing))

    async def _kept(self, session: Session, writing: Awaitable[object]) -> None:
        try:
            await writing
        except Problem as problem:
            logger.warning("The end of the session of %s is not on disk: %s", session.identity, problem)
        self._keeping.pop(session.identity, None)

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
            async with asyncio.timeout(timeout):
                await waiting
        except TimeoutError:
            return False
        finally:
            self._waiting.get(identity, set()).discard(waiting)
        return True
