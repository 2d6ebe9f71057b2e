"""Logs and support bundles into a container that the caller lends (contract 7.1)."""

from __future__ import annotations

import gzip
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hotori.edge.log_request import BadRequestError, LogFilter, LogRequest, check_schema
from hotori.edge.support_bundle import BundleSources, support_bundle
from hotori.model.json import Json
from hotori.sdk.sas_container import SasContainer


@dataclass(frozen=True, slots=True)
class Uploader:
    """`parent` replaces `$upstream` in an address: the host above this device."""

    sources: BundleSources
    context: ssl.SSLContext
    hub: str
    device: str
    parent: str
    clock: Callable[[], float]

    def container(self, payload: Json) -> SasContainer:
        """The one that the request names. Raises BadRequestError, `request-malformed`."""
        url = check_schema(payload).get("sasUrl")
        if not isinstance(url, str) or not url:
            raise BadRequestError("sasUrl must be the address of a container with its token")
        return SasContainer(url.replace("//$upstream:", f"//{self.parent}:"), self.context)

    async def upload_logs(self, request: LogRequest, container: SasContainer) -> str:
        """One blob a module; the message of success names how many."""
        runtime = self.sources.runtime
        there = [seen.name for seen in await runtime.observe()]
        chosen = [(name, item.chosen) for item in request.items for name in item.names(there)]
        kind, suffix = ("application/json", "json") if request.as_json else ("text/plain", "log")
        for name, lines in chosen:
            log = (await runtime.logs(name, lines.lines_needed)).decode("utf-8", errors="replace")
            data = request.content(name, lines.lines(log), self.hub, self.device).encode()
            place = f"{self._prefix}/{name}-{self._now}.{suffix}"
            if request.compressed:
                await container.put(f"{place}.gz", gzip.compress(data), kind, "gzip")
            else:
                await container.put(place, data, kind)
        return f"{len(chosen)} logs were uploaded"

    async def upload_bundle(self, payload: Json, container: SasContainer) -> str:
        """The support bundle as one blob; the message of success names it."""
        request: dict[str, Any] = check_schema(payload)
        chosen = LogFilter.parse({name: request.get(name) for name in ("since", "until")}, self.clock())
        only = request.get("edgeRuntimeOnly") is True
        data = await support_bundle(self.sources, chosen, runtime_only=only)
        name = f"{self._prefix}/support-bundle-{self._now}.zip"
        await container.put(name, data, "application/zip")
        return name

    @property
    def _prefix(self) -> str:
        return f"{self.hub}/{self.device}"

    @property
    def _now(self) -> str:
        return datetime.fromtimestamp(self.clock(), UTC).strftime("%Y-%m-%d--%H-%M-%S")
