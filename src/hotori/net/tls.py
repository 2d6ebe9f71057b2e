"""TLS as every listener and client of ours speaks it: 1.2 and 1.3.

1.2 stays because a widely used device client pins it.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Protocol

from hotori.problems import Problem
from hotori.problems.storage import FILE_UNREADABLE


class ServesTls(Protocol):
    """What a listener shows its clients."""

    def context(self) -> ssl.SSLContext:
        """A context of its own for each listener."""
        ...


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """A context for a listener; both files are PEM, the chain's leaf first. Raises `file-unreadable`.

    `load_cert_chain` on the result takes renewed files into use for connections from then on.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    # One ticket instead of two for each connection: devices reconnect one at a time.
    context.num_tickets = 1
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        raise _unreadable(certificate, error) from error
    return context


def client_context(authority: Path | str | None = None) -> ssl.SSLContext:
    """A context that trusts one authority and nothing else; None trusts what the system trusts.

    A `Path` names a PEM file, a `str` is the PEM text itself. Raises `file-unreadable`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if authority is None:
        context.load_default_certs()
        return context
    try:
        text = authority.read_text(encoding="ascii") if isinstance(authority, Path) else authority
        context.load_verify_locations(cadata=text)
    except (OSError, ValueError) as error:
        raise _unreadable(authority if isinstance(authority, Path) else "the authority's certificate", error) from error
    return context


def _unreadable(path: Path | str, error: Exception) -> Problem:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Problem(FILE_UNREADABLE, str(error), path=path, reason=reason)
