"""An edge device that fetches its identity on its first start, and starts without a cloud from then on."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hotori.edge.enrolment import EnrolmentFile
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.sdk.enrolments import EnrolmentClient
from hotori.testing.addresses import loopback_address
from hotori.testing.certificates import Signer
from hotori.testing.cloud_hub import CloudHub
from tests.provisioning.test_enrolments import KEY, enrol


async def start(arguments: Sequence[str], key: str = KEY.reveal()) -> Any:
    """Run the program until it is ready; what it said then."""
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hotori.cli",
        *arguments,
        env={"PATH": "/usr/bin:/bin", "HOTORI_PROVISIONING_KEY": key, "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert program.stdout is not None
    assert program.stderr is not None
    try:
        async with asyncio.timeout(60):
            line = await program.stdout.readline()
            return json.loads(line or await program.stderr.read())
    finally:
        if program.returncode is None:
            program.terminate()
        await program.communicate()


def arguments(cloud: CloudHub, folder: Path) -> list[str]:
    return [
        *("edge", "run", "--json", "--data", str(folder / "edge"), "--listen", loopback_address(), "--no-metrics"),
        *("--provisioning-host", cloud.address, "--hub-https-port", str(cloud.https_port)),
        *("--id-scope", cloud.provisioning.scope, "--registration-id", "reg-1"),
        *("--ca", str(cloud.authority.certificate)),
    ]


async def test_a_device_provisions_itself_once_and_then_starts_without_a_cloud(tmp_path: Path) -> None:
    async with CloudHub(tmp_path / "cloud", loopback_address()) as cloud:
        await enrol(cloud, "reg-1", deviceId="edge-1", capabilities={"iotEdge": True})
        words = arguments(cloud, tmp_path)
        first = await start(words)
    second = await start(words)
    assert (first["ready"], first["device"]) == (second["ready"], second["device"]) == (True, "edge-1")


async def test_a_device_with_a_wrong_key_is_told_so(tmp_path: Path) -> None:
    async with CloudHub(tmp_path / "cloud", loopback_address()) as cloud:
        await enrol(cloud, "reg-1", deviceId="edge-1", capabilities={"iotEdge": True})
        told = await start(arguments(cloud, tmp_path), key="d3Jvbmc=")
    assert told["problem"]["code"] == "applicant-refused"
    assert not (tmp_path / "edge" / "enrolment.json").exists()


def by_certificate(cloud: CloudHub, folder: Path, signer: Signer) -> list[str]:
    """Without a registration id: the certificate's common name is it."""
    certificate, key = signer.write(folder, "own")
    words = arguments(cloud, folder)
    at = words.index("--registration-id")
    return [*words[:at], *words[at + 2 :], "--certificate", str(certificate), "--private-key", str(key)]


@pytest.mark.parametrize("group", [False, True])
async def test_a_device_provisions_itself_with_its_certificate_and_its_hub_knows_it_by_that(
    tmp_path: Path, group: bool
) -> None:
    """12.3: TLS client certificate; for one device its own, for a group one of an authority"""
    root = Signer.root()
    own = root.issue("line", authority=True).issue("edge-1") if group else Signer.self_signed("edge-1")
    member = "signingCertificates" if group else "clientCertificates"
    shown = {"primary": {"certificate": (root if group else own).pem}}
    async with CloudHub(tmp_path / "cloud", loopback_address()) as cloud:
        async with cloud.client() as service:
            document: JsonObject = {
                "attestation": {"type": "x509", "x509": {member: shown}},
                "capabilities": {"iotEdge": True},
            }
            await EnrolmentClient(service, group=group).create("line-7" if group else "edge-1", document)
        words = by_certificate(cloud, tmp_path, own)
        first = await start(words)
        registered = await cloud.registry.get(Identity("edge-1"))
    second = await start(words)
    assert (first["device"], second["device"]) == ("edge-1", "edge-1")
    assert (registered.edge, registered.primary_thumbprint) == (True, own.thumbprint())
    kept = EnrolmentFile.read(tmp_path / "edge" / "enrolment.json")
    assert kept.connection.by_certificate
    assert kept.certificate is not None


async def test_a_device_with_a_certificate_that_nobody_enrolled_is_told_so(tmp_path: Path) -> None:
    async with CloudHub(tmp_path / "cloud", loopback_address()) as cloud:
        told = await start(by_certificate(cloud, tmp_path, Signer.self_signed("edge-1")))
    assert told["problem"]["code"] == "enrolment-unknown"


async def test_a_device_with_another_certificate_than_the_enrolled_one_is_told_so(tmp_path: Path) -> None:
    shown = {"clientCertificates": {"primary": {"certificate": Signer.self_signed("edge-1").pem}}}
    async with CloudHub(tmp_path / "cloud", loopback_address()) as cloud:
        async with cloud.client() as service:
            await EnrolmentClient(service).create("edge-1", {"attestation": {"type": "x509", "x509": shown}})
        told = await start(by_certificate(cloud, tmp_path, Signer.self_signed("edge-1")))
        ended = Signer.self_signed("edge-1", timedelta(days=-1))
        late = await start(by_certificate(cloud, tmp_path, ended))
    assert told["problem"]["code"] == late["problem"]["code"] == "applicant-refused"
    assert "not valid today" in late["problem"]["title"]["en"]


async def test_a_private_key_of_another_certificate_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    async with CloudHub(tmp_path / "cloud", loopback_address()) as cloud:
        words = by_certificate(cloud, tmp_path, Signer.self_signed("edge-1"))
        words[-1] = str(Signer.self_signed("edge-1").write(tmp_path, "other")[1])
        told = await start(words)
    assert told["problem"]["code"] == "certificate-unusable"


async def test_the_provision_command_writes_an_enrolment_file_with_the_certificate(tmp_path: Path) -> None:
    own, ticket = Signer.self_signed("edge-1"), tmp_path / "edge-1.json"
    shown = {"clientCertificates": {"primary": {"certificate": own.pem}}}
    certificate, key = own.write(tmp_path, "own")
    async with CloudHub(tmp_path / "cloud", loopback_address()) as cloud:
        async with cloud.client() as service:
            document: JsonObject = {"attestation": {"type": "x509", "x509": shown}, "capabilities": {"iotEdge": True}}
            await EnrolmentClient(service).create("edge-1", document)
        words = ["edge", "provision", "--json", "--certificate", str(certificate), "--private-key", str(key)]
        where = ["--host", cloud.address, "--hub-https-port", str(cloud.https_port), "--ca"]
        scope = ["--id-scope", cloud.provisioning.scope, "--write", str(ticket)]
        told = await start([*words, *where, str(cloud.authority.certificate), *scope])
        listen = ["--listen", loopback_address(), "--no-metrics"]
        begun = await start(
            ["edge", "run", "--json", "--data", str(tmp_path / "edge"), "--enrolment", str(ticket), *listen]
        )
    assert (told["device"], begun["device"]) == ("edge-1", "edge-1")
