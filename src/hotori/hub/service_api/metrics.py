"""The cloud's metrics, for Prometheus (docs: Metrics)."""

from __future__ import annotations

from collections.abc import Iterator

from starlette.responses import Response

from hotori.hub.endpoint_spec import dead_queue_of, queue_of
from hotori.hub.endpoints import Endpoints
from hotori.hub.hub_metrics import account_families
from hotori.hub.metrics import CONTENT_TYPE, Family, Kind, exposition
from hotori.hub.process_metrics import process_families
from hotori.hub.service_api.call import Call
from hotori.hub.service_api.dependencies import ServiceDependencies


async def get_metrics(call: Call) -> Response:
    deps = call.deps
    return Response(exposition(cloud_families(deps), {"iothub": deps.hub.name}), media_type=CONTENT_TYPE)


def cloud_families(deps: ServiceDependencies) -> Iterator[Family]:
    """What the cloud's hub has to tell."""
    yield from account_families(deps.hub)
    yield from _events(deps)
    yield from _endpoints(deps.endpoints)
    yield from process_families()


def _events(deps: ServiceDependencies) -> Iterator[Family]:
    events = deps.events
    yield Family("hotori_events_total", Kind.COUNTER, "Events that were ever accepted").add(events.next)
    yield Family("hotori_events_kept", Kind.GAUGE, "Events in the log").add(events.next - events.first)
    yield Family("hotori_events_disk_bytes", Kind.GAUGE, "The event log on disk").add(events.size)
    yield Family("hotori_events_disk_cap_bytes", Kind.GAUGE, "Beyond it the oldest events go").add(events.keep_bytes)
    lag = Family("hotori_consumer_group_lag_events", Kind.GAUGE, "Events after a group's slowest checkpoint")
    readers = Family("hotori_consumer_group_readers", Kind.GAUGE, "Readers of a group that are connected")
    for group in deps.groups.all():
        lag.add(group.lag(), group=group.name)
        readers.add(len(group.readers), group=group.name)
    yield from (lag, readers)
    messages = Family("hotori_messages_received_total", Kind.COUNTER, "Messages received since the start")
    messages.add(sum(deps.hub.meters.received.values()) + deps.hub.meters.others)
    yield messages


def _endpoints(endpoints: Endpoints) -> Iterator[Family]:
    failing = Family("hotori_endpoint_failing", Kind.GAUGE, "1 while an endpoint does not take messages")
    pending = Family("hotori_endpoint_pending_messages", Kind.GAUGE, "Messages that wait for an endpoint")
    dead = Family("hotori_endpoint_dead_letters", Kind.GAUGE, "Messages that an endpoint never took")
    for name, spec in endpoints.routes.endpoints.items():
        failing.add(endpoints.problem(name) is not None, endpoint=name)
        pending.add(len(endpoints.queues.queue(queue_of(spec))), endpoint=name)
        dead.add(len(endpoints.queues.queue(dead_queue_of(spec))), endpoint=name)
    yield from (failing, pending, dead)
