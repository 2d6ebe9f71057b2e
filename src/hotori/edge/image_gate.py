"""Images for devices below, handed through from above: what they pull as `$upstream:443/...` (contract 11.4).

Nothing is kept here. Whoever pulls shows the registry's own credentials, which go on with the request.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from types import TracebackType

import httpx
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from hotori.model.json import JsonObject
from hotori.sdk.http_problem import transport_problem

_TIMEOUT = httpx.Timeout(30.0, pool=None)
_ASKED = ("authorization", "accept", "range", "if-range", "if-none-match")
_TOLD = (
    "content-type",
    "content-length",
    "content-range",
    "accept-ranges",
    "docker-content-digest",
    "docker-distribution-api-version",
    "etag",
    "www-authenticate",
)


class ImageGate:
    """The reading half of the distribution API, answered by the registry above. An async context manager."""

    def __init__(self, address: str, context: ssl.SSLContext, scheme: str = "https") -> None:
        self._address = address
        self._client = httpx.AsyncClient(
            base_url=f"{scheme}://{address}", verify=context, timeout=_TIMEOUT, trust_env=False, follow_redirects=True
        )

    async def __aenter__(self) -> ImageGate:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._client.aclose()

    def routes(self) -> list[Route]:
        return [Route("/v2/{rest:path}", self._hand_through, methods=["GET", "HEAD"])]

    async def _hand_through(self, request: Request) -> Response:
        headers = _chosen(request.headers, _ASKED)
        asked = self._client.build_request(
            request.method, request.url.path, params=request.query_params, headers=headers
        )
        try:
            answer = await self._client.send(asked, stream=True)
        except httpx.HTTPError as error:
            problem = transport_problem(self._address, error)
            words: JsonObject = {"code": "UNKNOWN", "message": f"{problem.title()}. {problem.cause()}"}
            return JSONResponse({"errors": [words]}, 503)
        told = _chosen(answer.headers, _TOLD)
        return StreamingResponse(answer.aiter_raw(), answer.status_code, told, background=BackgroundTask(answer.aclose))


def _chosen(headers: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: headers[name] for name in names if name in headers}
