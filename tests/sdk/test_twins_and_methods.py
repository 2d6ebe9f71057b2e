"""Twins and direct methods, from the device's side."""

from __future__ import annotations

import asyncio

import pytest

from hotori.model.json import Json, JsonObject
from hotori.mqtt.packets import Publish, Subscribe
from hotori.mqtt.topics import (
    DESIRED_CHANGES,
    DesiredChange,
    MethodCall,
    MethodReply,
    parse_client_topic,
)
from hotori.problems import Problem
from hotori.problems.storage import FILE_UNREADABLE
from hotori.sdk.connection import HubConnection
from hotori.testing.obedient_hub import ObedientHub
from tests.sdk.parts import filters_of, reason_of


async def test_the_twin_is_read_and_written(obedient: ObedientHub, connection: HubConnection) -> None:
    """Contract 1.7."""
    obedient.orders.twin = b'{"desired":{"rate":2,"$version":7},"reported":{"$version":3}}'
    twin = await connection.twin()
    assert (twin.desired.values, twin.desired.version) == ({"rate": 2}, 7)
    assert (twin.reported.values, twin.reported.version) == ({}, 3)

    await connection.report({"rate": 2, "gone": None})
    assert obedient.visits[0].published()[-1].payload == b'{"rate": 2, "gone": null}'


async def test_a_twin_request_is_made_again_over_a_new_connection(
    obedient: ObedientHub, connection: HubConnection
) -> None:
    obedient.orders.answers_twins = False
    reporting = asyncio.create_task(connection.report({"a": 1}))
    await obedient.until(1, Publish)
    obedient.orders.answers_twins = True
    obedient.drop()
    await asyncio.wait_for(reporting, 10)


async def test_a_refused_patch_says_what_the_hub_says(obedient: ObedientHub, connection: HubConnection) -> None:
    obedient.orders.twin_status = 400
    with pytest.raises(Problem) as problem:
        await connection.report({"a": 1})
    assert (problem.value.code, problem.value.values["status"]) == ("twin-refused", "400")


async def test_a_twin_that_does_not_come_is_a_problem(obedient: ObedientHub, connection: HubConnection) -> None:
    obedient.orders.answers_twins = False
    await connection.wait_connected(10)
    with pytest.raises(Problem) as problem:
        await connection.twin(timeout=0.05)
    assert problem.value.code == "hub-silent"


class Told:
    """What a handler was told of desired properties."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[JsonObject, int]] = asyncio.Queue()

    async def __call__(self, patch: JsonObject, version: int) -> None:
        self.queue.put_nowait((patch, version))

    async def next(self) -> tuple[JsonObject, int]:
        return await asyncio.wait_for(self.queue.get(), 10)


async def test_desired_properties_are_followed(obedient: ObedientHub, connection: HubConnection) -> None:
    """Contract 1.4, 1.7: whole at first, then changes, then what was missed."""
    told = Told()
    obedient.orders.twin = b'{"desired":{"a":1,"b":1,"$version":4},"reported":{"$version":1}}'
    connection.on_desired(told)
    assert await told.next() == ({"a": 1, "b": 1}, 4)
    assert DESIRED_CHANGES in filters_of((await obedient.until(1, Subscribe))[0])

    obedient.visits[0].send(Publish(DesiredChange(5).format(), b'{"a":2,"$version":5}'))
    assert await told.next() == ({"a": 2}, 5)

    obedient.orders.twin = b'{"desired":{"a":2,"c":1,"$version":8},"reported":{"$version":1}}'
    obedient.drop()
    assert await told.next() == ({"b": None, "c": 1}, 8)
    assert connection.desired is not None
    assert connection.desired.values == {"a": 2, "c": 1}


async def test_a_missed_change_makes_the_whole_be_read(obedient: ObedientHub, connection: HubConnection) -> None:
    told = Told()
    connection.on_desired(told)
    assert await told.next() == ({}, 1)
    obedient.orders.twin = b'{"desired":{"a":1,"b":2,"$version":3},"reported":{"$version":1}}'
    obedient.visits[0].send(Publish(DesiredChange(3).format(), b'{"b":2,"$version":3}'))
    assert await told.next() == ({"a": 1, "b": 2}, 3)


async def test_nothing_is_told_when_nothing_changed(obedient: ObedientHub, connection: HubConnection) -> None:
    told = Told()
    connection.on_desired(told)
    await told.next()
    obedient.drop()
    await obedient.until_visits(2)
    await obedient.until(1, Publish, 1)
    obedient.visits[1].send(Publish(DesiredChange(2).format(), b'{"a":1,"$version":2}'))
    assert await told.next() == ({"a": 1}, 2)


async def test_a_handler_of_desired_properties_that_fails_is_told_of_the_next_change(
    obedient: ObedientHub, connection: HubConnection, caplog: pytest.LogCaptureFixture
) -> None:
    versions: asyncio.Queue[int] = asyncio.Queue()

    async def handler(_: JsonObject, version: int) -> None:
        versions.put_nowait(version)
        raise KeyError("rate")

    connection.on_desired(handler)
    assert await asyncio.wait_for(versions.get(), 10) == 1
    await reason_of(connection, "handler-failed")
    obedient.visits[0].send(Publish(DesiredChange(2).format(), b'{"$version":2}'))
    assert await asyncio.wait_for(versions.get(), 10) == 2


# Methods


async def call(obedient: ObedientHub, payload: bytes) -> tuple[int, bytes]:
    """Call a method over the newest connection; the reply's status and body."""
    obedient.visits[-1].send(Publish(MethodCall("restart", "rid-1").format(), payload))
    reply = (await obedient.until(1, Publish))[-1]
    assert isinstance(reply, Publish)
    topic = parse_client_topic(reply.topic)
    assert isinstance(topic, MethodReply)
    assert topic.rid == "rid-1"
    return topic.status, reply.payload


@pytest.mark.parametrize(("payload", "seen"), [(b'{"a":1}', {"a": 1}), (b"", None), (b" ", None), (b"null", None)])
async def test_a_method_is_answered(
    obedient: ObedientHub, connection: HubConnection, payload: bytes, seen: Json
) -> None:
    """Contract 1.8: an empty body is null."""

    async def handler(name: str, payload: Json) -> tuple[int, Json]:
        return 202, [name, payload]

    connection.on_method(handler)
    await connection.wait_connected(10)
    status, body = await call(obedient, payload)
    assert (status, body.startswith(b'["restart", ')) == (202, True)
    assert (seen is None) == (b"null" in body)


async def test_a_method_that_fails_is_answered_with_500(
    obedient: ObedientHub, connection: HubConnection, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(_: str, __: Json) -> tuple[int, Json]:
        raise RuntimeError("the lens is stuck")

    connection.on_method(handler)
    await connection.wait_connected(10)
    assert await call(obedient, b"") == (500, b'{"message": "RuntimeError: the lens is stuck"}')


async def test_a_problem_of_a_method_travels_to_its_caller(
    obedient: ObedientHub, connection: HubConnection, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(_: str, __: Json) -> tuple[int, Json]:
        raise Problem(FILE_UNREADABLE, path="/dev/video0", reason="busy")

    connection.on_method(handler)
    await connection.wait_connected(10)
    status, body = await call(obedient, b"")
    assert status == 500
    assert b'"code": "file-unreadable"' in body


async def test_a_payload_that_is_not_json_is_answered_with_400(
    obedient: ObedientHub, connection: HubConnection
) -> None:
    async def handler(_: str, __: Json) -> tuple[int, Json]:
        return 200, None

    connection.on_method(handler)
    await connection.wait_connected(10)
    assert (await call(obedient, b"{"))[0] == 400


async def test_a_method_without_a_handler_is_answered_with_404(
    obedient: ObedientHub, connection: HubConnection
) -> None:
    await connection.wait_connected(10)
    assert (await call(obedient, b""))[0] == 404


async def test_methods_run_beside_each_other(obedient: ObedientHub, connection: HubConnection) -> None:
    together = asyncio.Barrier(2)

    async def handler(_: str, __: Json) -> tuple[int, Json]:
        await together.wait()
        return 200, None

    connection.on_method(handler)
    await connection.wait_connected(10)
    for rid in "ab":
        obedient.visits[-1].send(Publish(MethodCall("m", rid).format(), b""))
    assert len(await obedient.until(2, Publish)) == 2
