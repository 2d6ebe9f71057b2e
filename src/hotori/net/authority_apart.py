"""The installation's authority for a program that should stay small: certificates are made in a process of their own.

What makes them (`authority`) loads a library of 12 MB. A device needs it once in eight months, when its listeners'
certificate is made or renewed, so it is loaded by a process that ends right after. Whether it is time is asked of TLS
itself, which every listener has loaded anyway.
"""

from __future__ import annotations

import logging
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hotori.net.certificates import IssuedCertificate, ServerCertificate
from hotori.net.tls import client_context

if TYPE_CHECKING:
    from cryptography import x509

    from hotori.net.authority import Authority

LONGEST = 60.0
"""Seconds for the process that makes a certificate: a small device takes two."""
RENEW_BELOW = 122 * 86400.0
"""Seconds left of a certificate, below which the authority is asked what it thinks of it: a little before it would
renew it."""

_log = logging.getLogger(__name__)


class AuthorityApart:
    """As `Authority`, over the same folder. Constructed by `open`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def open(cls, folder: Path) -> AuthorityApart:
        """The authority kept in `folder`; it is made there on first use. Raises what `Authority.open` does."""
        apart = cls(folder)
        if not apart.certificate.exists():
            apart._make(())
        return apart

    @property
    def certificate(self) -> Path:
        return self._folder / "root.pem"

    @property
    def pem(self) -> str:
        return self.certificate.read_text(encoding="ascii")

    def issue_server(self, names: Sequence[str]) -> ServerCertificate:
        """As `Authority.issue_server`. Blocks for as long as a process takes to start, where one must be made."""
        issued = ServerCertificate.kept(self._folder, names)
        if not serves(issued, self.certificate, names[0]):
            self._make(names)
        return issued

    def issue_module(
        self, name: str, names: Sequence[x509.GeneralName], usage: x509.ObjectIdentifier, until: datetime | None = None
    ) -> IssuedCertificate:
        """As `Authority.issue_module`, and in this process: names and usage are the library's own."""
        return self._here().issue_module(name, names, usage, until)

    def _make(self, names: Sequence[str]) -> None:
        command = [sys.executable, "-m", __name__, str(self._folder), *names]
        try:
            done = subprocess.run(command, capture_output=True, timeout=LONGEST, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            _log.warning("no process makes certificates here, so this one does: %s", error)
        else:
            if not done.returncode:
                return
        # What is wrong is found out by doing it here, where a problem can be raised as it is.
        authority = self._here()
        if names:
            authority.issue_server(names)

    def _here(self) -> Authority:
        from hotori.net.authority import Authority

        return Authority.open(self._folder)


def serves(issued: ServerCertificate, root: Path, name: str) -> bool:
    """Whether a client that trusts the root and dials `name` shakes hands with a listener that shows it, and will
    for a while. False does not mean that it is bad: a clock that is wrong is enough."""
    if not (issued.cert_path.exists() and issued.key_path.exists()):
        return False
    try:
        shown = _shown(issued, root, name)
    except (ssl.SSLError, OSError, ValueError):
        return False
    return ssl.cert_time_to_seconds(str(shown["notAfter"])) - time.time() > RENEW_BELOW


def _shown(issued: ServerCertificate, root: Path, name: str) -> dict[str, object]:
    """What a client believes of the listener's certificate, after a handshake in memory."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(issued.cert_path, issued.key_path)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = serving.wrap_bio(up, down, server_side=True)
    client = client_context(root).wrap_bio(down, up, server_hostname=name)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return dict(client.getpeercert() or {})


def main(folder: str, *names: str) -> None:
    """The process apart: make what is missing."""
    from hotori.net.authority import Authority

    authority = Authority.open(Path(folder))
    if names:
        authority.issue_server(names)


if __name__ == "__main__":
    main(*sys.argv[1:])
