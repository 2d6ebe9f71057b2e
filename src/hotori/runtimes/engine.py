"""The connection to a container engine: its API over its socket, and who it is.

It will not know modules: containers, images and networks are its words.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiodocker import Docker
from aiodocker.exceptions import DockerError

from hotori.model.platform import Platform
from hotori.problems import Problem
from hotori.problems.engines import ENGINE_FORBIDDEN, ENGINE_TOO_OLD, ENGINE_UNREACHABLE

_OLDEST = (1, 41)
_CONNECT = 10.0
_NO_CONNECTION = 900
"""The status that aiodocker gives to an engine that cannot be reached."""


class EngineRefusedError(Exception):
    """The engine answered, and would not do it. `text` is its words, which tell more than the status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status, self.text = status, text


@dataclass(frozen=True, slots=True)
class EngineIdentity:
    """`podman` marks the engine that misreports in known ways."""

    version: str
    platform: Platform
    podman: bool


class Engine:
    """One engine. `address` is `unix:///run/docker.sock` or `tcp://host:port`. Nothing is opened before it is used."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._docker: Docker | None = None
        self._identity: EngineIdentity | None = None

    @property
    def local(self) -> bool:
        """Whether the engine sees the files of this machine."""
        return self.address.startswith("unix://")

    @property
    def docker(self) -> Docker:
        """The client, for what has no verb here."""
        if self._docker is None:
            timeout = aiohttp.ClientTimeout(total=None, connect=_CONNECT)
            self._docker = Docker(self.address, timeout=timeout)
        return self._docker

    async def identity(self) -> EngineIdentity:
        """Who answers. Raises `engine-unreachable`, `engine-forbidden` and `engine-too-old`."""
        if self._identity is None:
            version = await self.get("version")
            info = await self.get("info")
            spoken = str(version["ApiVersion"])
            if tuple(int(part) for part in spoken.split(".")) < _OLDEST:
                wanted = ".".join(str(part) for part in _OLDEST)
                values = {"address": self.address, "version": version["Version"], "found": spoken, "wanted": wanted}
                raise Problem(ENGINE_TOO_OLD, f"ApiVersion {spoken}", **values)
            names = [part["Name"] for part in version.get("Components") or ()]
            self._identity = EngineIdentity(
                str(version["Version"]), _platform(version, info), any("Podman" in name for name in names)
            )
        return self._identity

    async def get(self, path: str, **query: str) -> Any:
        return await self.call("GET", path, query=query)

    async def post(self, path: str, body: Any = None, **query: str) -> Any:
        return await self.call("POST", path, body, query)

    async def call(self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None) -> Any:
        """The answer's JSON, None where there is none. Raises EngineRefusedError, `engine-unreachable`, …"""
        async with self.stream(method, path, body, query or {}) as answer:
            content = (await answer.read()).strip()
        # Podman answers some calls with the word OK, and JSON under any type.
        return json.loads(content) if content[:1] in (b"{", b"[") else None

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer that is read as it comes; what breaks on the way is the engine's, too. A path with a slash in
        front is taken as it is: podman has calls beside those of Docker."""
        with self._reached():
            version = await self._version()
            url = self.docker.docker_host + (path if path.startswith("/") else f"/{version}/{path}")
            sent = {"Content-Type": "application/json", **(headers or {})}
            data = None if body is None else json.dumps(body).encode()
            async with self.docker.session.request(
                method, url, params=dict(query or {}), data=data, headers=sent
            ) as answer:
                if answer.status >= 400:
                    raise EngineRefusedError(answer.status, _words(await answer.read()))
                yield answer

    async def close(self) -> None:
        if self._docker is not None:
            await self._docker.close()
            self._docker = None

    async def _version(self) -> str:
        """The engine's own API version, asked once."""
        if self.docker.api_version == "auto":
            try:
                self.docker.api_version = f"v{(await self.docker.version())['ApiVersion']}"
            except DockerError as error:
                if error.status == _NO_CONNECTION:
                    raise self._unreachable(error) from error
                raise EngineRefusedError(error.status, error.message) from error
        return self.docker.api_version

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> Problem:
        reason = str(error) or type(error).__name__
        kind = ENGINE_FORBIDDEN if "ermission denied" in reason else ENGINE_UNREACHABLE
        return Problem(kind, reason, address=self.address, reason=reason)


def _platform(version: Any, info: Any) -> Platform:
    """The daemon's own architecture, not the kernel's; the variant of a 32-bit ARM only the kernel tells."""
    platform = Platform.parse(f"{version['Os']}/{version['Arch']}")
    if platform.architecture != "arm":
        return platform
    kernel = Platform.parse(str(info.get("Architecture", "")))
    return Platform("arm", kernel.variant or "v7")


def _words(content: bytes) -> str:
    try:
        document = json.loads(content)
    except ValueError:
        return content.decode(errors="replace").strip()
    # Podman's own part of the API says `cause` beside `message`; the message holds it.
    return str(document.get("message") or document) if isinstance(document, dict) else str(document)
