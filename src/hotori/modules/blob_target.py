"""Where an uploader puts pictures: an account of an object store, which may change while it works."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from hotori.model.connection_string import StorageConnection
from hotori.problems import Problem
from hotori.problems.storage import UPLOAD_REFUSED
from hotori.sdk.storage import StorageClient, StorageRequestError

Roots: TypeAlias = Callable[[], Awaitable[str | None]]
"""Finds the PEM text of the authorities to trust; None for those of the system."""

UPLOAD_PROPERTIES = "deviceToCloudUploadProperties"
CONNECTION_STRING = "cloudStorageConnectionString"


def desired_connection(desired: Mapping[str, object]) -> str | None:
    """`deviceToCloudUploadProperties.cloudStorageConnectionString`, if the desired properties have it."""
    properties = desired.get(UPLOAD_PROPERTIES)
    text = properties.get(CONNECTION_STRING) if isinstance(properties, dict) else None
    return text if isinstance(text, str) and text else None


class BlobTarget:
    """One container of the account that is meant now. `changed` is set when another account is meant.

    `missing` is the problem to raise as long as none is.
    """

    def __init__(self, container: str, connection: StorageConnection | None, roots: Roots, missing: Problem) -> None:
        self.changed, self.missing = asyncio.Event(), missing
        self._container, self._connection, self._roots = container, connection, roots
        self._client: StorageClient | None = None
        self._left: list[StorageClient] = []
        self._opening = asyncio.Lock()

    @property
    def known(self) -> bool:
        """Whether there is an account to put pictures into."""
        return self._connection is not None

    def use(self, connection: StorageConnection | None) -> None:
        """Mean another account from now on; uploads on their way end with the old one."""
        if connection == self._connection:
            return
        self._connection = connection
        if self._client is not None:
            self._left.append(self._client)
            self._client = None
        self.changed.set()

    async def put(self, name: str, data: bytes, content_type: str, metadata: Mapping[str, str]) -> None:
        """Store a blob; makes the container where it is missing. Raises a problem where that failed."""
        client = await self._open()
        try:
            try:
                await client.put(self._container, name, data, content_type, metadata)
            except StorageRequestError as error:
                if error.code != "ContainerNotFound":
                    raise
                await client.create_container(self._container)
                await client.put(self._container, name, data, content_type, metadata)
        except StorageRequestError as error:
            raise self._refused(error) from error

    async def close(self) -> None:
        for client in (*self._left, *([self._client] if self._client else [])):
            await client.close()
        self._left, self._client = [], None

    async def _open(self) -> StorageClient:
        async with self._opening:
            while self._client is None:
                if (connection := self._connection) is None:
                    raise self.missing
                authority = await self._roots() if connection.endpoint.startswith("https") else None
                if connection is self._connection:  # no other was meant meanwhile
                    self._client = StorageClient(connection, authority)
            return self._client

    def _refused(self, error: StorageRequestError) -> Problem:
        address = self._connection.endpoint if self._connection else ""
        return Problem(UPLOAD_REFUSED, address=address, status=error.status, reason=str(error))
