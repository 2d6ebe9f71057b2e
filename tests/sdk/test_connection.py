"""The standing connection: how it introduces itself, sends, fails and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from hotori.model.identity import Identity
from hotori.model.json import Json
from hotori.model.message import MAX_SIZE, Message
from hotori.model.secret import Secret
from hotori.mqtt.packets import Publish, Subscribe
from hotori.mqtt.topics import (
    METHOD_CALLS,
    TWIN_RESPONSES,
    inputs_filter,
)
from hotori.problems import Problem
from hotori.sdk.backoff import Backoff
from hotori.sdk.connection import ConnectionClosedError, ConnectionState, HubConnection
from hotori.sdk.endpoint import Endpoint, key_tokens
from hotori.testing.addresses import loopback_address
from hotori.testing.broker import Broker
from hotori.testing.obedient_hub import ObedientHub
from tests.sdk.parts import CAMERA, HUB, KEY, QUICK, connection_to, filters_of, reason_of


def bodies(packets: Sequence[object]) -> list[bytes]:
    return [packet.payload for packet in packets if isinstance(packet, Publish)]


# Introduction


async def test_the_client_introduces_itself_as_its_identity_of_the_hub(
    obedient: ObedientHub, connection: HubConnection
) -> None:
    """Contract 1.2, and the test vector's form of 0.4."""
    await connection.wait_connected(10)
    hello = obedient.visits[0].hello
    assert hello.client_id == "edge-1/camera"
    assert hello.username == f"{HUB}/edge-1/camera/?api-version=2021-04-12&DeviceClientType=hotori%2F0.1.0"
    assert hello.password is not None
    assert hello.password.startswith(b"SharedAccessSignature sr=hub.example.net%2Fdevices%2Fedge-1%2Fmodules%2Fcamera&")
    assert not hello.clean_session


@pytest.mark.parametrize(
    ("identity", "token"),
    [
        (
            Identity("dev-1"),
            "SharedAccessSignature sr=hub.example.net%2Fdevices%2Fdev-1"
            "&sig=Vcoj757RwXSHnFNfKIZyutQiLHSA3v%2FIa%2Fsa32feesU%3D&se=1900000000",
        ),
        (
            Identity("dev-1", "mod-1"),
            "SharedAccessSignature sr=hub.example.net%2Fdevices%2Fdev-1%2Fmodules%2Fmod-1"
            "&sig=OCRiGDLhzDXc6%2BLzE5YSYy5AQeFaBiVse%2FNRtlk9zZ8%3D&se=1900000000",
        ),
    ],
)
async def test_tokens_are_those_of_the_contract(identity: Identity, token: str) -> None:
    """Contract 0.4."""
    assert await key_tokens(HUB, identity, KEY)(1_900_000_000) == token


async def test_a_fresh_token_is_used_before_the_old_one_expires(obedient: ObedientHub) -> None:
    """Contract 1.3: by a new connection, since there is no other way."""
    expiries: list[int] = []

    async def token(expiry: int) -> str:
        expiries.append(expiry)
        return f"token {len(expiries)}"

    now = iter(range(1000, 9000, 1000))
    options = replace(QUICK, token_lifetime=1, clock=lambda: next(now))
    async with HubConnection(obedient.endpoint, HUB, CAMERA, token, options) as connection:
        await obedient.until_visits(2)
        await connection.wait_connected(10)
        assert connection.problem is None
    assert [visit.hello.password for visit in obedient.visits[:2]] == [b"token 1", b"token 2"]
    assert expiries[:2] == [1001, 2001]


# Sending


async def test_send_returns_when_the_hub_has_acknowledged(obedient: ObedientHub, connection: HubConnection) -> None:
    await connection.send(Message(b"x", {"a": "b c"}, {"ct": "text/plain"}, output="out"))
    (packet,) = obedient.visits[0].published()
    assert packet.topic == "devices/edge-1/modules/camera/messages/events/%24.on=out&%24.ct=text%2Fplain&a=b%20c"
    assert (packet.payload, packet.qos, connection.pending) == (b"x", 1, 0)


async def test_what_is_sent_while_there_is_no_hub_waits_and_arrives_in_order(broker: Broker) -> None:
    await broker.stop()
    async with connection_to(broker.endpoint) as connection:
        sending = [connection.post(Message(str(number).encode())) for number in range(100)]
        problem = await reason_of(connection, "cloud-unreachable")
        assert "refused" in problem.cause()
        assert connection.state in (ConnectionState.WAITING, ConnectionState.CONNECTING)
        await broker.start()
        await asyncio.wait_for(asyncio.gather(*sending), 10)
        assert connection.problem is None


async def test_unacknowledged_messages_go_again_in_order_and_before_later_ones(obedient: ObedientHub) -> None:
    """MQTT 4.4.0-1, 4.6.0-1."""
    obedient.orders.acknowledges = False
    async with connection_to(obedient.endpoint, replace(QUICK, window=3)) as connection:
        sending = [connection.post(Message(name.encode())) for name in "abcd"]
        assert bodies(await obedient.until(3, Publish)) == [b"a", b"b", b"c"]

        obedient.orders.acknowledges = True
        obedient.drop()
        await asyncio.wait_for(asyncio.gather(*sending), 10)

    again = obedient.visits[1].published()
    assert bodies(again) == [b"a", b"b", b"c", b"d"]
    assert [packet.dup for packet in again] == [True, True, True, False]
    assert [packet.packet_id for packet in again[:3]] == [p.packet_id for p in obedient.visits[0].published()]


async def test_sending_with_a_time_limit_tells_why_it_took_too_long(obedient: ObedientHub) -> None:
    obedient.orders.acknowledges = False
    async with connection_to(obedient.endpoint) as connection:
        await connection.wait_connected(10)
        with pytest.raises(Problem) as silent:
            await connection.send(Message(b""), timeout=0.05)
        assert silent.value.code == "hub-silent"

    async with connection_to(Endpoint(loopback_address(), 1)) as connection:
        with pytest.raises(Problem) as unreachable:
            await connection.send(Message(b""), timeout=0.2)
        assert unreachable.value.code == "cloud-unreachable"
        await asyncio.sleep(0)
        assert connection.pending == 1


async def test_closing_gives_up_what_waits(obedient: ObedientHub) -> None:
    obedient.orders.acknowledges = False
    async with connection_to(obedient.endpoint) as connection:
        sending = asyncio.create_task(connection.send(Message(b"")))
        await obedient.until(1, Publish)
    with pytest.raises(ConnectionClosedError):
        await sending
    assert connection.state is ConnectionState.CLOSED


@pytest.mark.parametrize(
    "message",
    [Message(bytes(MAX_SIZE - 2), {"abc": ""}), Message(b"", {"text": "水" * 10_000})],
    ids=["body", "properties"],
)
async def test_a_message_that_no_hub_would_take_is_refused_here(connection: HubConnection, message: Message) -> None:
    """Contract 1.9: the hub would hang up, again and again."""
    with pytest.raises(Problem) as problem:
        await connection.send(message)
    assert problem.value.code == "message-too-large"


# Problems of connecting


@pytest.mark.parametrize(
    ("connack", "code"),
    [
        (1, "hub-refused-connection"),
        (2, "hub-refused-connection"),
        (3, "cloud-unreachable"),
        (4, "token-refused"),
        (5, "token-refused"),
    ],
)
async def test_a_refusal_is_named_and_tried_again(obedient: ObedientHub, connack: int, code: str) -> None:
    """Contract 1.3: the identity may be registered later."""
    obedient.orders.connack = connack
    async with connection_to(obedient.endpoint) as connection:
        problem = await reason_of(connection, code)
        assert problem.evidence == (f"CONNACK {connack}",)
        obedient.orders.connack = 0
        await connection.wait_connected(10)
        assert connection.problem is None


async def test_a_name_that_does_not_resolve_is_named() -> None:
    async with connection_to(Endpoint("no-such-host.invalid", 8883)) as connection:
        problem = await reason_of(connection, "cloud-unreachable")
        assert "cannot be resolved" in problem.cause()


async def test_a_hub_that_does_not_answer_is_told_from_one_that_is_not_there(obedient: ObedientHub) -> None:
    obedient.orders.talks = False
    async with connection_to(obedient.endpoint, replace(QUICK, connect_timeout=0.1)) as connection:
        problem = await reason_of(connection, "cloud-unreachable")
        assert "no answer in time" in problem.cause()
        with pytest.raises(Problem, match="does not answer"):
            await connection.wait_connected(0.01)


async def test_a_token_that_cannot_be_made_is_a_problem_and_tried_again(obedient: ObedientHub) -> None:
    tokens = [Secret("not base64!"), KEY]

    async def token(expiry: int) -> str:
        return await key_tokens(HUB, CAMERA, tokens.pop(0))(expiry)

    async with HubConnection(obedient.endpoint, HUB, CAMERA, token, replace(QUICK, backoff=Backoff(0.2))) as connection:
        await reason_of(connection, "key-malformed")
        await connection.wait_connected(10)


async def test_a_lost_connection_is_named_and_made_again(obedient: ObedientHub, connection: HubConnection) -> None:
    times = 0

    async def count() -> None:
        nonlocal times
        times += 1

    connection.on_connected(count)
    await connection.wait_connected(10)
    obedient.drop()
    await obedient.until_visits(2)
    await obedient.until(1, Subscribe)
    await connection.send(Message(b""))
    assert times == 2


# Subscriptions


async def test_subscriptions_are_renewed_when_the_hub_has_forgotten_the_session(
    obedient: ObedientHub, connection: HubConnection
) -> None:
    """Contract 1.4."""

    async def handler(_: str, __: Message) -> None: ...

    connection.on_input(handler)
    wanted = {TWIN_RESPONSES, inputs_filter(CAMERA)}
    assert filters_of((await obedient.until(1, Subscribe))[0]) == wanted
    obedient.drop()
    await obedient.until_visits(2)
    assert filters_of((await obedient.until(1, Subscribe, 1))[0]) == wanted

    obedient.orders.session = True
    obedient.drop()
    await obedient.until_visits(3)
    await connection.send(Message(b""))
    assert not [packet for packet in obedient.visits[2].received if isinstance(packet, Subscribe)]


async def test_a_handler_that_comes_later_is_subscribed_for_at_once(
    obedient: ObedientHub, connection: HubConnection
) -> None:
    await connection.wait_connected(10)

    async def handler(_: str, __: Json) -> tuple[int, Json]:
        return 200, None

    connection.on_method(handler)
    assert filters_of((await obedient.until(2, Subscribe))[1]) == {METHOD_CALLS}


async def test_a_refused_subscription_is_a_problem_but_the_rest_works(obedient: ObedientHub) -> None:
    obedient.orders.grants = False
    async with connection_to(obedient.endpoint) as connection:
        await connection.wait_connected(10)
        await connection.send(Message(b""))
        assert (await reason_of(connection, "subscription-refused")).values["filter"] == TWIN_RESPONSES


@pytest.mark.parametrize("turns", range(5))
async def test_closing_just_as_the_line_breaks_is_closing(connection: HubConnection, turns: int) -> None:
    """Whichever comes first, by some turns of the loop: nobody connects again behind it."""
    await connection.wait_connected(10)
    client = connection._link.client
    assert client is not None
    client._ended.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await connection.close()
    assert connection.state is ConnectionState.CLOSED
