"""The enrolment file: everything that a device must know of its cloud, in one file that `hotori device add` writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hotori.model.connection_string import IdentityConnection
from hotori.model.json import JsonObject
from hotori.model.manifest import RegistryCredential
from hotori.model.secret import Secret
from hotori.problems import Problem, Words
from hotori.problems.storage import FILE_UNREADABLE
from hotori.sdk.connection_file import HubAddress, read_document, write_private

_OTHER = Words("it is not an enrolment file", "登録ファイルではありません")


@dataclass(frozen=True, slots=True)
class EnrolmentFile:
    """Who the device is, which authority it trusts (PEM text) and where its cloud listens."""

    connection: IdentityConnection
    ca: str
    hub: HubAddress
    registry: RegistryCredential | None = None

    @classmethod
    def read(cls, path: Path) -> EnrolmentFile:
        """Raises `file-unreadable` and `connection-string-malformed`."""
        document = read_document(path)
        try:
            hub, registry = document["hub"], document.get("registry")
            return cls(
                connection=IdentityConnection.parse(document["connectionString"]),
                ca=str(document["ca"]),
                hub=HubAddress(str(hub["host"]), int(hub["mqtt_port"]), int(hub["https_port"])),
                registry=registry
                and RegistryCredential(registry["address"], registry["username"], Secret(registry["password"])),
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
        return document

    def write(self, path: Path) -> None:
        """Write it with mode 0600."""
        write_private(path, self.document())
