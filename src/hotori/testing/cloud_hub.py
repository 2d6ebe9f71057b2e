"""A cloud's hub with its registry and service API in the test's own process: real sockets, TLS and stores."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from hotori.cloud.blob_grants import StoreGrants
from hotori.cloud.front import with_storage
from hotori.hub.authorities import Authorities
from hotori.hub.cloud_services import CloudSurroundings, open_services
from hotori.hub.consumer_groups import ConsumerGroups
from hotori.hub.courier import DEVICE_TERMS, Terms
from hotori.hub.endpoints import EndpointRules, Endpoints
from hotori.hub.events import Events
from hotori.hub.failed_logins import LoginLimits
from hotori.hub.hub import Hub
from hotori.hub.hub_events import EventSource
from hotori.hub.jobs import Jobs
from hotori.hub.listener import PORT, mqtt_tunnel, serve_mqtt
from hotori.hub.policies import Policies
from hotori.hub.provisioning.provisioning import Provisioning
from hotori.hub.rates import ClientRates
from hotori.hub.registry import Registry
from hotori.hub.registry_jobs import RegistryJobs
from hotori.hub.rollouts.rollouts import Rollouts
from hotori.hub.service_api.app import service_app
from hotori.hub.service_api.dependencies import ServiceDependencies
from hotori.model.connection_string import IdentityConnection, ServiceConnection, StorageConnection
from hotori.model.identity import Identity
from hotori.model.secret import Secret
from hotori.net.authority import Authority
from hotori.net.client_certificate import ask_for_certificate
from hotori.net.http import HttpServer
from hotori.net.ports import bind
from hotori.net.tls import client_context, server_context
from hotori.objects.blob_files import BlobFiles
from hotori.objects.server import objects_app
from hotori.sdk.backoff import Backoff
from hotori.sdk.connection import HubConnection
from hotori.sdk.endpoint import Endpoint, key_tokens
from hotori.sdk.service import ServiceClient
from hotori.sdk.storage import StorageClient
from hotori.store.segments import SegmentLog
from hotori.store.sqlite import SqliteRecords

ACCOUNT = "files"
"""The account of the object store behind the hub's HTTPS."""
STORAGE_KEY = Secret(base64.b64encode(bytes(32)).decode())


class CloudHub:
    """One hub on a loopback address of its own: MQTT on 8883, HTTPS on a port that is kept over restarts.

    Its name is the address. Use as an async context manager, or `start` and `stop`, any number of times.
    """

    def __init__(
        self,
        folder: Path,
        address: str,
        clock: Callable[[], float] = time.time,
        hub_events: frozenset[EventSource] = frozenset(),
        device_terms: Terms = DEVICE_TERMS,
        login_limits: LoginLimits | None = None,
        client_rates: ClientRates | None = None,
    ) -> None:
        self.address = address
        self._client_rates = client_rates
        self._hub_events, self._device_terms, self._login_limits = hub_events, device_terms, login_limits
        self.endpoint_rules = EndpointRules(clock=clock, backoff=Backoff(0.01, 0.05))
        self.storage: StorageConnection | None = None
        self.clock = clock
        self.authority = Authority.open(folder / "authority")
        self._certificate = self.authority.issue_server([address])
        self._folder = folder
        self._running = AsyncExitStack()
        self.https_port = 0
        self.records: SqliteRecords
        self.blobs: BlobFiles
        self.services: ServiceDependencies

    async def __aenter__(self) -> CloudHub:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Open what is kept, and listen."""
        listener = bind(self.address, self.https_port, "message hub (HTTPS)")
        self.https_port = int(listener.getsockname()[1])
        async with AsyncExitStack() as stack:
            self.records = SqliteRecords.open(self._folder / "records.db")
            stack.push_async_callback(self.records.close)
            self.blobs = BlobFiles(self.records, self._folder / "objects", self.clock)
            self.services = await open_services(self._surroundings(), stack)
            context = server_context(self._certificate.cert_path, self._certificate.key_path)
            ask_for_certificate(context)
            mqtt = await serve_mqtt(self.hub, self.address, PORT, context)
            await self.services.endpoints.start()
            stack.push_async_callback(self.services.endpoints.close)
            stack.callback(mqtt.close)
            objects = objects_app(self.blobs, {ACCOUNT: [STORAGE_KEY]}, self.clock)
            app = with_storage(service_app(self.services), objects, ACCOUNT)
            tunnels = (mqtt_tunnel(self.hub), self.services.streams.door.tunnel())
            http = HttpServer(app, listener, self._certificate, tunnels, asks_clients=True)
            await stack.enter_async_context(http)
            self._running = stack.pop_all()

    async def stop(self) -> None:
        """End everything; what is on disk stays."""
        running, self._running = self._running, AsyncExitStack()
        await running.aclose()

    def _surroundings(self) -> CloudSurroundings:
        return CloudSurroundings(
            name=self.address,
            records=self.records,
            event_log=SegmentLog.open(self._folder / "events"),
            queue_log=SegmentLog.open(self._folder / "queues"),
            grants=StoreGrants(self.blobs, ACCOUNT, STORAGE_KEY, lambda: f"{self.host}/{ACCOUNT}"),
            own_storage=self.own_storage,
            trust=client_context(self.authority.certificate),
            authority=self.authority,
            hub_events=self._hub_events,
            device_terms=self._device_terms,
            login_limits=self._login_limits,
            client_rates=self._client_rates,
            endpoint_rules=self.endpoint_rules,
            clock=self.clock,
        )

    @property
    def hub(self) -> Hub:
        return self.services.hub

    @property
    def registry(self) -> Registry:
        return self.services.registry

    @property
    def policies(self) -> Policies:
        return self.services.policies

    @property
    def events(self) -> Events:
        return self.services.events

    @property
    def rollouts(self) -> Rollouts:
        return self.services.rollouts

    @property
    def authorities(self) -> Authorities:
        return self.services.provisioning.authorities

    @property
    def provisioning(self) -> Provisioning:
        return self.services.provisioning

    @property
    def jobs(self) -> Jobs:
        return self.services.jobs

    @property
    def registry_jobs(self) -> RegistryJobs:
        return self.services.registry_jobs

    @property
    def endpoints(self) -> Endpoints:
        return self.services.endpoints

    @property
    def groups(self) -> ConsumerGroups:
        return self.services.groups

    def own_storage(self) -> StorageClient:
        """A client of the object store that the test has put into `storage`."""
        assert self.storage is not None, "this cloud has no object store"
        return StorageClient(self.storage)

    @property
    def host(self) -> str:
        """The HTTPS address, as connection strings of services write it."""
        return f"{self.address}:{self.https_port}"

    def service(self, policy: str = "iothubowner") -> ServiceConnection:
        """What a tool needs to act by a policy."""
        found = self.policies.find(policy)
        assert found is not None
        return found.connection(self.host)

    def client(self, policy: str = "iothubowner") -> ServiceClient:
        """Our own client; to be used as an async context manager."""
        return ServiceClient(self.service(policy), self.authority.certificate, clock=self.clock)

    async def connection_string(self, identity: Identity) -> str:
        """What a device or module needs to connect."""
        return IdentityConnection(self.address, identity, (await self.registry.get(identity)).primary).format()

    async def connection(self, identity: Identity) -> HubConnection:
        """A device's or module's own connection, not yet opened."""
        endpoint = Endpoint(self.address, PORT, client_context(self.authority.certificate))
        key = (await self.registry.get(identity)).primary
        return HubConnection(endpoint, self.address, identity, key_tokens(self.address, identity, key))
