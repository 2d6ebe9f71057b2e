"""The agent's metrics (contract 7.3): what its reports say over time, and the machine."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hotori import __version__
from hotori.edge.deployment import OK
from hotori.edge.performer import Outcome
from hotori.hub.metrics import Family, Kind
from hotori.hub.process_metrics import host_cpu, host_memory, host_uptime
from hotori.model.json import JsonObject
from hotori.model.summary import Summary
from hotori.problems import Problem
from hotori.reconcile.steps import CreateModule, PullImage, RemoveModule, StartModule, Step, StopModule
from hotori.runtimes.module_runtime import ModuleRuntime, ModuleUsage

_PATIENCE = 5.0
"""Seconds: Prometheus waits ten."""
_COMMANDS: Mapping[type[Step], str] = {
    PullImage: "prepareUpdate",
    CreateModule: "create",
    StartModule: "start",
    StopModule: "stop",
    RemoveModule: "remove",
}
_USED: Sequence[tuple[str, str, Callable[[ModuleUsage], int | None]]] = (
    ("edgeAgent_used_memory_bytes", "Memory in use", lambda usage: usage.memory),
    ("edgeAgent_created_pids_total", "Processes that run", lambda usage: usage.processes),
    ("edgeAgent_total_network_in_bytes", "Received", lambda usage: usage.received or None),
    ("edgeAgent_total_network_out_bytes", "Sent", lambda usage: usage.sent or None),
    ("edgeAgent_total_disk_read_bytes", "Read from disk", lambda usage: usage.read or None),
    ("edgeAgent_total_disk_write_bytes", "Written to disk", lambda usage: usage.written or None),
)


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
    pulls: int = 0


@dataclass(slots=True)
class _Share:
    """The share of the machine's processors, by what was used at the last look, and when that was."""

    observed: Summary = field(default_factory=Summary)
    seen: tuple[float, float] | None = None

    def look(self, cpu: float, now: float) -> None:
        """Observe the share of the machine since the last look; a module that was started anew begins anew."""
        if self.seen is not None:
            passed, used = now - self.seen[0], cpu - self.seen[1]
            if passed > 0 and used >= 0:
                self.observed.observe(100 * used / passed / (os.cpu_count() or 1))
        self.seen = now, cpu


class AgentMeters:
    """Sees every report of the agent, and adds up what lies between two of them. Times are in seconds."""

    def __init__(self, now: float) -> None:
        self.began = self._seen_at = now
        self._modules: dict[str, _Module] = {}
        self._shares: dict[str, _Share] = {}
        self._commands: dict[str, float] = {}
        self._methods: dict[str, int] = {}
        self._deploying: tuple[int, float] | None = None
        self._deployment_seconds = 0.0

    def seen(self, report: JsonObject, now: float) -> None:
        """Modules that a report does not name any more keep their counts."""
        passed, self._seen_at = max(0.0, now - self._seen_at), now
        for module in self._modules.values():
            module.expected += passed * module.should
            module.correct += passed * (module.should and module.does)
            module.should = module.does = False
        self._deployed(report, now)
        modules: Any = report.get("modules", {})
        for name, told in modules.items():
            _take(self._modules.setdefault(name, _Module()), told)

    def deploying(self, version: int, now: float) -> None:
        """Another deployment is to be applied."""
        self._deploying = (version, now)

    def stepped(self, outcome: Outcome) -> None:
        """A step of a module ended."""
        command = _COMMANDS[type(outcome.step)]
        self._commands[command] = outcome.seconds
        if command == "prepareUpdate":
            self._modules.setdefault(outcome.step.module, _Module()).pulls += 1

    def called(self, method: str) -> None:
        """Somebody called a method that there is."""
        self._methods[method] = self._methods.get(method, 0) + 1

    def use(self, usages: Mapping[str, ModuleUsage], now: float) -> Iterator[Family]:
        """What modules have used; the share of the machine's processors is that since the last time it was asked."""
        cpu = Family("edgeAgent_used_cpu_percent", Kind.SUMMARY, "Of all processors of the machine")
        for name, seconds in {"host": host_cpu(), **{name: usage.processor for name, usage in usages.items()}}.items():
            share = self._shares.setdefault(name, _Share())
            share.look(seconds, now)
            if share.observed.count:
                cpu.add_summary(share.observed, module_name=name)
        yield cpu
        for metric, words, value in _USED:
            family = Family(metric, Kind.GAUGE, words)
            for name, usage in usages.items():
                if (used := value(usage)) is not None:
                    family.add(used, module_name=name)
            yield family

    def _deployed(self, report: JsonObject, now: float) -> None:
        status: Any = report.get("lastDesiredStatus", {})
        if self._deploying and report.get("lastDesiredVersion") == self._deploying[0] and status.get("code") == OK:
            self._deployment_seconds += max(0.0, now - self._deploying[1])
            self._deploying = None

    def families(self) -> Iterator[Family]:
        running = Family("edgeAgent_total_time_running_correctly_seconds", Kind.GAUGE, "As it should be, and running")
        expected = Family("edgeAgent_total_time_expected_running_seconds", Kind.GAUGE, "Should have been running")
        starts = Family("edgeAgent_module_start_total", Kind.COUNTER, "Starts of a module")
        stops = Family("edgeAgent_module_stop_total", Kind.COUNTER, "Ends of a module")
        pulls = Family("edgeAgent_module_prepare_update_total", Kind.COUNTER, "Images fetched for a module")
        for name, module in self._modules.items():
            pulls.add(module.pulls, module_name=name, module_version=module.version)
            running.add(module.correct, module_name=name)
            expected.add(module.expected, module_name=name)
            starts.add(module.starts, module_name=name, module_version=module.version)
            stops.add(module.stops, module_name=name, module_version=module.version)
        yield from (running, expected, starts, stops, pulls)
        yield from self._work()

    def _work(self) -> Iterator[Family]:
        latency = Family("edgeAgent_command_latency_seconds", Kind.GAUGE, "What the last step of its kind took")
        for command, seconds in self._commands.items():
            latency.add(seconds, command=command)
        calls = Family("edgeagent_direct_method_invocations_count", Kind.COUNTER, "Calls of the agent's methods")
        for method, count in self._methods.items():
            calls.add(count, method_name=method)
        taken = Family(
            "edgeAgent_deployment_time_seconds", Kind.COUNTER, "From deployments' coming until they are done"
        )
        yield from (latency, calls, taken.add(self._deployment_seconds))


async def usages_of(runtime: ModuleRuntime, modules: Iterable[str]) -> dict[str, ModuleUsage]:
    """Of those of the modules that run."""
    names = tuple(modules)
    found = await asyncio.gather(*(_usage(runtime, name) for name in names))
    return {name: usage for name, usage in zip(names, found, strict=True) if usage.processes}


async def _usage(runtime: ModuleRuntime, name: str) -> ModuleUsage:
    try:
        async with asyncio.timeout(_PATIENCE):
            return await runtime.usage(name)
    except (Problem, TimeoutError):  # it is not there yet, or its engine is not
        return ModuleUsage()


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
