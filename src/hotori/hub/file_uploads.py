"""Files that devices put into the object store themselves: grants for one blob each, and what came of them
(contract 1.10).

The hub sees no content: a device asks where to put a file, puts it there, and says that it did.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from hotori.hub.moment import written_time
from hotori.hub.service_bound import ServiceBound, ServiceQueue
from hotori.model.json import JsonObject
from hotori.model.secret import Secret
from hotori.problems import Problem
from hotori.problems.service import REQUEST_MALFORMED, UPLOADS_FULL
from hotori.store.records import Records

COLLECTION = "uploads"
MOST_AT_ONCE = 10
"""Uploads of one device that may be under way."""
GRANT_SECONDS = 3600.0
_LONGEST_NAME = 1024


@dataclass(frozen=True, slots=True)
class BlobGrant:
    """Leave to write one blob at `https://{host}/{container}/{blob}{token}`; the token begins with `?`."""

    host: str
    container: str
    token: Secret


@dataclass(frozen=True, slots=True)
class BlobFacts:
    """A blob that is there: where, how many bytes, and when it was last written (Unix seconds)."""

    address: str
    size: int
    modified: float


class BlobGrants(Protocol):
    """The object store, as far as uploads need it."""

    async def grant(self, blob: str, expires: float) -> BlobGrant:
        """Leave to write a blob until a moment in Unix seconds."""
        ...

    async def facts(self, blob: str) -> BlobFacts | None:
        """None where there is no such blob."""
        ...


class _Upload(msgspec.Struct, array_like=True):
    blob: str
    expires: float


class FileUploads:
    """Uploads under way, durable; `device` is the one that asks, which was authenticated before."""

    def __init__(
        self,
        records: Records,
        grants: BlobGrants,
        service_bound: ServiceBound,
        clock: Callable[[], float],
        chance: Callable[[int], bytes],
    ) -> None:
        self._records, self._grants, self._service_bound = records, grants, service_bound
        self._clock, self._chance = clock, chance

    async def begin(self, device: str, name: str) -> JsonObject:
        """Where the device may put a file of this name. Raises `uploads-full`, `request-malformed`."""
        blob = f"{device}/{name}"
        if not name or len(blob) > _LONGEST_NAME:
            raise Problem(
                REQUEST_MALFORMED, reason=f"blobName is missing, or too long ({_LONGEST_NAME} with the device)"
            )
        now = self._clock()
        if await self._under_way(device, now) >= MOST_AT_ONCE:
            raise Problem(UPLOADS_FULL, device=device, limit=MOST_AT_ONCE)
        correlation = f"{int(now)}_{self._chance(16).hex()}"
        grant = await self._grants.grant(blob, now + GRANT_SECONDS)
        upload = msgspec.msgpack.encode(_Upload(blob, now + GRANT_SECONDS))
        await self._records.put(COLLECTION, f"{device}/{correlation}", upload, expected=0)
        return {
            "correlationId": correlation,
            "hostName": grant.host,
            "containerName": grant.container,
            "blobName": blob,
            "sasToken": grant.token.reveal(),
        }

    async def end(self, device: str, correlation: str, *, success: bool) -> None:
        """The device has put the file there, or has given up; services are told of a file that is there.

        Raises `request-malformed` where the upload is not known, or where it succeeded and there is no file.
        """
        key = f"{device}/{correlation}"
        record = await self._records.get(COLLECTION, key)
        if record is None:
            raise Problem(REQUEST_MALFORMED, reason=f"there is no upload {correlation} under way")
        blob = msgspec.msgpack.decode(record.value, type=_Upload).blob
        facts = await self._grants.facts(blob) if success else None
        if success and facts is None:
            raise Problem(
                REQUEST_MALFORMED, reason=f"the upload is said to have succeeded, and there is no blob {blob}"
            )
        if facts is not None:
            await self._service_bound.tell(ServiceQueue.FILES, _notification(device, blob, facts, self._clock()))
        await self._records.delete(COLLECTION, key)

    async def _under_way(self, device: str, now: float) -> int:
        """How many there are; those whose grant is over go."""
        live = 0
        for record in await self._records.list(COLLECTION, prefix=f"{device}/"):
            if msgspec.msgpack.decode(record.value, type=_Upload).expires > now:
                live += 1
            else:
                await self._records.delete(COLLECTION, record.key)
        return live


def _notification(device: str, blob: str, facts: BlobFacts, now: float) -> JsonObject:
    return {
        "deviceId": device,
        "blobUri": facts.address,
        "blobName": blob,
        "lastUpdatedTime": written_time(facts.modified),
        "blobSizeInBytes": facts.size,
        "enqueuedTimeUtc": written_time(now),
    }
