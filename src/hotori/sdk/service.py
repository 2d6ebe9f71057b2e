"""The client of those who manage a hub: its registry, twins, methods, deployments and events, over HTTPS."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any
from urllib.parse import quote

import httpx

from hotori.model.connection_string import ServiceConnection
from hotori.model.identity import Identity
from hotori.model.json import Json, JsonObject
from hotori.model.sas import sign
from hotori.mqtt.bag import encode_bag
from hotori.net.tls import client_context
from hotori.problems import Problem
from hotori.problems.identity import TOKEN_REFUSED
from hotori.problems.network import CLOUD_UNREACHABLE
from hotori.problems.service import PARENT_UNKNOWN, SERVICE_FAILED
from hotori.sdk.backoff import Backoff
from hotori.sdk.device_view import DeviceView
from hotori.sdk.event_stream import EventReader
from hotori.sdk.http_problem import transport_problem

__all__ = ["DeviceView", "MethodAnswer", "ServiceClient"]

_API_VERSION = "2021-04-12"
_TOKEN_LIFE = 3600
_TIMEOUT = 30.0
_SILENCE = 45.0
"""Seconds without a byte after which an event stream counts as lost; a living one speaks every 15."""
_PAGE = 1000
_FEEDBACK = "/messages/serviceBound/feedback"
_NOTHING = 204


@dataclass(frozen=True, slots=True)
class MethodAnswer:
    """What a device answered to a method: its own status, and a JSON value."""

    status: int
    payload: Json


class ServiceClient:
    """One hub, with a policy's rights; `async with ServiceClient(connection, ca) as client`.

    `ca` is the file of the authority to trust; None trusts what the system trusts. Every method raises the
    problem `cloud-unreachable` or `certificate-untrusted` where no answer came, `token-refused` or
    `token-expired` where the policy's key is not good, and else the problem that the hub tells.
    """

    def __init__(
        self,
        connection: ServiceConnection,
        ca: Path | None = None,
        *,
        clock: Callable[[], float] = time.time,
        backoff: Backoff | None = None,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._hub = connection.host.partition(":")[0]
        self._http = httpx.AsyncClient(
            base_url=f"https://{connection.host}", verify=client_context(ca), timeout=_TIMEOUT, trust_env=False
        )

    async def __aenter__(self) -> ServiceClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def add_device(
        self, name: str, *, edge: bool = False, parent: str | None = None, authentication: JsonObject | None = None
    ) -> DeviceView:
        """Register a device; `parent` is the edge device to stand behind, `authentication` the contract's (2.2).

        Raises `device-exists`, `name-invalid`, `parent-unknown`.
        """
        wanted: JsonObject = {"deviceId": name, "capabilities": {"iotEdge": edge}}
        if authentication is not None:
            wanted["authentication"] = authentication
        if parent is not None:
            scope = await self._scope(parent)
            wanted |= {"parentScopes": [scope]} if edge else {"deviceScope": scope}
        return DeviceView(self._hub, await self._ask("PUT", _path(Identity(name)), wanted))

    async def device_certificate(self, name: str, request: str) -> str:
        """A certificate of the cloud's authority (PEM, its chain behind it) for a request (PKCS#10, PEM).

        Raises `device-unknown`, `certificate-request-refused`.
        """
        answer = await self._ask("POST", f"{_path(Identity(name))}/certificate", {"csr": request})
        return str(answer["certificate"])

    async def devices(self) -> list[DeviceView]:
        """Every device, in the order of their names."""
        found: list[DeviceView] = []
        while True:
            after = {"after": found[-1].name} if found else {}
            page = await self._ask("GET", "/devices", query={"top": str(_PAGE), **after})
            found += [DeviceView(self._hub, document) for document in page]
            if len(page) < _PAGE:
                return found

    async def device(self, name: str) -> DeviceView:
        """Raises `device-unknown`."""
        return DeviceView(self._hub, await self._ask("GET", _path(Identity(name))))

    async def set_enabled(self, name: str, enabled: bool) -> DeviceView:
        """Allow a device to connect, or not; one that is connected and may not any more is disconnected."""
        wanted: JsonObject = {"status": "enabled" if enabled else "disabled"}
        return DeviceView(self._hub, await self._ask("PUT", _path(Identity(name)), wanted, {"If-Match": "*"}))

    async def remove_device(self, name: str) -> None:
        """Remove a device with its modules and twins. Raises `device-unknown`."""
        await self._ask("DELETE", _path(Identity(name)), headers={"If-Match": "*"})

    async def modules(self, device: str) -> list[DeviceView]:
        """The modules of a device. Raises `device-unknown`."""
        documents = await self._ask("GET", f"{_path(Identity(device))}/modules")
        return [DeviceView(self._hub, document) for document in documents]

    async def add_module(self, identity: Identity) -> DeviceView:
        """Register a module on a device by hand. Raises `device-unknown`, `module-exists`."""
        wanted: JsonObject = {"deviceId": identity.device, "moduleId": identity.module}
        return DeviceView(self._hub, await self._ask("PUT", _path(identity), wanted))

    async def remove_module(self, identity: Identity) -> None:
        """Remove a module with its twin. Raises `device-unknown`, `module-unknown`."""
        await self._ask("DELETE", _path(identity), headers={"If-Match": "*"})

    async def twin(self, identity: Identity) -> JsonObject:
        """The full twin (contract 2.3). Raises `device-unknown`, `module-unknown`."""
        twin: JsonObject = await self._ask("GET", _path(identity, "twins"))
        return twin

    async def patch_twin(
        self, identity: Identity, desired: JsonObject | None = None, tags: JsonObject | None = None
    ) -> JsonObject:
        """Merge into desired properties and tags (null removes); the twin after it. Raises `twin-invalid`."""
        patch: JsonObject = {"properties": {"desired": desired}} if desired is not None else {}
        if tags is not None:
            patch["tags"] = tags
        twin: JsonObject = await self._ask("PATCH", _path(identity, "twins"), patch)
        return twin

    async def invoke(
        self,
        identity: Identity,
        method: str,
        payload: Json = None,
        response_timeout: float = 30.0,
        connect_timeout: float = 0.0,
    ) -> MethodAnswer:
        """Call a method; times in seconds (5 to 300, 0 to 300). Raises `device-offline`, `method-unanswered`."""
        wanted: JsonObject = {
            "methodName": method,
            "payload": payload,
            "responseTimeoutInSeconds": response_timeout,
            "connectTimeoutInSeconds": connect_timeout,
        }
        patience = response_timeout + connect_timeout + _TIMEOUT
        answer = await self._ask("POST", f"{_path(identity, 'twins')}/methods", wanted, timeout=patience)
        return MethodAnswer(int(answer["status"]), answer.get("payload"))

    async def apply_manifest(self, device: str, document: JsonObject) -> None:
        """Deploy a manifest to an edge device; with a fault in it nothing is changed.

        Raises `manifest-malformed`, `route-invalid` and others of that area, `not-an-edge-device`.
        """
        content = document.get("content", document)
        await self._ask("POST", f"{_path(Identity(device))}/applyConfigurationContent", content)

    async def query(self, text: str) -> list[JsonObject]:
        """All rows of a query (contract 2.5). Raises `query-invalid`."""
        return await self.pages("POST", "/devices/query", {"query": text})

    async def pages(self, method: str, path: str, body: Json = None) -> list[JsonObject]:
        """What comes in pages, whole."""
        rows: list[JsonObject] = []
        headers = {"x-ms-max-item-count": str(_PAGE)}
        while True:
            response = await self._send(method, path, body, headers)
            rows += response.json()
            continuation = response.headers.get("x-ms-continuation")
            if not continuation:
                return rows
            headers = {**headers, "x-ms-continuation": continuation}

    async def send_to_device(
        self,
        device: str,
        body: bytes,
        properties: Mapping[str, str] = MappingProxyType({}),
        *,
        message_id: str | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        ack: str | None = None,
        time_to_live: float | None = None,
    ) -> None:
        """Queue a message for a device. Raises `device-unknown`, `device-queue-full`, `message-too-large`.

        `ack` asks for feedback: positive, negative or full. Seconds to live: an hour unless given, at most two days.
        """
        expiry = None if time_to_live is None else datetime.fromtimestamp(self._clock() + time_to_live, UTC)
        named = {
            "iothub-ack": ack,
            "iothub-expiry": expiry.isoformat() if expiry else None,
            "iothub-messageid": message_id,
            "iothub-contenttype": content_type,
            "iothub-contentencoding": content_encoding,
            "hotori-properties": encode_bag(properties) or None,
        }
        headers = {name: value for name, value in named.items() if value is not None}
        await self._send("POST", f"{_path(Identity(device))}/messages/devicebound", body, headers)

    async def event(self, offset: int) -> JsonObject:
        """The event at an offset, or the first after it. Raises `event-missing` where there is none."""
        event: JsonObject = await self._ask("GET", f"/messages/events/{offset}")
        return event

    async def feedback(self) -> list[JsonObject]:
        """What became of messages that asked for it (contract 2.8), as far as it is known; told once."""
        records: list[JsonObject] = []
        while (response := await self._send("GET", _FEEDBACK)).status_code != _NOTHING:
            records += response.json()
            await self._send("DELETE", f"{_FEEDBACK}/{response.headers['etag'].strip(chr(34))}")
        return records

    async def purge_messages(self, device: str) -> int:
        """Let go of the messages that wait for a device; how many. Raises `device-unknown`."""
        answer = await self._ask("DELETE", f"{_path(Identity(device))}/commands")
        return int(answer["totalMessagesPurged"])

    async def metrics(self) -> str:
        """The cloud's metrics, in Prometheus's text format."""
        return (await self._send("GET", "/metrics")).text

    async def problems(self) -> list[Problem]:
        """What is wrong with the cloud's hub itself."""
        return [Problem.from_document(document) for document in await self._ask("GET", "/problems")]

    async def events(
        self,
        from_: str | int = "latest",
        device: str | None = None,
        *,
        group: str | None = None,
        choose: Mapping[str, str] = MappingProxyType({}),
    ) -> AsyncGenerator[JsonObject, None]:
        """Messages of the hub's devices, for ever: from "earliest", "latest", an offset or a time (RFC 3339) on.

        `choose` are `module`, `output` and `filter`, a condition as in routes. As one of the readers of a `group`, the
        events from its checkpoints on; see `checkpoint`. A connection that is lost later is made again, and the
        stream goes on where it broke off. Raises where the first connection cannot be made, and where the hub
        refuses one.
        """
        query = {"from": str(from_), "api-version": _API_VERSION, **choose}
        query |= {name: value for name, value in (("device", device), ("group", group)) if value}
        reader = EventReader()
        attempt = 0
        while True:
            try:
                async with aclosing(self._follow(reader, query)) as stream:
                    async for data in stream:
                        attempt = 0
                        yield json.loads(data)
            except Problem as problem:
                if reader.last_id is None or problem.code != CLOUD_UNREACHABLE.code:
                    raise
            reader.restart()
            await asyncio.sleep(self._backoff.delay(attempt, random.random()))  # noqa: S311 - no secret
            attempt += 1

    async def checkpoint(self, group: str, done: Mapping[int, int]) -> None:
        """Remember that a consumer group is done with the events up to these: offsets by partition.

        Raises `consumer-group-unknown`.
        """
        partitions: JsonObject = {str(partition): offset for partition, offset in done.items()}
        await self._ask("POST", f"/messages/groups/{quote(group, safe='')}/checkpoint", {"partitions": partitions})

    async def _follow(self, reader: EventReader, query: Mapping[str, str]) -> AsyncGenerator[str, None]:
        """The data of events until the connection ends."""
        headers = {"Authorization": self._token(), "Accept": "text/event-stream"}
        if reader.last_id is not None:
            headers["Last-Event-ID"] = reader.last_id
        timeout = httpx.Timeout(_TIMEOUT, read=_SILENCE)
        try:
            async with self._http.stream(
                "GET", "/messages/events", params=dict(query), headers=headers, timeout=timeout
            ) as response:
                if not response.is_success:
                    await response.aread()
                    raise self._refusal(response)
                async for line in response.aiter_lines():
                    data = reader.feed(line)
                    if data is not None:
                        yield data
        except httpx.TransportError as error:
            raise transport_problem(self._connection.host, error) from error

    async def ask(
        self,
        method: str,
        path: str,
        body: Json = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = _TIMEOUT,
    ) -> Any:
        """One request to a part of the service API that has a client of its own; the JSON value of the answer."""
        return await self._ask(method, path, body, headers, timeout=timeout)

    async def _scope(self, parent: str) -> str:
        view = await self.device(parent)
        if not view.edge or view.scope is None:
            raise Problem(PARENT_UNKNOWN, parent=parent)
        return view.scope

    async def _ask(
        self,
        method: str,
        path: str,
        body: Json = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        timeout: float = _TIMEOUT,
    ) -> Any:
        """The JSON value of the answer; None where it has none."""
        response = await self._send(method, path, body, headers, query, timeout)
        return response.json() if response.content else None

    async def _send(
        self,
        method: str,
        path: str,
        body: Json | bytes = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        timeout: float = _TIMEOUT,
    ) -> httpx.Response:
        sent = {"Authorization": self._token(), **(headers or {})}
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        if content is not None:
            sent.setdefault("Content-Type", "application/json; charset=utf-8")
        params = {"api-version": _API_VERSION, **(query or {})}
        try:
            response = await self._http.request(
                method, path, params=params, headers=sent, content=content, timeout=timeout
            )
        except httpx.TransportError as error:
            raise transport_problem(self._connection.host, error) from error
        if not response.is_success:
            raise self._refusal(response)
        return response

    def _token(self) -> str:
        return sign(self._hub, self._connection.key, int(self._clock()) + _TOKEN_LIFE, self._connection.policy)

    def _refusal(self, response: httpx.Response) -> Problem:
        """The problem that the hub tells; or ours, where something else answered."""
        evidence = f"HTTP {response.status_code} {response.text[:300]}"
        try:
            return Problem.from_document(response.json()["problem"])
        except (ValueError, KeyError, TypeError):
            pass
        if response.status_code in (401, 403):
            reason = f"HTTP status {response.status_code}"
            return Problem(TOKEN_REFUSED, evidence, identity=f"policy {self._connection.policy}", reason=reason)
        return Problem(SERVICE_FAILED, evidence, address=self._connection.host, status=response.status_code)


def _path(identity: Identity, collection: str = "devices") -> str:
    module = f"/modules/{quote(identity.module, safe='')}" if identity.module else ""
    return f"/{collection}/{quote(identity.device, safe='')}{module}"
