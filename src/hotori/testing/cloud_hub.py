"""A cloud's hub with its registry and service API in the test's own process: real sockets, TLS and stores."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from hotori.cloud.blob_grants import StoreGrants
from hotori.cloud.front import with_storage
from hotori.hub.apply import Deployments
from hotori.hub.authorities import Authorities
from hotori.hub.cloud_intake import CloudIntake
from hotori.hub.cloud_routes import CloudRoutes
from hotori.hub.consumer_groups import ConsumerGroups
from hotori.hub.courier import DEVICE_TERMS, Terms
from hotori.hub.endpoints import EndpointRules, Endpoints
from hotori.hub.events import Events
from hotori.hub.failed_logins import LoginLimits
from hotori.hub.file_uploads import FileUploads
from hotori.hub.hub import Hub
from hotori.hub.hub_events import EventSource, HubEvents
from hotori.hub.jobs import Jobs
from hotori.hub.listener import PORT, mqtt_tunnel, serve_mqtt
from hotori.hub.policies import Policies
from hotori.hub.provisioning.mqtt_counter import MqttCounter
from hotori.hub.provisioning.provisioning import Provisioning
from hotori.hub.queues import Queues
from hotori.hub.registry import Registry
from hotori.hub.registry_jobs import RegistryJobs
from hotori.hub.rollouts.configurations import Configurations
from hotori.hub.rollouts.rollouts import Rollouts
from hotori.hub.service_api.app import service_app
from hotori.hub.service_api.bulk import error_of
from hotori.hub.service_api.dependencies import ServiceDependencies
from hotori.hub.vouchers import Vouchers
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
    ) -> None:
        self.address = address
        self._hub_events, self._device_terms, self._login_limits = hub_events, device_terms, login_limits
        self.endpoint_rules = EndpointRules(clock=clock, backoff=Backoff(0.01, 0.05))
        self.storage: StorageConnection | None = None
        self.clock = clock
        self.authority = Authority.open(folder / "authority")
        self._certificate = self.authority.issue_server([address])
        self._folder = folder
        self._mqtt: asyncio.Server | None = None
        self._http: HttpServer | None = None
        self.https_port = 0
        self.records: SqliteRecords
        self.registry: Registry
        self.policies: Policies
        self.events: Events
        self.hub: Hub
        self.blobs: BlobFiles
        self.rollouts: Rollouts
        self.authorities: Authorities
        self.provisioning: Provisioning
        self.jobs: Jobs
        self.registry_jobs: RegistryJobs

    async def __aenter__(self) -> CloudHub:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Open what is kept, and listen."""
        listener = bind(self.address, self.https_port, "message hub (HTTPS)")
        self.https_port = int(listener.getsockname()[1])
        self.records = SqliteRecords.open(self._folder / "records.db")
        self.registry = Registry(self.records, self.clock)
        self.policies = await Policies.open(self.records)
        self.events = Events(SegmentLog.open(self._folder / "events"))
        queues = Queues(SegmentLog.open(self._folder / "queues"), self.records, self.clock)
        self.authorities = Authorities(self.records, self.clock)
        self.groups = ConsumerGroups(self.events, self.records)
        await self.groups.load()
        self.routes = CloudRoutes(self.records)
        await self.routes.load()
        intake = CloudIntake(self.events, queues, self.routes)
        self.hub = Hub(
            self.address,
            self.registry,
            self.records,
            queues,
            intake,
            device_terms=self._device_terms,
            vouchers=Vouchers(self.policies, self.authorities),
            login_limits=self._login_limits,
            clock=self.clock,
        )
        HubEvents(self.hub, self.registry, self._hub_events)
        await self.hub.start()
        self.provisioning = await Provisioning.open(self.hub, self.registry, self.records, self.authorities, self.clock)
        self.hub.counter = MqttCounter(self.provisioning)
        context = server_context(self._certificate.cert_path, self._certificate.key_path)
        ask_for_certificate(context)
        self._mqtt = await serve_mqtt(self.hub, self.address, PORT, context)
        self.endpoints = Endpoints(self.address, self.routes, queues, self.own_storage, self.endpoint_rules)
        await self.endpoints.start()
        key = STORAGE_KEY
        self.blobs = BlobFiles(self.records, self._folder / "objects", self.clock)
        grants = StoreGrants(self.blobs, ACCOUNT, key, lambda: f"{self.host}/{ACCOUNT}")
        uploads = FileUploads(self.records, grants, self.hub.service_bound, self.clock, os.urandom)
        deployments = Deployments(self.hub, self.registry)
        configurations = Configurations(self.records, clock=self.clock)
        self.rollouts = Rollouts(self.hub, self.registry, deployments, configurations, self.records, self.clock)
        await self.rollouts.start()
        self.jobs = Jobs(self.hub, self.registry, self.records, self.clock)
        await self.jobs.start()
        change, context = partial(error_of, self.hub, self.registry), client_context(self.authority.certificate)
        self.registry_jobs = RegistryJobs(
            self.hub, self.registry, self.records, change, context, self.clock, os.urandom
        )
        await self.registry_jobs.start()
        deps = ServiceDependencies(
            hub=self.hub,
            registry=self.registry,
            policies=self.policies,
            events=self.events,
            uploads=uploads,
            deployments=deployments,
            rollouts=self.rollouts,
            jobs=self.jobs,
            registry_jobs=self.registry_jobs,
            endpoints=self.endpoints,
            groups=self.groups,
            provisioning=self.provisioning,
            clock=self.clock,
        )
        app = with_storage(service_app(deps), objects_app(self.blobs, {ACCOUNT: [key]}, self.clock), ACCOUNT)
        self._http = HttpServer(app, listener, self._certificate, (mqtt_tunnel(self.hub),), asks_clients=True)
        await self._http.start()

    async def stop(self) -> None:
        """End everything; what is on disk stays."""
        if self._mqtt is None or self._http is None:
            return
        await self._http.stop()
        await self.jobs.close()
        await self.registry_jobs.close()
        self._mqtt.close()
        await self.rollouts.close()
        await self.endpoints.close()
        await self.hub.close()
        await self.events.close()
        await self.records.close()
        self._mqtt = self._http = None

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
