"""Random packets in random order over real sockets: whatever comes, the hub logs no traceback and leaks nothing."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvloop
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from hotori.model.identity import Identity
from hotori.model.manifest import HubConfig, RouteSpec
from hotori.mqtt.decoder import Decoder
from hotori.mqtt.encoder import encode
from hotori.mqtt.encoder5 import encode5
from hotori.mqtt.packets import Connack, Connect, Packet, Publish, Subscribe, Unsubscribe, Will
from hotori.mqtt.packets5 import Packet5, Publish5, Subscribe5, Wish
from hotori.mqtt.topics import DESIRED_CHANGES, METHOD_CALLS
from hotori.routing.router import Router
from hotori.testing.addresses import loopback_address
from hotori.testing.small_hub import BookDirectory, SmallHub
from tests.mqtt.test_codec import packets as packets_of_3
from tests.mqtt.test_codec5 import packets as packets_of_5

T = TypeVar("T")
NAMES = ["edge-1", "edge-1/camera", "leaf"]
PATIENCE = 10.0

own_topics = st.sampled_from(
    [
        "devices/edge-1/messages/events/",
        "devices/edge-1/modules/camera/messages/events/%24.on=pictures&a=%zz",
        "devices/edge-1/modules/camera/messages/events/%24.on=pictures&a=b",
        "devices/leaf/messages/events/a=b",
        "$iothub/twin/GET/?$rid=1",
        "$iothub/twin/PATCH/properties/reported/?$rid=2",
        "$iothub/methods/res/200/?$rid=3",
        "hotori/twin/get",
        "hotori/twin/reported",
        "hotori/methods/a/1/reply/-5",
        "any/topic",
    ]
)
own_filters = st.sampled_from(
    [
        *(DESIRED_CHANGES, METHOD_CALLS, "hotori/#", "#", "hotori/twin/+", "hotori/methods/+/+", "$share/a/b"),
        *("devices/edge-1/messages/devicebound/#", "devices/leaf/messages/devicebound/#"),
        *("devices/edge-1/modules/camera/inputs/#", "devices/edge-1/modules/camera/inputs/pictures"),
    ]
)
bodies = st.sampled_from([b"", b"{}", b'{"a":1}', b"[", b"null", b"\xff"])
big_bodies = bodies | st.just(500).map(lambda count: b'{"a":' * count) | st.just(300_000).map(bytes)
ids = st.integers(1, 3)
said_in_3 = st.one_of(
    packets_of_3,
    st.builds(
        lambda t, b, q, n, r: Publish(t, b, q, n if q else 0, r),
        own_topics,
        big_bodies,
        st.integers(0, 2),
        ids,
        st.booleans(),
    ),
    st.builds(Subscribe, ids, st.tuples(st.tuples(own_filters, st.integers(0, 2)))),
    st.builds(Unsubscribe, ids, st.tuples(own_filters)),
)
said_in_5 = st.one_of(
    packets_of_5,
    st.builds(lambda t, b, q, n: Publish5(t, b, q, n if q else 0), own_topics, big_bodies, st.integers(0, 2), ids),
    st.builds(Subscribe5, ids, st.tuples(st.builds(Wish, own_filters, st.integers(0, 2)))),
)


class _Faults(logging.Handler):
    """Keeps what is logged with a traceback, or as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "identity-shared" not in record.getMessage() and "take" not in record.getMessage():
            self.records.append(self.format(record))


class Hub:
    """An edge device's hub in a thread of its own, with queues that have something for everyone."""

    def __init__(self, folder: Path) -> None:
        self.loop = uvloop.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        pictures = 'FROM /messages/modules/camera/* INTO BrokeredEndpoint("/modules/camera/inputs/pictures")'
        routes = {"one": RouteSpec("one", pictures), "all": RouteSpec("all", "FROM /* INTO $upstream")}
        router = Router.compile(HubConfig(routes))
        directory = BookDirectory(*NAMES, "control")
        self.small = SmallHub(folder, loopback_address(), directory, device="edge-1", router=router)
        self.run(self.small.start())
        self.context = self.small.client_context()
        assert self.context is not None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        done: Future[T] = asyncio.run_coroutine_threadsafe(work, self.loop)
        return done.result(30)

    def dial(self) -> socket.socket:
        raw = socket.create_connection((self.small.address, self.small.port), PATIENCE)
        assert self.context is not None
        return self.context.wrap_socket(raw, server_hostname=self.small.address)

    def hello(self, name: str, level: int, *, plain: bool, clean: bool = False, will: Will | None = None) -> bytes:
        identity = Identity.parse(name)
        user = name if plain else self.small.user_name(identity)
        connect = Connect(name, user, self.small.token(identity).encode(), clean, 60, will, level)
        return encode5(connect) if level == 5 else encode(connect)

    def serves(self) -> bool:
        """Whether a client that does nothing wrong is served."""
        with self.dial() as control:
            control.settimeout(PATIENCE)
            topic = "devices/control/messages/events/"
            control.sendall(self.hello("control", 4, plain=False, clean=True) + encode(Publish(topic, b"x", 1, 9)))
            received = b""
            while len(received) < 8:
                data = control.recv(100)
                assert data, "the control client was disconnected"
                received += data
        return [type(packet) for packet in Decoder(100).feed(received[:4])] == [Connack]

    async def emptied(self) -> int:
        """How many connections stay when all clients have left; the hub notices them one after the other."""
        for _ in range(2000):
            if not self.small.hub.connections:
                break
            await asyncio.sleep(0.005)
        return len(self.small.hub.connections)

    async def disturb(self) -> None:
        """The other side of the conversations: what the hub sends by itself."""
        hub = self.small.hub
        await hub.twins.patch_desired(Identity("leaf"), {"a": 1})
        for client in (hub.sessions.client(Identity.parse(name)) for name in NAMES):
            if client is not None:
                client.call("method", "1", b"{}")

    def close(self) -> None:
        self.run(self.small.stop())
        self.run(asyncio.sleep(0.1))  # TLS says goodbye
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    hub = Hub(tmp_path_factory.mktemp("live") / "hub")
    yield hub
    hub.close()


class Clients(RuleBasedStateMachine):
    """A few clients at once, of any version and dialect, some of them the same identity."""

    hub: Hub
    faults: _Faults

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[socket.socket, int]] = []

    @rule(
        name=st.sampled_from(NAMES),
        level=st.sampled_from([4, 5]),
        plain=st.booleans(),
        clean=st.booleans(),
        will=st.none() | st.builds(Will, own_topics, bodies.filter(lambda body: len(body) < 0xFFFF)),
    )
    def connect(self, name: str, level: int, plain: bool, clean: bool, will: Will | None) -> None:
        if len(self.open) < 4:
            client = self.hub.dial()
            self.open.append((client, level))
            self._send(client, self.hub.hello(name, level, plain=plain, clean=clean, will=will))

    @rule(data=st.binary(min_size=1, max_size=60))
    def stammer(self, data: bytes) -> None:
        if self.open:
            self._send(self.open[-1][0], data)

    @rule(number=st.integers(0, 3), older=st.lists(said_in_3, max_size=5), newer=st.lists(said_in_5, max_size=5))
    def say(self, number: int, older: list[Packet], newer: list[Packet5]) -> None:
        if self.open:
            client, level = self.open[number % len(self.open)]
            parts = [encode5(packet) for packet in newer] if level == 5 else [encode(packet) for packet in older]
            self._send(client, b"".join(parts))

    @rule(number=st.integers(0, 3))
    def leave(self, number: int) -> None:
        if self.open:
            self.open.pop(number % len(self.open))[0].close()

    @rule()
    def disturb(self) -> None:
        self.hub.run(self.hub.disturb())

    def _send(self, client: socket.socket, data: bytes) -> None:
        """The hub may have ended the connection; what it said is not of interest."""
        client.settimeout(0.2)
        try:
            client.sendall(data)
        except OSError:
            client.close()
            self.open = [known for known in self.open if known[0] is not client]

    def teardown(self) -> None:
        for client, _ in self.open:
            client.close()
        assert self.hub.serves()
        assert self.hub.run(self.hub.emptied()) == 0
        assert self.faults.records == []


def test_whatever_clients_say_the_hub_goes_on_and_forgets_them(hub: Hub) -> None:
    faults = _Faults()
    logging.getLogger().addHandler(faults)
    try:
        run_state_machine_as_test(
            type("ClientsOfOneHub", (Clients,), {"hub": hub, "faults": faults}),
            settings=settings(max_examples=15, stateful_step_count=25, suppress_health_check=list(HealthCheck)),
        )
    finally:
        logging.getLogger().removeHandler(faults)
