"""The object store over HTTP: which request is which operation, and how its answer or error goes back.

Raw ASGI, because bodies are streamed to and from the disk. Any `x-ms-version` is accepted and echoed.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from hotori.model.secret import Secret
from hotori.net.http import AsgiApp, Receive, Scope, Send
from hotori.objects import blob_operations, block_operations, container_operations
from hotori.objects.authorization import authorize
from hotori.objects.blob_files import BlobFiles, Clock
from hotori.objects.call import Answer, Call, ClientGoneError, read_call
from hotori.objects.content_files import Chance, Reading
from hotori.objects.documents import CONTENT_TYPE, error_document
from hotori.objects.errors import StorageError
from hotori.problems import Problem
from hotori.problems.storage import DISK_FULL

logger = logging.getLogger(__name__)

_NEWEST_VERSION = "2026-10-06"

Handler: TypeAlias = Callable[[BlobFiles, Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Operation:
    """A handler, and the letters of which a token needs one (contract, 2)."""

    handler: Handler
    letters: str


OPERATIONS: dict[str, Operation] = {
    "GET account?list": Operation(container_operations.list_containers, "l"),
    "GET account?properties": Operation(container_operations.account_information, "r"),
    "PUT container": Operation(container_operations.create_container, "cw"),
    "GET container": Operation(container_operations.container_properties, "r"),
    "DELETE container": Operation(container_operations.delete_container, "d"),
    "GET container?list": Operation(container_operations.list_blobs, "l"),
    "GET container?metadata": Operation(container_operations.container_properties, "r"),
    "PUT container?metadata": Operation(container_operations.set_container_metadata, "w"),
    "GET container?acl": Operation(container_operations.container_policies, "r"),
    "GET container?properties": Operation(container_operations.account_information, "r"),
    "PUT blob": Operation(blob_operations.put_blob, "cw"),
    "GET blob": Operation(blob_operations.get_blob, "r"),
    "HEAD blob": Operation(blob_operations.blob_properties, "r"),
    "DELETE blob": Operation(blob_operations.delete_blob, "d"),
    "GET blob?metadata": Operation(blob_operations.get_blob_metadata, "r"),
    "HEAD blob?metadata": Operation(blob_operations.get_blob_metadata, "r"),
    "PUT blob?metadata": Operation(blob_operations.set_blob_metadata, "w"),
    "PUT blob?properties": Operation(blob_operations.set_blob_headers, "w"),
    "PUT blob?tier": Operation(blob_operations.set_blob_tier, "w"),
    "PUT blob?block": Operation(block_operations.put_block, "w"),
    "PUT blob?blocklist": Operation(block_operations.put_block_list, "cw"),
    "GET blob?blocklist": Operation(block_operations.get_block_list, "r"),
}
"""Every operation there is: method, level and `comp`."""

_ELSEWHERE = (
    "acl appendblock batch blobs copy expiry immutabilityPolicies incrementalcopy lease legalhold page pagelist"
    " properties query seal snapshot stats tags tier undelete userdelegationkey"
)
"""Values of `comp` that the contract knows and this server does not."""


def objects_app(
    store: BlobFiles,
    accounts: Mapping[str, Sequence[Secret]],
    clock: Clock = time.time,
    chance: Chance = os.urandom,
) -> AsgiApp:
    """The store for these accounts, each with its keys (base64; any one of them opens)."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await _Exchange(scope, send, str(uuid.UUID(bytes=chance(16), version=4)), clock()).run(
                store, accounts, receive
            )

    return app


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, send: Send, request: str, now: float) -> None:
        self._scope, self._send, self._request, self._now = scope, send, request, now
        self._head_only = scope["method"] == "HEAD"

    async def run(self, store: BlobFiles, accounts: Mapping[str, Sequence[Secret]], receive: Receive) -> None:
        try:
            call = read_call(self._scope, receive)
            operation = choose(call)
            answer = await operation.handler(store, authorize(call, accounts, operation.letters, self._now))
        except StorageError as error:
            answer = self._refusal(error)
        except Problem as problem:
            answer = self._failure(problem)
        except ClientGoneError:
            return
        await self._answer(answer)

    def _refusal(self, error: StorageError) -> Answer:
        headers = {**error.headers, "x-ms-error-code": error.code}
        if self._head_only or error.status == 304:
            return Answer(error.status, headers)
        body = error_document(error, self._request, self._now)
        return Answer(error.status, {**headers, "Content-Type": CONTENT_TYPE}, body)

    def _failure(self, problem: Problem) -> Answer:
        """What is wrong with this machine is for its log; the client learns what it can act on."""
        logger.error("%s: %s. %s %s", problem.code, problem.title(), problem.cause(), problem.remedy())
        code = "InsufficientStorage" if problem.kind is DISK_FULL else "InternalError"
        return self._refusal(StorageError(code, f"{problem.title()}. {problem.remedy()}"))

    async def _answer(self, answer: Answer) -> None:
        headers = {**self._common_headers(), **answer.headers}
        if answer.status != 304:
            headers["Content-Length"] = str(answer.content_length)
        raw = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": answer.status, "headers": raw})
        if isinstance(answer.body, Reading):
            await self._stream(answer.body)
        else:
            await self._send({"type": "http.response.body", "body": answer.body})

    async def _stream(self, reading: Reading) -> None:
        try:
            async for chunk in reading:
                await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
            await self._send({"type": "http.response.body", "body": b""})
        finally:
            await reading.close()

    def _common_headers(self) -> dict[str, str]:
        sent = dict(self._scope["headers"])
        headers = {
            "Server": "Hotori",
            "x-ms-request-id": self._request,
            "x-ms-version": sent.get(b"x-ms-version", _NEWEST_VERSION.encode()).decode("latin-1"),
        }
        if client_request := sent.get(b"x-ms-client-request-id"):
            headers["x-ms-client-request-id"] = client_request.decode("latin-1")
        return headers


def choose(call: Call) -> Operation:
    """The operation that a request means. Raises StorageError where there is none."""
    comp = call.parameters.get("comp", "")
    # HEAD and GET of an account or container differ only in the body, which the server leaves out.
    method = "GET" if call.method == "HEAD" and not call.blob else call.method
    operation = OPERATIONS.get(f"{method} {call.level}" + (f"?{comp}" if comp else ""))
    if operation is not None and _restype_fits(call, comp):
        return operation
    if comp in _ELSEWHERE.split():
        raise StorageError("APINotImplemented")
    if comp:
        raise StorageError("InvalidQueryParameterValue", QueryParameterName="comp", QueryParameterValue=comp)
    if call.blob:
        raise StorageError("UnsupportedHttpVerb")
    raise StorageError("InvalidUri", "Account and container requests say which they are: comp, restype.")


def _restype_fits(call: Call, comp: str) -> bool:
    if call.blob:
        return True
    wanted = "account" if comp == "properties" else "container"
    return call.parameters.get("restype", "") == wanted or (comp == "list" and not call.container)
