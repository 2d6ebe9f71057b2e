"""What is wrong with the hub itself is told to people."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from hotori.hub.registry_jobs import ImportFaultError, _entry
from hotori.model.identity import Identity
from hotori.net.tls import client_context
from hotori.testing.addresses import loopback_address
from hotori.testing.cloud_hub import CloudHub

DEVICE = Identity("dev-1")


async def test_a_shared_identity_is_told_by_the_service_api(tmp_path: Path) -> None:
    async with CloudHub(tmp_path, loopback_address()) as cloud, cloud.client() as client:
        assert await client.problems() == []
        for number in range(4):
            cloud.hub.takeovers.note(DEVICE, f"a:{number}", "b:1")
        [problem] = await client.problems()
        assert problem.code == "identity-shared"
        assert "dev-1" in problem.title()
        async with httpx.AsyncClient(verify=client_context(cloud.authority.certificate), trust_env=False) as stranger:
            assert (await stranger.get(f"https://{cloud.host}/problems")).status_code == 401


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_a_body_nested_without_end_is_refused(tmp_path: Path, method: str) -> None:
    body = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    async with CloudHub(tmp_path, loopback_address()) as cloud, cloud.client() as client:
        await cloud.registry.create_device("dev-1")
        token = client._token()
        context = client_context(cloud.authority.certificate)
        async with httpx.AsyncClient(verify=context, trust_env=False) as http:
            answer = await http.request(
                method, f"https://{cloud.host}/twins/dev-1", content=body, headers={"Authorization": token}
            )
    assert answer.status_code == 400


def test_a_line_of_an_import_that_is_nested_without_end_is_named() -> None:
    with pytest.raises(ImportFaultError):
        _entry(b"[" * 100_000 + b"]" * 100_000, 1)
