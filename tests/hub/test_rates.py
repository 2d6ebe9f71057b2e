"""What an identity may say in a second (contract 1.9): who says more is slowed down, and loses nothing."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.hub.hub_problems import hub_problems
from hotori.hub.rates import BURST_SECONDS, LONGEST_REST, ClientRates, Rates
from hotori.model.identity import Identity
from hotori.model.sas import sign
from hotori.mqtt.packets import Pingreq, Pingresp, Puback, Publish
from hotori.mqtt.topics import TWIN_RESPONSES
from hotori.net.tls import client_context
from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import CloudHub
from hotori.testing.small_hub import SmallHub
from hotori.testing.wire_client import WireClient

DEVICE, OTHER = Identity("dev-1"), Identity("dev-2")
EVENTS = "devices/dev-1/messages/events/"


def test_who_keeps_to_the_rates_never_rests() -> None:
    rates = Rates(ClientRates(messages=10))
    for tenth in range(1000):
        rates.spend(DEVICE, 100, tenth / 10)
        assert rates.rest(DEVICE, tenth / 10) == 0.0


def test_a_burst_is_allowed_and_what_is_beyond_it_has_to_rest() -> None:
    rested: list[Identity] = []
    rates = Rates(ClientRates(messages=10), rested.append)
    for _ in range(20):
        rates.spend(DEVICE, 0, 0.0)
    assert rates.rest(DEVICE, 0.0) == 0.0
    rates.spend(DEVICE, 0, 0.0)
    assert rates.rest(DEVICE, 0.0) == pytest.approx(0.1)
    assert rates.rest(OTHER, 0.0) == 0.0
    assert rates.rest(DEVICE, 0.1) == 0.0
    assert rested == [DEVICE]


def test_bytes_are_limited_beside_messages_and_a_rest_has_an_end() -> None:
    rates = Rates(ClientRates(messages=1000, bytes=1000))
    rates.spend(DEVICE, 2500, 0.0)
    assert rates.rest(DEVICE, 0.0) == pytest.approx(0.5)
    rates.spend(DEVICE, 100_000, 0.0)
    assert rates.rest(DEVICE, 0.0) == LONGEST_REST


def test_new_limits_forgive_what_was_said() -> None:
    rates = Rates(ClientRates(messages=1))
    for _ in range(100):
        rates.spend(DEVICE, 0, 0.0)
    rates.limits = ClientRates()
    assert not rates.limited
    rates.limits = ClientRates(messages=1)
    assert rates.rest(DEVICE, 0.0) == 0.0


def test_identities_that_were_heard_of_long_ago_are_forgotten() -> None:
    rates = Rates(ClientRates(messages=10))
    for number in range(10_000):
        rates.spend(Identity(f"d-{number}"), 0, float(number))
    assert len(rates._done) <= 4096


@given(
    st.lists(st.tuples(st.floats(0, 10), st.integers(0, 300_000)), max_size=60),
    st.integers(1, 100),
    st.integers(1, 100_000),
)
def test_no_more_is_taken_than_a_burst_and_the_rate(said: list[tuple[float, int]], messages: int, size: int) -> None:
    """A sender that waits as long as it is told to: over any time, burst + rate x time + the last message"""
    rates = Rates(ClientRates(messages, size))
    now = 0.0
    taken_bytes = taken = last = 0
    for pause, length in said:
        now += pause
        while (rest := rates.rest(DEVICE, now)) > 0:
            now += rest + 1e-6
        rates.spend(DEVICE, length, now)
        taken, taken_bytes, last = taken + 1, taken_bytes + length, length
        allowed = BURST_SECONDS + now + 1e-3
        assert taken - 1 <= messages * allowed
        assert taken_bytes - last <= size * allowed


async def test_a_flood_is_slowed_down_and_nothing_of_it_is_lost(
    cloud: SmallHub, caplog: pytest.LogCaptureFixture
) -> None:
    """1.4, 1.9: acknowledged in order; twins and others go on; the limit is named once"""
    cloud.hub.rates.limits = ClientRates(messages=100)
    client, other = await WireClient.connect(cloud, DEVICE), await WireClient.connect(cloud, OTHER)
    began = time.monotonic()
    with caplog.at_level(logging.WARNING, logger="hotori.hub.fast_clients"):
        for first in range(1, 301, 10):
            client.send(*[Publish(EVENTS, b"", 1, number) for number in range(first, first + 10)])
            await asyncio.sleep(0)
        other.send(Pingreq())
        await other.expect(Pingresp)
        answers = [(await client.expect(Puback)).packet_id for _ in range(300)]
    assert answers == list(range(1, 301))
    assert time.monotonic() - began < 30
    # All may have been read at once: then the client rests after it.
    client.send(Pingreq())
    await client.expect(Pingresp)
    assert time.monotonic() - began > 0.9
    assert cloud.hub.fast.rests[DEVICE] >= 1
    assert [problem.code for problem in hub_problems(cloud.hub)] == ["client-too-fast"]
    assert caplog.text.count("says more than it may") == 1
    await client.close()
    await other.close()


async def test_the_rate_holds_over_connections(cloud: SmallHub) -> None:
    """Who comes again has not more to say than who stayed"""
    cloud.hub.rates.limits = ClientRates(messages=10)
    client = await WireClient.connect(cloud, DEVICE)
    client.send(*[Publish(EVENTS, b"", 1, number) for number in range(1, 41)])
    for _ in range(40):
        await client.expect(Puback)
    await client.close()
    again = await WireClient.connect(cloud, DEVICE)
    began = time.monotonic()
    again.send(Publish(EVENTS, b"", 1, 1))
    await again.expect(Puback)
    again.send(Pingreq())
    await again.expect(Pingresp)
    assert time.monotonic() - began > 1.0
    await again.close()


async def test_twin_requests_over_the_rate_are_answered_429_and_not_carried_out(cloud: SmallHub) -> None:
    """1.7: 429 throttled; every request is answered, and one that waits its time is carried out"""
    cloud.hub.rates.limits = ClientRates(messages=5)
    client = await WireClient.connect(cloud, DEVICE)
    await client.subscribe(TWIN_RESPONSES)
    client.send(
        *[Publish(f"$iothub/twin/GET/?$rid={number}", b"") for number in range(15)],
        Publish("$iothub/twin/PATCH/properties/reported/?$rid=patch", b'{"a": 1}'),
    )
    answers = [await client.expect_publish() for _ in range(16)]
    statuses = {answer.topic.partition("$rid=")[2]: answer.topic.split("/")[3] for answer in answers}
    assert list(statuses.values()).count("200") >= 10
    assert statuses["patch"] == statuses["14"] == "429"
    [refusal] = [json.loads(answer.payload) for answer in answers if answer.topic.endswith("=patch")]
    assert refusal["errorCode"] == 429
    assert "5 messages" in refusal["message"]
    assert (await cloud.hub.twins.get(DEVICE)).reported.version == 1
    assert [problem.code for problem in hub_problems(cloud.hub)] == ["client-too-fast"]
    client.send(Publish("$iothub/twin/PATCH/properties/reported/?$rid=later", b'{"a": 1}'))  # read when it may be
    assert (await client.expect_publish()).topic == "$iothub/twin/res/204/?$rid=later&$version=2"
    await client.close()


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[CloudHub]:
    async with CloudHub(tmp_path, loopback_address(), client_rates=ClientRates(bytes=1000)) as hub:
        await hub.registry.create_device("dev-1")
        yield hub


async def test_over_https_the_device_is_told_when_to_come_again(slow: CloudHub) -> None:
    """1.11, 2.11: 429 ThrottlingException"""
    key = (await slow.registry.get(DEVICE)).primary
    token = sign(f"{slow.address}/{DEVICE.path()}", key, 4_000_000_000)
    context = client_context(slow.authority.certificate)
    async with httpx.AsyncClient(base_url=f"https://{slow.host}", verify=context, trust_env=False) as http:
        http.headers["authorization"] = token
        path = "/devices/dev-1/messages/events?api-version=2021-04-12"
        assert (await http.post(path, content=bytes(6000))).status_code == 204
        refused = await http.post(path, content=b"more")
        assert (refused.status_code, refused.headers["iothub-errorcode"]) == (429, "ThrottlingException")
        assert refused.headers["retry-after"] in ("3", "4")
        assert refused.json()["problem"]["code"] == "client-too-fast"
        assert len(await slow.events.read(0)) == 1
