"""The port for small documents: identities, twins, deployments, cursors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class VersionConflictError(Exception):
    """A write expected another version than the stored one. `found` is 0 where there is no record."""

    def __init__(self, collection: str, key: str, expected: int, found: int) -> None:
        super().__init__(f"{collection}/{key}: expected version {expected}, found {found}")
        self.expected, self.found = expected, found


@dataclass(frozen=True, slots=True)
class Record:
    """A stored document: `value` is bytes to the store; `version` starts at 1 and grows by one a write."""

    key: str
    value: bytes
    version: int


class Records(Protocol):
    """Collections of keys with versioned values, ordered by key (UTF-8 bytes).

    A write returns only when it is durable. `expected` makes it conditional: a version to replace, or 0 for
    'there must be none'; None writes whatever stands there. A write that the disk refuses raises the problem
    `disk-full` or `disk-failed` and keeps nothing of it.
    """

    async def get(self, collection: str, key: str) -> Record | None: ...

    async def put(self, collection: str, key: str, value: bytes, expected: int | None = None) -> int:
        """Store and return the new version. Raises VersionConflictError."""
        ...

    async def delete(self, collection: str, key: str, expected: int | None = None) -> bool:
        """Remove; whether there was one. Raises VersionConflictError."""
        ...

    async def list(self, collection: str, prefix: str = "", after: str = "", limit: int = 1000) -> list[Record]:
        """Up to `limit` records whose key begins with `prefix` and comes after `after`, in key order."""
        ...

    async def close(self) -> None: ...
