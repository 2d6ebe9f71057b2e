"""Who is known to a hub: the cloud asks its registry, an edge device the scope it was given."""

from __future__ import annotations

from typing import Protocol

from hotori.hub.registration import Registration
from hotori.model.identity import Identity


class DirectoryNotReadyError(Exception):
    """Nothing is known yet. A client must be told to come back (CONNACK 3), never that it is unauthorised."""


class Directory(Protocol):
    """Looks identities up."""

    async def find(self, identity: Identity) -> Registration | None:
        """The registration, or None where there is none. Raises DirectoryNotReadyError."""
        ...
