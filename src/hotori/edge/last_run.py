"""How the device was last started, kept in its data folder for whoever looks at it from outside."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from hotori.edge.module_engine import ModuleEngine
from hotori.model.json import JsonObject
from hotori.sdk.connection_file import write_private

_FILE = "last-run.json"


@dataclass(frozen=True, slots=True)
class LastRun:
    """`listen` may be empty where it was left to the engine's network, `https_port` None where it was left open."""

    listen: str
    mqtt_port: int
    https_port: int | None
    engine: ModuleEngine | None = None

    def write(self, data: Path) -> None:
        engine: JsonObject | None = None
        if self.engine:
            engine = {"address": self.engine.address, "network": self.engine.network}
        document: JsonObject = {
            "listen": self.listen,
            "mqttPort": self.mqtt_port,
            "httpsPort": self.https_port,
            "engine": engine,
        }
        write_private(data / _FILE, document)

    @classmethod
    def read(cls, data: Path) -> LastRun | None:
        """None where the device never started, or the file is nothing that it wrote."""
        try:
            document = json.loads((data / _FILE).read_bytes())
            engine = document["engine"]
            return cls(
                str(document["listen"]),
                int(document["mqttPort"]),
                document["httpsPort"],
                ModuleEngine(str(engine["address"]), str(engine["network"])) if engine else None,
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None
