"""HTTP as the server library speaks it, which also tells applications what certificates a client showed."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hotori.net.client_certificate import certificate_chain

CLIENT_CERTIFICATES = "client_certificates"
"""The key in a request's scope: DER, the client's own first, not judged; missing where it showed none."""


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    _certificates: tuple[bytes, ...] = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._certificates = certificate_chain(transport.get_extra_info("ssl_object"))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._certificates:
            scope: Any = self.scope
            scope[CLIENT_CERTIFICATES] = self._certificates
