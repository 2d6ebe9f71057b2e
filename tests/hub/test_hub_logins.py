"""Keys that change, policies' tokens, those who guess, and what must never be told (contract 1.3, 2.1)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from hotori.hub.failed_logins import FailedLogins, LoginLimits
from hotori.hub.policies import Right
from hotori.hub.registry import Draft
from hotori.hub.removal import apply_change
from hotori.model.identity import Identity
from hotori.model.sas import sign
from hotori.model.secret import Secret
from hotori.mqtt.packets import Connack, Connect, Puback, Publish
from hotori.net.tls import client_context
from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import CloudHub
from hotori.testing.small_hub import FAR_FUTURE
from hotori.testing.wire_client import WireClient

DEVICE, MODULE = Identity("dev-1"), Identity("dev-1", "camera")
WRONG = Secret("V1JPTkdLRVlXUk9OR0tFWVdST05HS0VZV1JPTkdLRVk=")
EVENTS = "devices/dev-1/messages/events/"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[CloudHub]:
    async with CloudHub(tmp_path, loopback_address()) as hub:
        await hub.registry.create_device("dev-1")
        yield hub


async def dial(cloud: CloudHub, token: str, identity: Identity = DEVICE) -> tuple[WireClient, int]:
    """A client with a token, and the CONNACK's code."""
    context = client_context(cloud.authority.certificate)
    client = WireClient(*await asyncio.open_connection(cloud.address, 8883, ssl=context))
    client.send(Connect(str(identity), f"{cloud.address}/{identity}/?api-version=2021-04-12", token.encode()))
    return client, (await client.expect(Connack)).code


def token(cloud: CloudHub, key: Secret, identity: Identity = DEVICE, policy: str | None = None) -> str:
    resource = cloud.address if policy else f"{cloud.address}/{identity.path()}"
    return sign(resource, key, FAR_FUTURE, policy)


async def change(cloud: CloudHub, draft: Draft, identity: Identity = DEVICE) -> None:
    await apply_change(cloud.hub, cloud.registry, await cloud.registry.update(identity, draft))


async def alive(client: WireClient) -> bool:
    client.send(Publish(EVENTS, b"x", 1, 7))
    return (await client.expect(Puback)).packet_id == 7


async def test_keys_are_rolled_over_without_a_pause(cloud: CloudHub) -> None:
    """1.3: who is connected with the key that stays is left alone; who has the one that goes is put out"""
    device = await cloud.registry.get(DEVICE)
    client, code = await dial(cloud, token(cloud, device.secondary))
    assert code == 0
    fresh = Secret("ZnJlc2hrZXlmcmVzaGtleWZyZXNoa2V5ZnJlc2hrZXk=")
    await change(cloud, Draft(primary=fresh))
    assert await alive(client)
    await change(cloud, Draft(secondary=fresh))
    await client.expect_closed()
    assert (await dial(cloud, token(cloud, device.secondary)))[1] == 5
    client, code = await dial(cloud, token(cloud, fresh))
    assert code == 0
    await client.close()


async def test_a_device_that_is_disabled_is_put_out_with_its_modules(cloud: CloudHub) -> None:
    """1.3"""
    module = await cloud.registry.create_module("dev-1", "camera")
    first, _ = await dial(cloud, token(cloud, (await cloud.registry.get(DEVICE)).primary))
    second, code = await dial(cloud, token(cloud, module.primary, MODULE), MODULE)
    assert code == 0
    await change(cloud, Draft(enabled=False))
    await first.expect_closed()
    await second.expect_closed()
    assert (await cloud.registry.get(DEVICE)).status_updated > 0


async def test_a_policy_with_the_right_may_connect_as_a_device(cloud: CloudHub) -> None:
    """1.3, 2.1: `skn=device`"""
    for name, expected in (("device", 0), ("iothubowner", 0), ("service", 5), ("registryReadWrite", 5)):
        policy = cloud.policies.find(name)
        assert policy is not None
        client, code = await dial(cloud, token(cloud, policy.secondary, policy=name))
        assert (name, code) == (name, expected)
        assert (Right.DEVICE in policy.rights) == (code == 0)
        await client.close()
    assert (await dial(cloud, token(cloud, WRONG, policy="device")))[1] == 5
    assert (await dial(cloud, token(cloud, WRONG, policy="nobody")))[1] == 5


async def test_who_fails_too_often_is_told_to_come_back_and_the_owner_still_gets_in(tmp_path: Path) -> None:
    """1.3, trap 1: 3, and nobody is locked out by somebody else's guesses"""
    limits = LoginLimits(burst=2, seconds=3600.0, delay=0.0)
    async with CloudHub(tmp_path, loopback_address(), login_limits=limits) as cloud:
        device = await cloud.registry.create_device("dev-1")
        codes = [(await dial(cloud, token(cloud, WRONG)))[1] for _ in range(4)]
        assert codes == [5, 5, 3, 3]
        assert len(cloud.hub.admissions.refused) == 2
        client, code = await dial(cloud, token(cloud, device.primary))
        assert code == 0
        await client.close()


def test_failures_are_forgiven_with_time_and_the_oldest_are_forgotten() -> None:
    failed = FailedLogins(LoginLimits(burst=2, seconds=10.0, remembered=3))
    assert [failed.note("a", 0.0) for _ in range(4)] == [False, False, True, True]
    assert [failed.note("a", 10.0) for _ in range(2)] == [False, True]
    for name in "bcd":
        failed.note(name, 10.0)
    assert not failed.note("a", 10.0)


async def test_no_refusal_tells_a_key_or_a_signature(cloud: CloudHub, caplog: pytest.LogCaptureFixture) -> None:
    """Every refusal that there is, with keys that would be recognised anywhere."""
    caplog.set_level(logging.DEBUG)
    device = await cloud.registry.update(DEVICE, Draft(primary=WRONG))
    good = device.secondary
    tokens = [
        token(cloud, Secret("bm90dGhla2V5bm90dGhla2V5bm90dGhla2V5bm90dGg=")),
        sign(f"{cloud.address}/devices/dev-1", good, 1),
        sign(f"{cloud.address}/devices/other", good, FAR_FUTURE),
        token(cloud, good, policy="device"),
        token(cloud, good, policy="nobody"),
        f"SharedAccessSignature sr=x&sig={good.reveal()}",
        good.reveal(),
    ]
    told: list[str] = []
    async with httpx.AsyncClient(
        base_url=f"https://{cloud.host}", verify=client_context(cloud.authority.certificate), trust_env=False
    ) as http:
        for text in tokens:
            client, code = await dial(cloud, text)
            assert code == 5
            await client.close()
            for path in (
                "/devices/dev-1",
                "/devices/dev-1/modules",
                "/enrollments/x",
                "/0ne1/registrations/dev-1/register",
            ):
                method = "PUT" if path.endswith("register") else "GET"
                response = await http.request(method, path, headers={"Authorization": text})
                assert response.status_code == 401
                told += [response.text, str(response.headers)]
        cloud.hub.admissions.refused.clear()
        await change(cloud, Draft(enabled=False))
        assert (await dial(cloud, token(cloud, good)))[1] == 5
        body = {"devices": [{"id": "dev-9"}], "policyKey": "primary"}
        told.append((await http.post("/devices/keys/regenerate", json=body)).text)
    told += [str(each.problem.document()) for each in cloud.hub.admissions.refused]
    everything = caplog.text + "".join(told)
    signatures = [text.partition("sig=")[2].partition("&")[0] for text in tokens if "sig=" in text]
    for secret in (good.reveal(), WRONG.reveal(), *(each for each in signatures if each)):
        assert secret not in everything
