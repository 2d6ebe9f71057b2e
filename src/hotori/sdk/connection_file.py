"""`connect.json`: what a running cloud or edge device writes, once it is ready, for those who want to connect.

The cloud's file holds secrets (mode 0600). Its keys are public and stable: tools outside Hotori read them.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotori.model.json import JsonObject
from hotori.model.secret import Secret
from hotori.problems import Problem
from hotori.problems.storage import FILE_UNREADABLE
from hotori.store.disk import disk_problem

FILE_NAME = "connect.json"


@dataclass(frozen=True, slots=True)
class HubAddress:
    """Where a hub listens: MQTT over TLS, and HTTPS."""

    host: str
    mqtt_port: int
    https_port: int

    def document(self) -> JsonObject:
        return {"host": self.host, "mqtt_port": self.mqtt_port, "https_port": self.https_port}


@dataclass(frozen=True, slots=True)
class CloudConnection:
    """Everything that a tool needs to work with a cloud. `ca` is the path of the authority's certificate."""

    hub: HubAddress
    ca: Path
    service: Secret
    """Connection string of the policy iothubowner."""
    storage: Secret
    """Connection string of the storage account."""
    registry_address: str
    registry_username: str
    registry_password: Secret
    vision_endpoint: str
    vision_training_key: Secret
    vision_prediction_key: Secret
    portal_url: str
    portal_username: str
    portal_password: Secret
    id_scope: str = ""
    """What devices that are to be provisioned call this cloud by."""

    def document(self) -> JsonObject:
        """The file's content, secrets in clear: for a file that only its owner can read."""
        return {
            "hub": self.hub.document(),
            "ca": str(self.ca),
            "service_connection_string": self.service.reveal(),
            "storage_connection_string": self.storage.reveal(),
            "registry": {
                "address": self.registry_address,
                "username": self.registry_username,
                "password": self.registry_password.reveal(),
            },
            "vision": {
                "endpoint": self.vision_endpoint,
                "training_key": self.vision_training_key.reveal(),
                "prediction_key": self.vision_prediction_key.reveal(),
            },
            "portal": {
                "url": self.portal_url,
                "username": self.portal_username,
                "password": self.portal_password.reveal(),
            },
            "provisioning": {"id_scope": self.id_scope, "host": self.hub.host},
        }

    @classmethod
    def read(cls, path: Path) -> CloudConnection:
        """Read a cloud's file, or the one in a cloud's data folder. Raises `file-unreadable`."""
        path = path / FILE_NAME if path.is_dir() else path
        document = read_document(path)
        try:
            hub, registry, vision, portal = (document[name] for name in ("hub", "registry", "vision", "portal"))
            return cls(
                hub=HubAddress(hub["host"], hub["mqtt_port"], hub["https_port"]),
                ca=Path(document["ca"]),
                service=Secret(document["service_connection_string"]),
                storage=Secret(document["storage_connection_string"]),
                registry_address=registry["address"],
                registry_username=registry["username"],
                registry_password=Secret(registry["password"]),
                vision_endpoint=vision["endpoint"],
                vision_training_key=Secret(vision["training_key"]),
                vision_prediction_key=Secret(vision["prediction_key"]),
                portal_url=portal["url"],
                portal_username=portal["username"],
                portal_password=Secret(portal["password"]),
                id_scope=document.get("provisioning", {}).get("id_scope", ""),
            )
        except (KeyError, TypeError) as error:
            raise Problem(FILE_UNREADABLE, path=path, reason=f"it is not a cloud's connect.json ({error})") from error


def read_text(path: Path) -> str:
    """A text file. Raises `file-unreadable`."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Problem(FILE_UNREADABLE, str(error), path=path, reason=error.strerror or "unknown") from error
    except ValueError as error:
        raise Problem(FILE_UNREADABLE, str(error), path=path, reason="it is not text") from error


def read_document(path: Path) -> Any:
    """A JSON value from a file, as yet unchecked. Raises `file-unreadable`."""
    try:
        return json.loads(read_text(path))
    except ValueError as error:
        raise Problem(FILE_UNREADABLE, str(error), path=path, reason="it is not JSON") from error


def write_private(path: Path, document: JsonObject) -> None:
    """Write JSON so that only the owner can read it, and never half: a new file takes the old one's place.

    Raises `disk-full` and `disk-failed`.
    """
    text = json.dumps(document, indent=2) + "\n"
    try:
        _write_whole(path, text.encode())
    except OSError as error:
        raise disk_problem(error, path.parent) from error


def _write_whole(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
