"""The metrics of an edge hub's way to the hub above (contract 7.3)."""

from __future__ import annotations

from collections.abc import Iterator

from hotori.hub.hub import Hub
from hotori.hub.metrics import Family, Kind
from hotori.hub.upstream import Upstream
from hotori.model.identity import EDGE_AGENT, Identity


def upstream_families(hub: Hub, upstream: Upstream) -> Iterator[Family]:
    """Whether the hub above can be reached, and how often something was done again for its sake."""
    outages, device = upstream.outages, hub.device or ""
    yield Family("hotori_upstream_connected", Kind.GAUGE, "1 while the cloud is reached").add(upstream.connected)
    yield Family("edgehub_offline_count_total", Kind.COUNTER, "How often the cloud was lost").add(
        outages.count, id=device
    )
    lasted = Family("edgehub_offline_duration_seconds", Kind.SUMMARY, "How long the cloud was out of reach")
    yield lasted.add_summary(outages.lasted, id=device) if outages.lasted.count else lasted
    retries = Family("edgehub_operation_retry_total", Kind.COUNTER, "What was done again")
    retries.add(outages.retries, id=str(upstream.identity), operation="connect")
    for (identity, operation), count in hub.meters.retries.items():
        retries.add(count, id=str(identity), operation=operation)
    yield retries
    agent, meters = Identity(device, EDGE_AGENT), hub.meters
    syncs = Family("edgeAgent_iothub_syncs_total", Kind.COUNTER, "Exchanges of the agent's twin with the cloud")
    yield syncs.add(meters.syncs.get(agent, 0))
    failed = Family("edgeAgent_unsuccessful_iothub_syncs_total", Kind.COUNTER, "Those of them that failed")
    yield failed.add(meters.failed_syncs.get(agent, 0))
