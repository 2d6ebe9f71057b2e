"""Identities that show a certificate (contract 1.3), on the wire and with the unmodified client."""

from __future__ import annotations

import asyncio
import gc
import logging
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from azure.iot.device import X509, IoTHubDeviceClient, IoTHubModuleClient
from azure.iot.device import Message as SdkMessage

from hotori.hub.client_certificate import ClientCertificate
from hotori.hub.registration import Authentication
from hotori.hub.registry import Draft
from hotori.model.identity import Identity
from hotori.model.sas import sign
from hotori.mqtt.packets import Connack, Connect
from hotori.net.tls import client_context
from hotori.testing.addresses import loopback_address
from hotori.testing.certificates import Signer
from hotori.testing.cloud_hub import CloudHub
from hotori.testing.small_hub import FAR_FUTURE
from hotori.testing.wire_client import WireClient

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
logging.getLogger("azure").setLevel(logging.ERROR)

DEVICE, MODULE = Identity("dev-1"), Identity("dev-1", "camera")
BY_AUTHORITY = Draft(authentication=Authentication.AUTHORITY)


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[CloudHub]:
    async with CloudHub(tmp_path / "cloud", loopback_address()) as hub:
        yield hub


def by_thumbprint(primary: str | None, secondary: str | None = None) -> Draft:
    return Draft(authentication=Authentication.THUMBPRINT, primary_thumbprint=primary, secondary_thumbprint=secondary)


async def dial(
    cloud: CloudHub, context: ssl.SSLContext | None, identity: Identity = DEVICE, token: str | None = None
) -> WireClient:
    """Connect, without a password if there is no token."""
    context = context or client_context(cloud.authority.certificate)
    client = WireClient(*await asyncio.open_connection(cloud.address, 8883, ssl=context))
    client.send(
        Connect(str(identity), f"{cloud.address}/{identity}/?api-version=2021-04-12", token.encode() if token else None)
    )
    return client


async def answer(cloud: CloudHub, folder: Path, signer: Signer, identity: Identity = DEVICE) -> tuple[int, str | None]:
    """The CONNACK code for a client that shows this certificate, and the problem where it is refused."""
    context = signer.show(client_context(cloud.authority.certificate), folder)
    client = await dial(cloud, context, identity)
    code = (await client.expect(Connack)).code
    await client.close()
    return code, cloud.hub.admissions.refused[-1].problem.code if code else None


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_certificate_of_a_registered_thumbprint_is_admitted(
    cloud: CloudHub, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """1.1, 1.3: self-signed; asked for and not required, in both versions of TLS"""
    own = Signer.self_signed("anything")
    await cloud.registry.create_device("dev-1", by_thumbprint(own.sha1.upper()))
    context = own.show(client_context(cloud.authority.certificate), tmp_path)
    context.maximum_version = context.minimum_version = version
    client = await dial(cloud, context)
    assert (await client.expect(Connack)).code == 0
    await client.close()


async def test_either_thumbprint_of_either_length_is_good_and_another_is_not(cloud: CloudHub, tmp_path: Path) -> None:
    """1.3"""
    first, second, stranger = (Signer.self_signed("x") for _ in range(3))
    await cloud.registry.create_device("dev-1", by_thumbprint(first.sha1, second.thumbprint()))
    assert await answer(cloud, tmp_path, first) == (0, None)
    assert await answer(cloud, tmp_path, second) == (0, None)
    assert await answer(cloud, tmp_path, stranger) == (5, "certificate-refused")


async def test_a_certificate_out_of_its_dates_is_refused(cloud: CloudHub, tmp_path: Path) -> None:
    """1.3: no check of the chain, only the dates"""
    old = Signer.self_signed("x", life=timedelta(hours=-1))
    await cloud.registry.create_device("dev-1", by_thumbprint(old.thumbprint()))
    assert await answer(cloud, tmp_path, old) == (5, "certificate-refused")


async def test_an_authoritys_certificate_in_the_devices_name_is_admitted(cloud: CloudHub, tmp_path: Path) -> None:
    """1.3: directly, and through others in between that the client sends"""
    root = Signer.root()
    await cloud.authorities.add("factory", root.pem.encode())
    await cloud.registry.create_device("dev-1", BY_AUTHORITY)
    assert await answer(cloud, tmp_path, root.issue("dev-1")) == (0, None)
    line = root.issue("line 7", authority=True).issue("robot", authority=True)
    assert await answer(cloud, tmp_path, line.issue("dev-1")) == (0, None)


async def test_a_certificate_that_proves_nothing_is_refused(cloud: CloudHub, tmp_path: Path) -> None:
    """1.3: another name (in another case, too), an authority's own, an unknown authority, one between that may not"""
    root, other = Signer.root(), Signer.root()
    await cloud.authorities.add("factory", root.pem.encode())
    await cloud.registry.create_device("dev-1", BY_AUTHORITY)
    wrong = [
        root.issue("dev-2"),
        root.issue("DEV-1"),
        root.issue("dev-1", authority=True),
        root.issue("dev-1", life=timedelta(hours=-1)),
        other.issue("dev-1"),  # of an authority with the same name and another key
        root.issue("dev-9").issue("dev-1"),
        Signer.self_signed("dev-1"),
    ]
    for signer in wrong:
        assert await answer(cloud, tmp_path, signer) == (5, "certificate-refused")


async def test_an_authority_that_is_not_verified_or_was_removed_vouches_for_nobody(
    cloud: CloudHub, tmp_path: Path
) -> None:
    root = Signer.root()
    await cloud.authorities.add("factory", root.pem.encode(), verified=False)
    await cloud.registry.create_device("dev-1", BY_AUTHORITY)
    leaf = root.issue("dev-1")
    assert await answer(cloud, tmp_path, leaf) == (5, "certificate-refused")
    asked = await cloud.authorities.new_code("factory")
    await cloud.authorities.verify("factory", root.issue(asked.code or "").pem.encode())
    assert await answer(cloud, tmp_path, leaf) == (0, None)
    await cloud.authorities.remove("factory")
    assert await answer(cloud, tmp_path, leaf) == (5, "certificate-refused")


async def test_a_client_must_show_what_it_is_registered_for(cloud: CloudHub, tmp_path: Path) -> None:
    own = Signer.self_signed("x")
    await cloud.registry.create_device("dev-1")
    assert await answer(cloud, tmp_path, own) == (5, "credentials-differ")
    await cloud.registry.create_device("dev-2", by_thumbprint(own.thumbprint()))
    client = await dial(cloud, None, Identity("dev-2"))
    assert (await client.expect(Connack)).code == 5
    assert cloud.hub.admissions.refused[-1].problem.code == "token-missing"
    await client.close()


async def test_a_device_with_a_key_may_show_a_certificate_beside_its_token(cloud: CloudHub, tmp_path: Path) -> None:
    await cloud.registry.create_device("dev-1")
    context = Signer.self_signed("x").show(client_context(cloud.authority.certificate), tmp_path)
    key = (await cloud.registry.get(DEVICE)).primary
    client = await dial(cloud, context, token=sign(f"{cloud.address}/devices/dev-1", key, FAR_FUTURE))
    assert (await client.expect(Connack)).code == 0
    await client.close()


async def test_a_connected_client_whose_thumbprint_is_replaced_is_put_out(cloud: CloudHub, tmp_path: Path) -> None:
    own, other = Signer.self_signed("x"), Signer.self_signed("y")
    await cloud.registry.create_device("dev-1", by_thumbprint(own.thumbprint(), other.thumbprint()))
    client = await dial(cloud, own.show(client_context(cloud.authority.certificate), tmp_path))
    await client.expect(Connack)
    await cloud.registry.update(DEVICE, by_thumbprint(other.thumbprint()))
    await cloud.hub.judge_again(DEVICE)
    await client.expect_closed()


def sdk_client(cloud: CloudHub, files: tuple[Path, Path], module: str | None = None) -> IoTHubDeviceClient:
    x509 = X509(str(files[0]), str(files[1]))
    trust = {"server_verification_cert": cloud.authority.pem}
    if module is not None:
        return IoTHubModuleClient.create_from_x509_certificate(x509, cloud.address, "dev-1", module, **trust)
    return IoTHubDeviceClient.create_from_x509_certificate(x509, cloud.address, "dev-1", **trust)


@pytest.mark.parametrize("module", [None, "camera"])
async def test_the_unmodified_client_connects_with_a_certificate(
    cloud: CloudHub, tmp_path: Path, module: str | None
) -> None:
    """1.3: `create_from_x509_certificate`; the hub takes modules' certificates too"""
    root = Signer.root()
    await cloud.authorities.add("factory", root.pem.encode())
    own = Signer.self_signed("camera")
    if module is None:
        await cloud.registry.create_device("dev-1", BY_AUTHORITY)
        files = root.issue("line", authority=True).issue("dev-1").write(tmp_path, "sdk")
    else:
        await cloud.registry.create_device("dev-1")
        await cloud.registry.create_module("dev-1", module, by_thumbprint(own.thumbprint()))
        files = own.write(tmp_path, "sdk")
    client = await asyncio.to_thread(sdk_client, cloud, files, module)
    try:
        await asyncio.wait_for(asyncio.to_thread(client.send_message, SdkMessage("hello")), 20)
        [event] = await cloud.events.read(0)
        assert (event.message.body, event.message.sender) == (b"hello", Identity("dev-1", module))
    finally:
        await asyncio.to_thread(client.shutdown)
        del client
        gc.collect()  # the client leaves a socket to the collector


def test_a_chain_that_goes_round_in_circles_ends() -> None:
    """Many authorities of one name and key: each seems to have issued each."""
    root = Signer.root("round")
    circle = [link for _ in range(7) for link in Signer.issue(root, "round", authority=True, key=root.key).der_chain]
    certificate = ClientCertificate.read((*root.issue("dev-1").der_chain, *circle))
    assert certificate is not None
    assert not certificate.issued_under([], 1e9)


@pytest.mark.parametrize("chain", [(), (b"",), (b"no certificate",), (b"\x30\x82" * 50,)])
def test_what_is_no_certificate_is_none(chain: tuple[bytes, ...]) -> None:
    assert ClientCertificate.read(chain) is None
