"""Builders: a clock that is set by hand, a cloud that knows modules, an agent with real neighbours around it."""

from __future__ import annotations

from pathlib import Path

from hotori.diagnosis.evidence import ConnectEvidence
from hotori.diagnosis.findings import findings
from hotori.edge.agent import Agent, AgentParts
from hotori.edge.agent_memory import MemoryStore
from hotori.edge.deployment import DeploymentStore
from hotori.edge.module_environment import Surroundings
from hotori.edge.scope import ScopeDirectory, ScopeRules
from hotori.edge.streams.device_streams import DeviceStreams, StreamRules
from hotori.edge.streams.way_up import WayUp
from hotori.edge.watched_runtime import CallLimits
from hotori.edge.workload import WorkloadSources
from hotori.edge.workload_sockets import WorkloadSockets, socket_folder
from hotori.hub.auth_chain import AuthChain
from hotori.hub.registration import own_scope
from hotori.model.connection_string import IdentityConnection
from hotori.model.identity import EDGE_AGENT, EDGE_HUB, Identity
from hotori.model.json import JsonObject
from hotori.model.secret import Secret
from hotori.net.tls import client_context
from hotori.reconcile.image_policy import ImageRules
from hotori.reconcile.restart import RestartRules
from hotori.sdk.connection_file import HubAddress
from hotori.store.memory import MemoryRecords
from hotori.store.records import Records
from hotori.testing.small_hub import key_for
from tests.edge.scripted_runtime import ScriptedRuntime

DEVICE = Identity("edge-1")
KEY = key_for("edge-1 first")
PEM = "-----BEGIN CERTIFICATE-----\n"


class Clock:
    """Time stands still until somebody moves it."""

    def __init__(self, now: float = 1_900_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def a_key(name: str) -> str:
    """The key of a module, as `BookDirectory` has it too."""
    return key_for(f"{DEVICE}/{name} first").reveal()


def module_document(name: str, generation: str = "1") -> JsonObject:
    """A module as the registry gives it (contract 2.2)."""
    return {
        "deviceId": DEVICE.device,
        "moduleId": name,
        "generationId": generation,
        "managedBy": "IotEdge",
        "authentication": {"type": "sas", "symmetricKey": {"primaryKey": a_key(name), "secondaryKey": a_key("2")}},
    }


def device_document(name: str, parent: str, *, edge: bool = False) -> JsonObject:
    """A device as a scope has it (contract 11.2)."""
    return {
        "deviceId": name,
        "generationId": "1",
        "status": "enabled",
        "capabilities": {"iotEdge": edge},
        "deviceScope": own_scope(name if edge else parent, "1"),
        "parentScopes": [own_scope(parent, "1")],
        "authentication": {"type": "sas", "symmetricKey": {"primaryKey": a_key(name), "secondaryKey": a_key("2")}},
    }


OWN: JsonObject = {
    "deviceId": DEVICE.device,
    "generationId": "1",
    "capabilities": {"iotEdge": True},
    "deviceScope": own_scope(DEVICE.device, "1"),
}


class Cloud:
    """A source of registrations that can be out of reach."""

    def __init__(self, *modules: str) -> None:
        self.documents = {name: module_document(name) for name in (EDGE_AGENT, EDGE_HUB, *modules)}
        self.leaves: list[JsonObject] = []
        self.below: dict[str, list[JsonObject]] = {}
        """What stands behind edge devices other than this one."""
        self.chains: list[str] = []
        self.asked_for: list[Identity] = []
        self.reachable = True
        self.asked = 0

    async def modules(self, device: Identity, key: Secret) -> list[JsonObject]:
        self.asked += 1
        if not self.reachable:
            raise findings(ConnectEvidence("hub:443", "Connection refused"))[0]
        return list(self.documents.values())

    async def scope(self, chain: AuthChain, hub_key: Secret) -> list[JsonObject]:
        assert hub_key == Secret(a_key(EDGE_HUB))
        self.chains.append(str(chain))
        own = [OWN, *self.documents.values(), *self.leaves] if chain.target == DEVICE else []
        return [*own, *self.below.get(chain.target.device, ())]

    async def one(self, chain: AuthChain, target: Identity, hub_key: Secret) -> list[JsonObject]:
        assert (str(chain), hub_key) == (DEVICE.device, Secret(a_key(EDGE_HUB)))
        self.asked_for.append(target)
        if not self.reachable:
            raise findings(ConnectEvidence("hub:443", "Connection refused"))[0]
        known = [OWN, *self.documents.values(), *self.leaves, *(each for all_ in self.below.values() for each in all_)]
        wanted = {(target.device, target.module), (target.device, None)}
        found = [each for each in known if (each["deviceId"], each.get("moduleId")) in wanted]
        return found if any((e["deviceId"], e.get("moduleId")) == (target.device, target.module) for e in found) else []

    async def forward(
        self, method: str, name: str, actor: str, hub_key: Secret, body: JsonObject, etag: str | None = None
    ) -> tuple[int, bytes]:
        """Nobody stands behind these devices who would call."""
        raise AssertionError(name)


def manifest(*modules: str, tag: str = "1", **changes: object) -> JsonObject:
    """Desired properties of `$edgeAgent`."""
    return {
        "schemaVersion": "1.1",
        "runtime": {"type": "docker", "settings": {"minDockerVersion": "v1.25"}},
        "systemModules": {},
        "modules": {
            name: {
                "type": "docker",
                "status": "running",
                "restartPolicy": "always",
                "settings": {"image": image(name, tag), "createOptions": "{}"},
                **changes,
            }
            for name in modules
        },
    }


def image(name: str, tag: str = "1") -> str:
    return f"127.0.0.1:5000/{name}:{tag}"


class Device:
    """An agent and everything around it, as `edge.main` would put it together."""

    def __init__(self, folder: Path, cloud: Cloud, records: Records | None = None) -> None:
        self.clock = Clock()
        self.cloud = cloud
        self.records = records or MemoryRecords()
        self.runtime = ScriptedRuntime(
            {image(name, tag): f"sha256:{tag * 64}" for name in NAMES for tag in "12"}, self.clock
        )
        self.scope = ScopeDirectory(DEVICE, KEY, cloud, self.records, self.clock, ScopeRules())
        self.folder = folder
        self.rules = RestartRules()
        self.limits = CallLimits()
        self.image_rules = ImageRules()
        self.reports: list[JsonObject] = []

    async def __aenter__(self) -> Device:
        await self.scope.load()
        await self.scope.refresh()
        self.sockets = WorkloadSockets(socket_folder(self.folder), WorkloadSources(self._key_of, PEM, b"s" * 32))
        parts = AgentParts(
            around=Surroundings(DEVICE.device, "hub.example.net", "edge-1.example.net"),
            runtime=self.runtime,
            scope=self.scope,
            sockets=self.sockets,
            store=DeploymentStore(self.records),
            memories=MemoryStore(self.records),
            clock=self.clock,
            architecture="x86_64",
            rules=self.rules,
            limits=self.limits,
            images=self.runtime,
            image_rules=self.image_rules,
            look=0.05,
        )
        self.agent = Agent(parts, self.reports.append)
        await self.agent.load()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.agent.close()

    async def settle(self) -> JsonObject:
        """Look until nothing is left to do; the last report."""
        for _ in range(5):
            made = await self.agent.look()
            await self.agent.idle()
            if not made.steps:
                break
        return self.reports[-1]

    async def _key_of(self, module: str) -> Secret | None:
        found = self.scope.known(Identity(DEVICE.device, module))
        return found.primary if found else None


def streams_of(device: Device) -> DeviceStreams:
    """With a way up that leads nowhere."""
    connection = IdentityConnection("hub.example.net", DEVICE, KEY)
    way = WayUp(HubAddress("127.0.0.1", 1, 1), client_context(), connection, device.clock)
    return DeviceStreams(
        DEVICE.device, device.runtime, None, lambda: device.agent.specs, way, device.clock, StreamRules()
    )


NAMES = ("camera", "classifier", "uploader")
