"""A credential belongs to a registry, however its port is written."""

from __future__ import annotations

import httpx
import pytest

from hotori.images.registry_auth import RegistryAuth
from hotori.model.manifest import RegistryCredential
from hotori.model.secret import Secret


@pytest.mark.parametrize(
    ("host", "url", "shown"),
    [
        ("registry.example:443", "https://registry.example:443/v2/", True),
        ("registry.example:443", "https://registry.example/v2/", True),
        ("registry.example:5000", "https://registry.example:5000/v2/", True),
        ("registry.example:5000", "https://registry.example/v2/", False),
        ("registry.example:443", "https://elsewhere.example/v2/", False),
    ],
)
async def test_the_credential_is_shown_to_its_own_registry_only(host: str, url: str, shown: bool) -> None:
    auth = RegistryAuth(host, RegistryCredential(host, "hotori", Secret("password")))
    request = await anext(auth.async_auth_flow(httpx.Request("GET", url)))
    assert ("Authorization" in request.headers) is shown
