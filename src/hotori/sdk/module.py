"""What a module uses to talk to the hub on its device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from time import time

from hotori.model.connection_string import IdentityConnection
from hotori.model.identity import Identity
from hotori.net.tls import client_context
from hotori.problems import Problem
from hotori.problems.connections import MODULE_ENVIRONMENT_INCOMPLETE
from hotori.sdk.connection import HubConnection
from hotori.sdk.endpoint import MQTT_PORT, Endpoint, EndpointSource, key_tokens
from hotori.sdk.link import DEFAULT_OPTIONS, ConnectionOptions
from hotori.sdk.workload import WorkloadClient, workload_tokens

_NAMES = (
    "IOTEDGE_MODULEID",
    "IOTEDGE_DEVICEID",
    "IOTEDGE_IOTHUBHOSTNAME",
    "IOTEDGE_GATEWAYHOSTNAME",
    "IOTEDGE_MODULEGENERATIONID",
    "IOTEDGE_WORKLOADURI",
    "IOTEDGE_APIVERSION",
)
_BY_HAND = ("EdgeHubConnectionString", "EdgeModuleCACertificateFile")


class ModuleClient(HubConnection):
    """A module's connection, made from what the runtime put into its environment.

    The key stays with the runtime, which signs over the workload socket; the roots that it names are the only
    ones trusted, and they are asked for anew before each connection.
    """

    _workload: WorkloadClient | None = None

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str],
        clock: Callable[[], float] = time,
        *,
        port: int = MQTT_PORT,
        options: ConnectionOptions = DEFAULT_OPTIONS,
    ) -> ModuleClient:
        """Read the IOTEDGE_ variables, or those for running by hand (contract 6.2). Nothing is dialled yet.

        Raises `module-environment-incomplete`, `connection-string-malformed`, `file-unreadable`.
        """
        options = replace(options, clock=clock)
        missing = [name for name in _NAMES if not environ.get(name)]
        if not missing:
            return cls._in_the_runtime(environ, port, options)
        if all(environ.get(name) for name in _BY_HAND):
            return cls._by_hand(environ, port, options)
        raise Problem(MODULE_ENVIRONMENT_INCOMPLETE, missing=", ".join(missing))

    async def close(self) -> None:
        await super().close()
        if self._workload is not None:
            await self._workload.close()

    @classmethod
    def _in_the_runtime(cls, environ: Mapping[str, str], port: int, options: ConnectionOptions) -> ModuleClient:
        module, device, hub, gateway, generation, uri, api_version = (environ[name] for name in _NAMES)
        identity = Identity(device, module)
        workload = WorkloadClient(uri, api_version)
        token = workload_tokens(workload, hub, identity, generation)
        client = cls(_gateway(workload, gateway, port), hub, identity, token, options)
        client._workload = workload
        return client

    @classmethod
    def _by_hand(cls, environ: Mapping[str, str], port: int, options: ConnectionOptions) -> ModuleClient:
        text, ca = (environ[name] for name in _BY_HAND)
        found = IdentityConnection.parse(text)
        endpoint = Endpoint(found.gateway or found.host, port, client_context(Path(ca)))
        return cls(endpoint, found.host, found.identity, key_tokens(found.host, found.identity, found.key), options)


def _gateway(workload: WorkloadClient, host: str, port: int) -> EndpointSource:
    async def find() -> Endpoint:
        return Endpoint(host, port, client_context(await workload.trust_bundle()))

    return find
