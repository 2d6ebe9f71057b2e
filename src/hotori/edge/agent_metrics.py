"""The agent's metrics (contract 7.3): what its reports say over time, and the machine."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotori import __version__
from hotori.hub.metrics import Family, Kind
from hotori.hub.process_metrics import host_memory, host_uptime
from hotori.model.json import JsonObject


@dataclass(slots=True)
class _Module:
    version: str = ""
    expected: float = 0.0
    correct: float = 0.0
    starts: int = 0
    stops: int = 0
    started: str = ""
    exited: str = ""
    should: bool = False
    does: bool = False


class AgentMeters:
    """Sees every report of the agent, and adds up what lies between two of them. Times are in seconds."""

    def __init__(self, now: float) -> None:
        self.began = self._seen_at = now
        self._modules: dict[str, _Module] = {}

    def seen(self, report: JsonObject, now: float) -> None:
        """Modules that a report does not name any more keep their counts."""
        passed, self._seen_at = max(0.0, now - self._seen_at), now
        for module in self._modules.values():
            module.expected += passed * module.should
            module.correct += passed * (module.should and module.does)
            module.should = module.does = False
        modules: Any = report.get("modules", {})
        for name, told in modules.items():
            _take(self._modules.setdefault(name, _Module()), told)

    def families(self) -> Iterator[Family]:
        running = Family("edgeAgent_total_time_running_correctly_seconds", Kind.GAUGE, "As it should be, and running")
        expected = Family("edgeAgent_total_time_expected_running_seconds", Kind.GAUGE, "Should have been running")
        starts = Family("edgeAgent_module_start_total", Kind.COUNTER, "Starts of a module")
        stops = Family("edgeAgent_module_stop_total", Kind.COUNTER, "Ends of a module")
        for name, module in self._modules.items():
            running.add(module.correct, module_name=name)
            expected.add(module.expected, module_name=name)
            starts.add(module.starts, module_name=name, module_version=module.version)
            stops.add(module.stops, module_name=name, module_version=module.version)
        yield from (running, expected, starts, stops)


def machine_families(data: Path, up: float) -> Iterator[Family]:
    """The machine; `data` is where the device keeps things, `up` the seconds since it was started."""
    usage = shutil.disk_usage(data)
    labels = {"disk_name": str(data), "disk_filesystem": "", "disk_filetype": ""}
    yield Family("edgeAgent_available_disk_space_bytes", Kind.GAUGE, "Free on disk").add(usage.free, **labels)
    yield Family("edgeAgent_total_disk_space_bytes", Kind.GAUGE, "Size of the disk").add(usage.total, **labels)
    total, used = host_memory()
    yield Family("edgeAgent_total_memory_bytes", Kind.GAUGE, "Memory").add(total, module_name="host")
    yield Family("edgeAgent_used_memory_bytes", Kind.GAUGE, "Memory in use").add(used, module_name="host")
    yield Family("edgeAgent_host_uptime_seconds", Kind.GAUGE, "Since the machine was started").add(host_uptime())
    yield Family("edgeAgent_iotedged_uptime_seconds", Kind.GAUGE, "Since this program was started").add(up)
    host = json.dumps({"OperatingSystemType": "linux", "Architecture": platform.machine()})
    yield Family("edgeAgent_metadata", Kind.GAUGE, "Versions").add(
        0, edge_agent_version=__version__, experimental_features="{}", host_information=host
    )


def _take(module: _Module, told: dict[str, Any]) -> None:
    started, exited = str(told.get("lastStartTimeUtc", "")), str(told.get("lastExitTimeUtc", ""))
    running = told.get("runtimeStatus") == "running"
    module.starts += running and started != module.started
    module.stops += bool(module.exited) and exited != module.exited
    module.started, module.exited = started if running else module.started, exited
    module.version = str(told.get("version", ""))
    module.should, module.does = told.get("status") == "running", running
