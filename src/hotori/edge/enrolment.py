"""The enrolment file: everything that a device must know of its cloud, in one file that `hotori device add` writes."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hotori.model.connection_string import IdentityConnection
from hotori.model.json import JsonObject
from hotori.model.manifest import RegistryCredential
from hotori.model.secret import Secret
from hotori.net.own_certificate import OwnCertificate
from hotori.net.tls import client_context
from hotori.problems import Problem, Words
from hotori.problems.certificates import CERTIFICATE_UNUSABLE
from hotori.problems.storage import FILE_UNREADABLE
from hotori.sdk.connection_file import HubAddress, read_document, write_private

_NO_CERTIFICATE = Words("none was given", "指定されていません")
_OTHER = Words("it is not an enrolment file", "登録ファイルではありません")


@dataclass(frozen=True, slots=True)
class ParentEdge:
    """The edge device that stands between this one and its cloud: where it listens, and its authority (PEM text)."""

    address: HubAddress
    ca: str

    def document(self) -> JsonObject:
        return {**self.address.document(), "ca": self.ca}


@dataclass(frozen=True, slots=True)
class EnrolmentFile:
    """Who the device is, which authority it trusts (PEM text) and where its cloud listens, or its parent does.

    `certificate` shows who it is where its connection has no key.
    """

    connection: IdentityConnection
    ca: str
    hub: HubAddress
    registry: RegistryCredential | None = None
    parent: ParentEdge | None = None
    certificate: OwnCertificate | None = field(default=None, repr=False)

    def checked(self) -> EnrolmentFile:
        """Itself. Raises `certificate-unusable` where a certificate is needed and there is none."""
        if self.connection.by_certificate and self.certificate is None:
            raise Problem(CERTIFICATE_UNUSABLE, where=self.connection.identity.device, reason=_NO_CERTIFICATE)
        return self

    def context(self) -> ssl.SSLContext:
        """For connections to the cloud or parent in which the device shows who it is."""
        context = client_context(self.trusted)
        if self.connection.by_certificate and self.certificate is not None:
            self.certificate.show(context)
        return context

    @property
    def above(self) -> HubAddress:
        """Where the device dials: its parent where it has one, else the cloud."""
        return self.parent.address if self.parent else self.hub

    @property
    def trusted(self) -> str:
        """The authorities that it trusts, as PEM text."""
        return self.ca + (self.parent.ca if self.parent else "")

    @property
    def registries(self) -> tuple[RegistryCredential, ...]:
        """Its own credentials for images: at the cloud's registry, and at its parent, which hands images through."""
        if self.registry is None:
            return ()
        if self.parent is None:
            return (self.registry,)
        above = f"{self.parent.address.host}:{self.parent.address.https_port}"
        return (self.registry, replace(self.registry, address=above))

    @classmethod
    def read(cls, path: Path) -> EnrolmentFile:
        """Raises `file-unreadable` and `connection-string-malformed`."""
        document = read_document(path)
        try:
            registry, parent, shown = (document.get(name) for name in ("registry", "parent", "certificate"))
            return cls(
                connection=IdentityConnection.parse(document["connectionString"], certificates=True),
                ca=str(document["ca"]),
                hub=_address(document["hub"]),
                registry=registry
                and RegistryCredential(registry["address"], registry["username"], Secret(registry["password"])),
                parent=ParentEdge(_address(parent), str(parent["ca"])) if parent else None,
                certificate=OwnCertificate.from_document(shown, path) if shown else None,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Problem(FILE_UNREADABLE, repr(error), path=path, reason=_OTHER) from error

    def document(self) -> JsonObject:
        """The file's content, with the device's key: for a file that only its owner can read."""
        document: JsonObject = {
            "connectionString": self.connection.format(),
            "ca": self.ca,
            "hub": self.hub.document(),
        }
        if self.registry:
            document["registry"] = {
                "address": self.registry.address,
                "username": self.registry.username,
                "password": self.registry.password.reveal(),
            }
        if self.parent:
            document["parent"] = self.parent.document()
        if self.certificate:
            document["certificate"] = self.certificate.document()
        return document

    def write(self, path: Path) -> None:
        """Write it with mode 0600."""
        write_private(path, self.document())


def _address(document: dict[str, Any]) -> HubAddress:
    return HubAddress(str(document["host"]), int(document["mqtt_port"]), int(document["https_port"]))
