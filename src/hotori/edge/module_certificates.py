"""Certificates that modules ask their device for (contract 6.3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hotori.net.certificates import IssuedCertificate, Issuer

# Few modules ask for one, and the library is 12 MB: see net/authority_apart.


@dataclass(frozen=True, slots=True)
class ModuleCertificates:
    """Issued by the device's own authority, which everybody trusts who has the trust bundle.

    Both raise ValueError for a time that has passed, and for a name that cannot stand in a certificate.
    """

    authority: Issuer
    hub: str
    device: str

    def identity(self, module: str, until: datetime | None = None) -> IssuedCertificate:
        """With which the module shows who it is."""
        from cryptography import x509
        from cryptography.x509.oid import ExtendedKeyUsageOID

        name = x509.UniformResourceIdentifier(f"azureiot://{self.hub}/devices/{self.device}/modules/{module}")
        return self.authority.issue_module(module, [name], ExtendedKeyUsageOID.CLIENT_AUTH, until)

    def server(self, module: str, common_name: str, until: datetime | None = None) -> IssuedCertificate:
        """For a listener of the module, which is dialled by this name or the module's own."""
        from cryptography import x509
        from cryptography.x509.oid import ExtendedKeyUsageOID

        from hotori.net.authority import general_name

        names = [general_name(common_name), x509.DNSName(module.removeprefix("$"))]
        return self.authority.issue_module(common_name, names, ExtendedKeyUsageOID.SERVER_AUTH, until)
