"""What `$edgeAgent` reports (contract 4.1), from values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hotori import __version__
from hotori.diagnosis.evidence import blot
from hotori.diagnosis.fold import fold
from hotori.edge.deployment import OK, Deployment, Judgement
from hotori.edge.image_collector import ImageCounts
from hotori.edge.own_twin import key_safe
from hotori.edge.times import NEVER, iso_time
from hotori.model.json import Json, JsonObject
from hotori.model.manifest import LAST_IN_ORDER, ModuleSpec
from hotori.problems import Problem
from hotori.reconcile.restart import RestartState
from hotori.reconcile.runtime_status import RuntimeStatus
from hotori.runtimes.image_shelf import Disk
from hotori.runtimes.module_runtime import Health, ModuleObservation

_CHUNK = 512
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class ModuleReport:
    """One module: as desired, as seen, and what is known of its troubles."""

    spec: ModuleSpec
    status: RuntimeStatus
    why: str
    observation: ModuleObservation | None = None
    memory: RestartState = field(default_factory=RestartState)
    problems: Sequence[Problem] = ()
    next_attempt: float = 0.0


@dataclass(frozen=True, slots=True)
class AgentReport:
    """The whole report: the deployment that was read last, and the judgement on one."""

    deployment: Deployment
    judgement: Judgement
    modules: Mapping[str, ModuleReport] = field(default_factory=dict)
    architecture: str = ""
    started_at: float = 0.0
    problems: Sequence[Problem] = ()
    images: ImageCounts | None = None
    disk: Disk | None = None
    program: JsonObject | None = None

    def document(self) -> JsonObject:
        """Reported properties. Passwords of registries are left out, unlike in the original."""
        desired: Any = self.deployment.desired
        settings = desired.get("runtime", {}).get("settings", {}) if self.deployment.code == OK else {}
        document: JsonObject = {
            "schemaVersion": "1.0",
            "version": {"version": __version__, "build": "", "commit": ""},
            "lastDesiredVersion": self.judgement.version,
            "lastDesiredStatus": {"code": self.judgement.code, "description": self.judgement.description[:_LONGEST]},
            "runtime": {
                "type": "docker",
                "settings": {name: settings.get(name) or "" for name in ("minDockerVersion", "loggingOptions")},
                "platform": {"os": "linux", "architecture": self.architecture, "version": __version__},
            },
            "systemModules": {"edgeAgent": self._system(), "edgeHub": self._system()},
            "modules": {name: module_document(module) for name, module in self.modules.items()},
        }
        if self.images:
            document["images"] = self.images.document()
        if self.disk:
            document["imageDisk"] = disk_document(self.disk)
        if self.program is not None:
            document["program"] = self.program
        if self.problems:
            document["problems"] = problem_documents(self.problems)
        return document

    def _system(self) -> JsonObject:
        """Agent and hub are this program; a release has the digest of its image."""
        running = str((self.program or {}).get("running", ""))
        digest = running if ":" in running else ""
        return {
            "type": "docker",
            "runtimeStatus": "running",
            "statusDescription": "running",
            "exitCode": 0,
            "lastStartTimeUtc": iso_time(self.started_at),
            "lastExitTimeUtc": NEVER,
            "imagePullPolicy": "never",
            "settings": {"image": f"hotori:{__version__}", "imageHash": digest, "createOptions": "{}"},
            "env": {},
        }


def module_document(module: ModuleReport) -> JsonObject:
    """One module's entry. `health`, `problems` and `nextAttemptTimeUtc` are additions of ours."""
    spec, seen = module.spec, module.observation
    document: JsonObject = {
        "version": spec.version,
        "type": "docker",
        "status": spec.status.value,
        "restartPolicy": spec.restart_policy.value,
        "imagePullPolicy": spec.pull_policy.value,
        "settings": {
            "image": spec.image,
            "imageHash": seen.image_digest if seen else "",
            **_chunks(spec.create_options),
        },
        "env": {key_safe(name): {"value": value} for name, value in spec.env.items()},
        "runtimeStatus": module.status.value,
        "statusDescription": module.why,
        "exitCode": seen.exit_code if seen else 0,
        "lastStartTimeUtc": iso_time(seen.started_at if seen else 0.0),
        "lastExitTimeUtc": iso_time(seen.exited_at if seen else 0.0),
        "restartCount": module.memory.count,
        "lastRestartTimeUtc": iso_time(module.memory.restarted_at),
    }
    if spec.startup_order != LAST_IN_ORDER:
        document["startupOrder"] = spec.startup_order
    if seen and seen.health is not Health.NONE:
        document["health"] = {"status": seen.health.value, "output": blot(seen.health_output)}
    if module.next_attempt:
        document["nextAttemptTimeUtc"] = iso_time(module.next_attempt)
    if module.problems:
        document["problems"] = problem_documents(module.problems)
    return document


def disk_document(disk: Disk) -> JsonObject:
    """An addition of ours: by it the cloud's tools see beforehand whether images fit."""
    sizes: JsonObject = {"freeBytes": disk.free, "totalBytes": disk.total}
    return {"path": str(disk.path), **sizes, "downloads": disk.downloads, "baseLayers": disk.base}


def problem_documents(problems: Sequence[Problem]) -> list[Json]:
    """Problems as JSON values, symptoms folded into their causes."""
    documents: list[Json] = []
    for problem in fold(problems):
        document: Any = problem.document()
        documents.append(dict(document))
    return documents


def _chunks(options: JsonObject) -> JsonObject:
    """createOptions as text in pieces (contract 3.2)."""
    text = json.dumps(options, separators=(",", ":"))
    pieces = [text[at : at + _CHUNK] for at in range(0, len(text), _CHUNK)]
    return {f"createOptions{index:02}" if index else "createOptions": piece for index, piece in enumerate(pieces)}
