"""What the service API works on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from hotori.hub.apply import Deployments
from hotori.hub.consumer_groups import ConsumerGroups
from hotori.hub.endpoints import Endpoints
from hotori.hub.events import Events
from hotori.hub.file_uploads import FileUploads
from hotori.hub.hub import Hub
from hotori.hub.jobs import Jobs
from hotori.hub.policies import Policies
from hotori.hub.provisioning.provisioning import Provisioning
from hotori.hub.registry import Registry
from hotori.hub.registry_jobs import RegistryJobs
from hotori.hub.rollouts.rollouts import Rollouts
from hotori.hub.streams.streams import Streams
from hotori.net.authority import Authority


@dataclass(frozen=True, slots=True)
class ServiceDependencies:
    """The parts of a cloud's hub. `authority` issues devices their certificates; `clock` gives Unix seconds."""

    hub: Hub
    registry: Registry
    policies: Policies
    events: Events
    uploads: FileUploads
    deployments: Deployments
    rollouts: Rollouts
    jobs: Jobs
    registry_jobs: RegistryJobs
    endpoints: Endpoints
    groups: ConsumerGroups
    provisioning: Provisioning
    authority: Authority
    streams: Streams
    clock: Callable[[], float] = time.time
