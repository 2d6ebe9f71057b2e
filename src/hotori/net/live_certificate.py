"""A listener's certificate that is renewed while it is served."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Sequence
from typing import Self

from hotori.net.certificates import Issuer, ServerCertificate
from hotori.problems import Problem

DAY = 24 * 3600.0
_log = logging.getLogger(__name__)


class LiveCertificate:
    """The authority's certificate for these names. As an async context manager it looks every `look` seconds.

    Whether it must be renewed is the authority's judgement, by its own clock. Connections that stand keep what they
    were made with; new ones see the new certificate.
    """

    def __init__(self, authority: Issuer, names: Sequence[str], look: float = DAY) -> None:
        self._authority, self._names, self._look = authority, tuple(names), look
        self._issued = authority.issue_server(self._names)
        self._loaded = self._issued.cert_path.read_bytes()
        self._contexts: list[ssl.SSLContext] = []
        self._task: asyncio.Task[None] | None = None

    def context(self) -> ssl.SSLContext:
        """For one listener; it is given every certificate that comes."""
        context = self._issued.context()
        self._contexts.append(context)
        return context

    def renew(self) -> bool:
        """Take a new certificate into use if it is time; whether it was. Raises the problems of the disk."""
        return self._take(self._authority.issue_server(self._names))

    def _take(self, issued: ServerCertificate) -> bool:
        self._issued = issued
        found = self._issued.cert_path.read_bytes()
        if found == self._loaded:
            return False
        for context in self._contexts:
            context.load_cert_chain(self._issued.cert_path, self._issued.key_path)
        self._loaded = found
        _log.info("the certificate of %s was renewed", self._names[0])
        return True

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._watch(), name="certificate")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._look)
            try:
                # Not on the loop: a new one may be made by another process, which takes a while to start.
                self._take(await asyncio.to_thread(self._authority.issue_server, self._names))
            except (Problem, OSError, ValueError) as error:
                _log.error("the certificate of %s could not be renewed; it is tried again: %s", self._names[0], error)
