"""The object store as the hub's place for devices' files (contract 1.10)."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from hotori.hub.file_uploads import BlobFacts, BlobGrant
from hotori.model.secret import Secret
from hotori.objects.blob_files import BlobFiles
from hotori.objects.errors import StorageError
from hotori.objects.sas import sign_blob

CONTAINER = "device-files"


class StoreGrants:
    """One container of one account. `host` is where clients reach the account over HTTPS, as `name:port/account`."""

    def __init__(self, store: BlobFiles, account: str, key: Secret, host: Callable[[], str]) -> None:
        self._store, self._account, self._key, self._host = store, account, key, host

    async def grant(self, blob: str, expires: float) -> BlobGrant:
        """Leave to read and write the blob; the container comes to be when it is first needed."""
        try:
            await self._store.container(self._account, CONTAINER)
        except StorageError:
            await self._store.create_container(self._account, CONTAINER)
        token = sign_blob(self._account, CONTAINER, blob, self._key, permissions="rw", expires=expires)
        return BlobGrant(self._host(), CONTAINER, Secret(f"?{token.reveal()}"))

    async def facts(self, blob: str) -> BlobFacts | None:
        container = await self._store.container(self._account, CONTAINER)
        found = await self._store.blob(container, blob)
        if found is None:
            return None
        return BlobFacts(f"https://{self._host()}/{CONTAINER}/{quote(blob)}", found.size, found.modified)
