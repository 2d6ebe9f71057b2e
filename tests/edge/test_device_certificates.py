"""An edge device that shows a certificate instead of signing tokens, and has it renewed (contract 1.3, 11.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hotori.edge.device import EdgeRules
from hotori.edge.enrolment import EnrolmentFile, ParentEdge
from hotori.edge.main import EdgeConfig, run_edge
from hotori.edge.membership import settle
from hotori.edge.scope import ScopeRules
from hotori.hub.thumbprint import thumbprint_of
from hotori.model.connection_string import IdentityConnection
from hotori.model.identity import EDGE_AGENT, Identity
from hotori.model.json import JsonObject
from hotori.model.secret import Secret
from hotori.net.authority import Authority
from hotori.net.own_certificate import CertificateRequest, OwnCertificate
from hotori.net.tls import client_context
from hotori.problems import Problem
from hotori.sdk.connection_file import HubAddress
from hotori.testing.addresses import loopback_address
from hotori.testing.certificates import Signer
from tests.edge.whole_cloud import WholeCloud, whole_cloud

AGENT = f"edge-1/modules/{EDGE_AGENT}"
SOON = timedelta(hours=1)


def own(signer: Signer, folder: Path) -> OwnCertificate:
    return OwnCertificate.read(*signer.write(folder, "own"))


def issued(cloud: WholeCloud, name: str, life: timedelta = SOON) -> OwnCertificate:
    """A certificate of the cloud's authority; an hour is less than a third of what it was made for."""
    authority = Authority.open(cloud.folder / "cloud" / "authority")
    request = CertificateRequest.make(name)
    public = x509.load_pem_x509_csr(request.text.encode()).public_key()
    leaf = authority.issue_client(name, public, life)
    return request.answered(leaf.public_bytes(Encoding.PEM).decode() + authority.pem)


def known_by(certificate: OwnCertificate) -> JsonObject:
    der = x509.load_pem_x509_certificate(certificate.chain.encode()).public_bytes(Encoding.DER)
    return {"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": thumbprint_of(der)}}


async def register(
    cloud: WholeCloud, certificate: OwnCertificate | None, authentication: JsonObject, **more: Any
) -> EnrolmentFile:
    draft = {"deviceId": "edge-1", "capabilities": {"iotEdge": True}, "authentication": authentication, **more}
    (await cloud.client.put("/devices/edge-1", json=draft)).raise_for_status()
    hub, ca = cloud.connection.hub, await asyncio.to_thread(cloud.connection.ca.read_text)
    connection = IdentityConnection(hub.host, Identity("edge-1"), Secret(""))
    return EnrolmentFile(connection, ca, hub, certificate=certificate)


@asynccontextmanager
async def edge(folder: Path, enrolment: EnrolmentFile | None, name: str = "edge-1") -> AsyncIterator[HubAddress]:
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    rules = EdgeRules(look=0.2, certificates=0.2, scope=ScopeRules(miss=0.3, retry=0.3))
    address = loopback_address()
    config = EdgeConfig(folder / name, enrolment, address, address, https_port=0, rules=rules)
    running = asyncio.create_task(run_edge(config, stop, lambda _, hub: ready.set_result(hub)))
    await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    try:
        yield await ready
    finally:
        stop.set()
        await running


async def applied(cloud: WholeCloud) -> None:
    """An empty deployment has gone down and its report has come up."""
    await cloud.deploy("edge-1", {})
    await cloud.reported(AGENT, lambda values: values.get("lastDesiredStatus", {}).get("code") == 200)


async def test_an_edge_device_known_by_its_thumbprint_works_and_starts_again_with_what_it_kept(tmp_path: Path) -> None:
    shown = own(Signer.self_signed("edge-1", timedelta(days=9)), tmp_path)
    async with whole_cloud(tmp_path, loopback_address()) as cloud:
        enrolment = await register(cloud, shown, known_by(shown))
        async with edge(tmp_path, enrolment):
            await applied(cloud)
    async with edge(tmp_path, None):  # offline, with what it kept
        kept = EnrolmentFile.read(tmp_path / "edge-1" / "enrolment.json")
    assert kept.certificate == shown


async def test_an_edge_device_with_a_certificate_of_a_registered_authority_works(tmp_path: Path) -> None:
    factory = Signer.root()
    shown = own(factory.issue("line", authority=True).issue("edge-1", life=timedelta(days=9)), tmp_path)
    async with whole_cloud(tmp_path, loopback_address()) as cloud:
        (await cloud.client.put("/certificates/factory", json={"certificate": factory.pem})).raise_for_status()
        async with edge(tmp_path, await register(cloud, shown, {"type": "certificateAuthority"})):
            await applied(cloud)


@pytest.mark.parametrize("by_thumbprint", [False, True])
async def test_a_certificate_of_the_clouds_authority_is_renewed_while_the_device_runs(
    tmp_path: Path, by_thumbprint: bool
) -> None:
    async with whole_cloud(tmp_path, loopback_address()) as cloud:
        first = issued(cloud, "edge-1")
        kind: JsonObject = known_by(first) if by_thumbprint else {"type": "certificateAuthority"}
        enrolment = await register(cloud, first, kind)
        async with edge(tmp_path, enrolment):
            async with asyncio.timeout(20):
                while (renewed := kept_certificate(tmp_path)) == first:
                    await asyncio.sleep(0.05)
            await applied(cloud)
        # The unit gives the old file at every start; the younger certificate stays in force.
        async with edge(tmp_path, enrolment):
            await applied(cloud)
        assert kept_certificate(tmp_path) == renewed
        assert renewed.ends - first.ends > 80 * 86400
        assert await answer_to(cloud, renewed) == 200
        assert await answer_to(cloud, first) == 200, "an answer that is lost must lock nobody out"


def kept_certificate(folder: Path) -> OwnCertificate:
    found = EnrolmentFile.read(folder / "edge-1" / "enrolment.json").certificate
    assert found is not None
    return found


async def answer_to(cloud: WholeCloud, shown: OwnCertificate) -> int:
    """What the cloud answers to who shows this and asks for the device's modules."""
    return (await asked(cloud, shown, "GET", "/devices/edge-1/modules")).status_code


async def asked(
    cloud: WholeCloud, shown: OwnCertificate, method: str, path: str, body: JsonObject | None = None
) -> httpx.Response:
    hub, context = cloud.connection.hub, client_context(cloud.connection.ca)
    shown.show(context)
    base = f"https://{hub.host}:{hub.https_port}"
    async with httpx.AsyncClient(base_url=base, verify=context, trust_env=False) as http:
        return await http.request(method, path, params={"api-version": "2021-04-12"}, json=body)


async def test_a_certificate_of_somebody_else_that_ends_soon_is_told_of_in_the_report(tmp_path: Path) -> None:
    shown = own(Signer.self_signed("edge-1", SOON), tmp_path)
    async with (
        whole_cloud(tmp_path, loopback_address()) as cloud,
        edge(tmp_path, await register(cloud, shown, known_by(shown))),
    ):
        told = await cloud.reported(AGENT, lambda values: values.get("problems"))
    assert [problem["code"] for problem in told["problems"]] == ["device-certificate-ending"]
    assert told["problems"][0]["severity"] == "warning"
    assert kept_certificate(tmp_path) == shown


async def test_the_cloud_issues_no_certificate_to_a_device_that_shows_somebody_elses(tmp_path: Path) -> None:
    shown = own(Signer.self_signed("edge-1"), tmp_path)
    async with whole_cloud(tmp_path, loopback_address()) as cloud:
        await register(cloud, shown, known_by(shown))
        requests = {
            "foreign": CertificateRequest.make("edge-1").text,
            "another": CertificateRequest.make("edge-2").text,
            "none": "-----BEGIN",
        }
        answers = {
            name: await asked(cloud, shown, "POST", "/devices/edge-1/certificate", {"csr": text})
            for name, text in requests.items()
        }
    found = {name: (answer.status_code, answer.json()["problem"]["code"]) for name, answer in answers.items()}
    assert found == dict.fromkeys(requests, (403, "certificate-request-refused"))


async def test_no_certificate_is_issued_for_a_device_that_signs_tokens_nor_to_another_device(tmp_path: Path) -> None:
    async with whole_cloud(tmp_path, loopback_address()) as cloud:
        await cloud.enrol("by-key")
        body = {"csr": CertificateRequest.make("by-key").text}
        by_key = await cloud.client.post("/devices/by-key/certificate", json=body)
        shown = issued(cloud, "edge-1")
        await register(cloud, shown, {"type": "certificateAuthority"})
        other = await asked(cloud, shown, "POST", "/devices/by-key/certificate", body)
    assert (by_key.status_code, by_key.json()["problem"]["code"]) == (403, "certificate-request-refused")
    assert (other.status_code, other.json()["problem"]["code"]) == (401, "credentials-differ")


async def test_a_device_with_another_certificate_than_the_registered_one_says_what_is_wrong(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    right, wrong = Signer.self_signed("edge-1"), Signer.self_signed("edge-1")
    async with whole_cloud(tmp_path, loopback_address()) as cloud:
        enrolment = await register(cloud, own(wrong, tmp_path), known_by(own(right, tmp_path)))
        async with edge(tmp_path, enrolment):
            async with asyncio.timeout(15):
                while "certificate of edge-1 was refused" not in caplog.text:
                    await asyncio.sleep(0.05)
    assert "neither of the registered thumbprints" in caplog.text


def test_without_its_certificate_the_device_does_not_start(tmp_path: Path) -> None:
    connection = IdentityConnection.parse("HostName=hub;DeviceId=edge-1;x509=true", certificates=True)
    enrolment = EnrolmentFile(connection, "", HubAddress("hub", 8883, 443))
    with pytest.raises(Problem, match="none was given") as caught:
        settle(tmp_path, enrolment)
    assert caught.value.code == "certificate-unusable"


@pytest.mark.parametrize(
    ("certificate", "key", "words"),
    [
        ("a.pem", "b.key", "not the certificate's"),
        ("a.key", "a.key", "not PEM"),
        ("a.pem", "a.pem", "without a passphrase"),
        ("a.pem", "missing", "No such file"),
    ],
)
def test_files_that_do_not_make_a_certificate_are_refused_by_name(
    tmp_path: Path, certificate: str, key: str, words: str
) -> None:
    for name in "ab":
        Signer.self_signed(name).write(tmp_path, name)
    with pytest.raises(Problem, match=words) as caught:
        OwnCertificate.read(tmp_path / certificate, tmp_path / key)
    assert caught.value.code == "certificate-unusable"


async def test_an_edge_device_with_a_certificate_works_behind_another_edge_device(tmp_path: Path) -> None:
    """11.2: the parent takes the certificate that it knows from its scope; only the cloud renews it."""
    async with (
        whole_cloud(tmp_path, loopback_address()) as cloud,
        edge(tmp_path, await cloud.enrol("top"), "top") as above,
    ):
        scope = (await cloud.client.get("/devices/top")).json()["deviceScope"]
        below = await register(cloud, issued(cloud, "edge-1"), {"type": "certificateAuthority"}, parentScopes=[scope])
        ca = await asyncio.to_thread((tmp_path / "top" / "authority" / "root.pem").read_text)
        async with edge(tmp_path, replace(below, parent=ParentEdge(above, ca))):
            await applied(cloud)
            told = await cloud.reported(AGENT, lambda values: values.get("problems"))
    assert [problem["code"] for problem in told["problems"]] == ["device-certificate-ending"]
    assert "behind another edge device" in told["problems"][0]["cause"]["en"]
