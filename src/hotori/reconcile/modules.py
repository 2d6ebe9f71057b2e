"""A module as it should be, and a module as it stands."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from hotori.model.json import JsonObject
from hotori.model.log_config import LogConfig, with_log_config
from hotori.model.manifest import LAST_IN_ORDER, ModuleSpec, PullPolicy, RestartPolicy, Status


@dataclass(frozen=True, slots=True)
class DesiredModule:
    """What the manifest asks for, with everything resolved that creating the module needs.

    `env` is complete (contract 6.1). `fingerprint` says which image, environment, options and version it was
    made from: a module with another fingerprint is replaced. Status, restart policy, pull policy and startup
    order are not in it, since changing them needs no new container.
    """

    name: str
    image: str
    fingerprint: str
    env: Mapping[str, str]
    create_options: JsonObject
    status: Status = Status.RUNNING
    restart_policy: RestartPolicy = RestartPolicy.ON_UNHEALTHY
    pull_policy: PullPolicy = PullPolicy.ON_CREATE
    startup_order: int = LAST_IN_ORDER

    @classmethod
    def resolve(cls, spec: ModuleSpec, env: Mapping[str, str], logs: LogConfig | None = None) -> DesiredModule:
        """The module that `spec` describes, run with the environment `env`; its log is kept as `logs` says where it
        does not say itself."""
        options = with_log_config(spec.create_options, logs)
        return cls(
            name=spec.name,
            image=spec.image,
            fingerprint=_fingerprint(spec, env, options),
            env=env,
            create_options=options,
            status=spec.status,
            restart_policy=spec.restart_policy,
            pull_policy=spec.pull_policy,
            startup_order=spec.startup_order,
        )


def _fingerprint(spec: ModuleSpec, env: Mapping[str, str], options: JsonObject) -> str:
    parts = [spec.image, spec.version, dict(env), options]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class ObservedState(StrEnum):
    """What the engine says of a module."""

    CREATED = "created"
    """Made, and never started."""
    RUNNING = "running"
    STARTING = "starting"
    """Running, and its own health check has yet to pass."""
    UNHEALTHY = "unhealthy"
    """Running, and its own health check fails."""
    STOPPED = "stopped"
    """Ended with exit status 0, or was stopped on purpose."""
    FAILED = "failed"
    """Ended by itself with another exit status."""

    @property
    def alive(self) -> bool:
        return self in (ObservedState.RUNNING, ObservedState.STARTING, ObservedState.UNHEALTHY)


@dataclass(frozen=True, slots=True)
class ObservedModule:
    """A module as it stands. Times are Unix seconds, 0.0 for never."""

    name: str
    state: ObservedState
    fingerprint: str
    started_at: float = 0.0
    exited_at: float = 0.0
    exit_code: int = 0
