"""A deployment as the agent read it from its twin, and what it makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import msgspec

from hotori.model.json import JsonObject
from hotori.model.manifest import AgentConfig
from hotori.model.twin import without_control
from hotori.problems import Problem
from hotori.problems.manifest import SCHEMA_UNSUPPORTED
from hotori.store.records import Records

OK, MALFORMED, UNSUPPORTED, EMPTY, FAILED, STOPPED = 200, 400, 412, 417, 500, 406
"""Codes of lastDesiredStatus (contract 4.1)."""

_COLLECTION, _KEY = "agent", "deployment"
_UPSTREAM = "$upstream"


@dataclass(frozen=True, slots=True)
class Deployment:
    """Desired properties of `$edgeAgent` with their version. `config` is None where they cannot be used."""

    version: int = 0
    desired: JsonObject = field(default_factory=dict)
    config: AgentConfig | None = None
    code: int = EMPTY
    problem: Problem | None = None

    @classmethod
    def read(cls, desired: JsonObject, version: int, parent: str | None = None) -> Deployment:
        """Never raises: what cannot be used becomes a code and a problem.

        `$upstream:PORT` in image names and registry addresses means `parent`'s PORT (contract 11.4).
        """
        desired = without_control(desired)
        if not desired:
            return cls(version)
        try:
            return cls(version, desired, _upstream_named(AgentConfig.parse(desired), parent), OK)
        except Problem as problem:
            code = UNSUPPORTED if problem.kind is SCHEMA_UNSUPPORTED else MALFORMED
            return cls(version, desired, None, code, problem)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of a version of the deployment: lastDesiredVersion and lastDesiredStatus."""

    version: int = 0
    code: int = EMPTY
    description: str = ""


def _upstream_named(config: AgentConfig, parent: str | None) -> AgentConfig:
    if parent is None:
        return config

    def named(text: str) -> str:
        return parent + text.removeprefix(_UPSTREAM) if text.startswith(f"{_UPSTREAM}:") else text

    modules = {name: replace(spec, image=named(spec.image)) for name, spec in config.modules.items()}
    credentials = tuple(replace(each, address=named(each.address)) for each in config.credentials)
    return replace(config, modules=modules, credentials=credentials, agent_image=named(config.agent_image))


class DeploymentStore:
    """The last deployment that could be used, on disk, so that the device starts offline. `parent` as in `read`."""

    def __init__(self, records: Records, parent: str | None = None) -> None:
        self._records, self.parent = records, parent

    async def load(self) -> Deployment:
        record = await self._records.get(_COLLECTION, _KEY)
        if record is None:
            return Deployment()
        document = msgspec.json.decode(record.value)
        return Deployment.read(document["desired"], document["version"], self.parent)

    async def save(self, deployment: Deployment) -> None:
        document = {"desired": deployment.desired, "version": deployment.version}
        await self._records.put(_COLLECTION, _KEY, msgspec.json.encode(document))
