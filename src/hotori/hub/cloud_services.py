"""A cloud's hub with everything that stands on it, put together once for whoever hosts it."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial

from hotori.hub.apply import Deployments
from hotori.hub.authorities import Authorities
from hotori.hub.cloud_intake import CloudIntake
from hotori.hub.cloud_routes import CloudRoutes
from hotori.hub.consumer_groups import ConsumerGroups
from hotori.hub.courier import DEVICE_TERMS, Terms
from hotori.hub.endpoints import EndpointRules, Endpoints
from hotori.hub.events import Events
from hotori.hub.failed_logins import LoginLimits
from hotori.hub.file_uploads import BlobGrants, FileUploads
from hotori.hub.hub import Hub
from hotori.hub.hub_events import EventSource, HubEvents
from hotori.hub.jobs import Jobs
from hotori.hub.policies import Policies
from hotori.hub.provisioning.mqtt_counter import MqttCounter
from hotori.hub.provisioning.provisioning import Provisioning
from hotori.hub.queues import Queues
from hotori.hub.rates import ClientRates
from hotori.hub.registry import Registry
from hotori.hub.registry_jobs import RegistryJobs
from hotori.hub.rollouts.configurations import Configurations, Pinner, no_pins
from hotori.hub.rollouts.rollouts import Rollouts
from hotori.hub.service_api.bulk import error_of
from hotori.hub.service_api.dependencies import ServiceDependencies
from hotori.hub.streams.streams import Streams
from hotori.hub.vouchers import Vouchers
from hotori.net.authority import Authority
from hotori.sdk.storage import StorageClient
from hotori.store.log import Log
from hotori.store.records import Records


@dataclass(frozen=True, slots=True)
class CloudSurroundings:
    """What a cloud's hub is given. `name` is what clients call it; the logs are its to close, the records are not.

    `grants` are leave for devices to upload, `own_storage` opens a client of the cloud's own object store, `trust`
    is for containers that somebody lends, `pinner` says what an image's tag names, `authority` issues certificates to
    devices.
    """

    name: str
    records: Records
    event_log: Log
    queue_log: Log
    grants: BlobGrants
    own_storage: Callable[[], StorageClient]
    trust: ssl.SSLContext
    authority: Authority
    pinner: Pinner = no_pins
    hub_events: frozenset[EventSource] = frozenset()
    device_terms: Terms = DEVICE_TERMS
    login_limits: LoginLimits | None = None
    client_rates: ClientRates | None = None
    endpoint_rules: EndpointRules = field(default_factory=EndpointRules)
    clock: Callable[[], float] = time.time
    chance: Callable[[int], bytes] = os.urandom


async def open_services(around: CloudSurroundings, stack: AsyncExitStack) -> ServiceDependencies:
    """Everything at work, but `endpoints`, which want the object store to be served before they start.

    The stack ends it again, in the opposite order. Raises the problems of the stores.
    """
    records, clock = around.records, around.clock
    policies = await Policies.open(records, around.chance)
    registry = Registry(records, clock, around.chance)
    authorities = Authorities(records, clock, around.chance, (around.authority.der,))
    events = Events(around.event_log)
    stack.push_async_callback(events.close)
    routes = CloudRoutes(records)
    await routes.load()
    queues = Queues(around.queue_log, records, clock)
    hub = _hub(around, registry, queues, CloudIntake(events, queues, routes), Vouchers(policies, authorities))
    await hub.start()
    stack.push_async_callback(hub.close)
    provisioning = await Provisioning.open(hub, registry, records, authorities, clock, around.chance)
    hub.counter = MqttCounter(provisioning)
    deployments = Deployments(hub, registry)
    groups = ConsumerGroups(events, records)
    await groups.load()
    streams = Streams(hub, registry, around.chance)
    stack.push_async_callback(streams.close)
    return ServiceDependencies(
        hub=hub,
        registry=registry,
        policies=policies,
        events=events,
        uploads=FileUploads(records, around.grants, hub.service_bound, clock, around.chance),
        deployments=deployments,
        rollouts=await _rollouts(around, hub, registry, deployments, stack),
        jobs=await _jobs(around, hub, registry, stack),
        registry_jobs=await _registry_jobs(around, hub, registry, stack),
        endpoints=Endpoints(around.name, routes, queues, around.own_storage, around.endpoint_rules),
        groups=groups,
        provisioning=provisioning,
        authority=around.authority,
        streams=streams,
        clock=clock,
    )


def _hub(around: CloudSurroundings, registry: Registry, queues: Queues, intake: CloudIntake, vouchers: Vouchers) -> Hub:
    hub = Hub(
        around.name,
        registry,
        around.records,
        queues,
        intake,
        device_terms=around.device_terms,
        vouchers=vouchers,
        login_limits=around.login_limits,
        client_rates=around.client_rates,
        clock=around.clock,
    )
    HubEvents(hub, registry, around.hub_events)
    return hub


async def _rollouts(
    around: CloudSurroundings, hub: Hub, registry: Registry, deployments: Deployments, stack: AsyncExitStack
) -> Rollouts:
    configurations = Configurations(around.records, around.pinner, around.clock)
    rollouts = Rollouts(hub, registry, deployments, configurations, around.records, around.clock)
    await rollouts.start()
    stack.push_async_callback(rollouts.close)
    return rollouts


async def _jobs(around: CloudSurroundings, hub: Hub, registry: Registry, stack: AsyncExitStack) -> Jobs:
    jobs = Jobs(hub, registry, around.records, around.clock)
    await jobs.start()
    stack.push_async_callback(jobs.close)
    return jobs


async def _registry_jobs(
    around: CloudSurroundings, hub: Hub, registry: Registry, stack: AsyncExitStack
) -> RegistryJobs:
    change = partial(error_of, hub, registry)
    jobs = RegistryJobs(hub, registry, around.records, change, around.trust, around.clock, around.chance)
    await jobs.start()
    stack.push_async_callback(jobs.close)
    return jobs
