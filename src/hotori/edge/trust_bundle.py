"""The authorities whose certificates devices behind an edge device may show (contract 1.3)."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from hotori.problems import Problem
from hotori.problems.storage import FILE_UNREADABLE

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class TrustBundle:
    """Their own certificates, in DER. Who gives the file vouches for them: nothing asks the cloud which it knows."""

    authorities: tuple[bytes, ...] = ()

    @classmethod
    def read(cls, path: Path) -> TrustBundle:
        """From PEM, one or more. Raises `file-unreadable`."""
        # Loaded only where there is such a file: see hub/client_certificate.
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding

        try:
            found = x509.load_pem_x509_certificates(path.read_bytes())
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise Problem(FILE_UNREADABLE, str(error), path=path, reason=reason) from error
        return cls(tuple(each.public_bytes(Encoding.DER) for each in found))

    def with_text(self, pem: str) -> TrustBundle:
        """And those in the text, taken as they are: the library that reads certificates is not loaded here."""
        more = (ssl.PEM_cert_to_DER_cert(each) for each in _CERTIFICATE.findall(pem))
        return TrustBundle(tuple(dict.fromkeys((*self.authorities, *more))))

    async def trusted(self) -> tuple[bytes, ...]:
        return self.authorities
