"""A container of an object store that somebody lends by a shared access signature: blobs go in and come out."""

from __future__ import annotations

import ssl
from urllib.parse import quote, urlsplit

import httpx

from hotori.model.secret import Secret
from hotori.problems import Problem
from hotori.problems.service import REQUEST_MALFORMED
from hotori.problems.storage import LENT_CONTAINER_REFUSED
from hotori.sdk.http_problem import transport_problem

_VERSION = "2021-08-06"
_SECONDS = 120.0


class SasContainer:
    """`url` is `https://host/container?token`; the token is a secret and stays out of every text.

    Raises `request-malformed` for what is no such address.
    """

    def __init__(self, url: str, context: ssl.SSLContext) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or not parts.query:
            raise Problem(REQUEST_MALFORMED, reason="sasUrl is not the address of a container with its token")
        self._place = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._address = parts.netloc
        self._token = Secret(parts.query)
        self._context = context

    async def put(self, name: str, data: bytes, content_type: str, encoding: str | None = None) -> None:
        """Store one blob. Raises `lent-container-refused`, `cloud-unreachable`."""
        headers = {"x-ms-version": _VERSION, "x-ms-blob-type": "BlockBlob", "Content-Type": content_type}
        if encoding:
            headers["x-ms-blob-content-encoding"] = encoding
        await self._send("PUT", name, headers, data)

    async def get(self, name: str) -> bytes:
        """One whole blob. Raises `lent-container-refused`, `cloud-unreachable`."""
        return (await self._send("GET", name, {"x-ms-version": _VERSION})).content

    async def _send(self, method: str, name: str, headers: dict[str, str], data: bytes | None = None) -> httpx.Response:
        address = f"{self._place}/{quote(name)}"
        url = f"{address}?{self._token.reveal()}"
        async with httpx.AsyncClient(verify=self._context, timeout=_SECONDS, trust_env=False) as http:
            try:
                response = await http.request(method, url, content=data, headers=headers)
            except httpx.TransportError as error:
                raise transport_problem(self._address, error) from error
        if not response.is_success:
            code = response.headers.get("x-ms-error-code", "no code")
            raise Problem(LENT_CONTAINER_REFUSED, f"HTTP {response.status_code} {code}", blob=address, code=code)
        return response
