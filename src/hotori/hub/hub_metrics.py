"""The metrics of a hub: its accounts by our own names, and an edge hub's by the names of contract 7.3."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hotori.hub.account import Account
from hotori.hub.hub import Hub
from hotori.hub.meters import Meters
from hotori.hub.metrics import Family, Kind
from hotori.hub.queues import Queues
from hotori.model.identity import Identity

_OUTCOMES = ("accepted", "delivered", "expired", "dropped")


def account_families(hub: Hub) -> Iterator[Family]:
    """`hotori_*`: accepted = delivered + expired + dropped + pending, for every route and endpoint."""
    messages = Family(
        "hotori_route_messages_total", Kind.COUNTER, "Messages by route, endpoint and what became of them"
    )
    pending = Family("hotori_route_pending_messages", Kind.GAUGE, "Messages that wait, by route and endpoint")
    for account in hub.queues.accounts():
        labels = {"route": account.route, "endpoint": account.endpoint, "priority": str(account.priority)}
        for outcome in _OUTCOMES:
            messages.add(getattr(account.counters, outcome), **labels, outcome=outcome)
        pending.add(account.counters.pending, **labels)
    unrouted = Family("hotori_unrouted_messages_total", Kind.COUNTER, "Messages that no route took, by sender")
    for sender, count in hub.queues.unrouted.counts.items():
        unrouted.add(count, id=sender)
    yield from (messages, pending, unrouted)
    rests = Family("hotori_client_rests_total", Kind.COUNTER, "Times that a client said too much and was not read from")
    for identity, count in hub.fast.rests.items():
        rests.add(count, id=str(identity))
    yield rests
    yield from _store(hub.queues)
    yield Family("hotori_connected_clients", Kind.GAUGE, "Clients that are connected").add(len(hub.connections))


def _store(queues: Queues) -> Iterator[Family]:
    yield Family("hotori_queues_disk_bytes", Kind.GAUGE, "The queues on disk").add(queues.size)
    cap = Family("hotori_queues_disk_cap_bytes", Kind.GAUGE, "Beyond it senders wait, or the oldest messages go")
    yield cap.add(queues.limits.capacity)
    full = Family("hotori_queues_full_in_seconds", Kind.GAUGE, "Until the queues are full, where they grow")
    if (left := queues.room.full_in) is not None:
        full.add(left)
    yield full


def edge_hub_families(hub: Hub) -> Iterator[Family]:
    """`edgehub_*` (contract 7.3). A queue tells its sender only where it has one: `from` may be empty."""
    yield from _traffic(hub)
    yield from _queues(hub.queues.accounts(), hub.device or "")
    yield _sending(hub.meters, hub.device or "")
    yield from _clients(hub)
    yield from _refusals(hub)
    yield from _twins(hub.meters)


def _traffic(hub: Hub) -> Iterator[Family]:
    meters = hub.meters
    received = Family("edgehub_messages_received_total", Kind.COUNTER, "Messages received from clients")
    for (sender, output), count in meters.received.items():
        received.add(count, route_output=output or "", id=str(sender))
    if meters.others:
        received.add(meters.others, route_output="", id="")
    sizes = Family("edgehub_message_size_bytes", Kind.SUMMARY, "Sizes of messages, one in 64 observed")
    for sender, summary in meters.sizes.items():
        sizes.add_summary(summary, id=str(sender))
    stored = Family("edgehub_message_process_duration_seconds", Kind.SUMMARY, "From receipt to disk, one in 64")
    if meters.storing.count:
        stored.add_summary(meters.storing, **{"from": "", "to": "", "priority": ""})
    dropped = Family("edgehub_messages_dropped_total", Kind.COUNTER, "Messages dropped, by reason")
    for identity, count in hub.queues.unrouted.counts.items():
        dropped.add(count, **_from(identity), reason="no_route")
    for account in hub.queues.accounts():
        if account.counters.expired:
            dropped.add(account.counters.expired, **_from(_sender(account.endpoint)), reason="ttl_expiry")
    unacknowledged = Family("edgehub_messages_unack_total", Kind.COUNTER, "Messages that could not be stored")
    for each, count in meters.unstored.items():
        unacknowledged.add(count, **_from(str(each)), reason="storage_failure")
    yield from (received, sizes, stored, dropped, unacknowledged)


def _queues(accounts: Iterable[Account], device: str) -> Iterator[Family]:
    sent = Family("edgehub_messages_sent_total", Kind.COUNTER, "Messages delivered")
    waiting = Family("edgehub_queue_length", Kind.GAUGE, "Messages that wait, by endpoint and priority")
    lengths: dict[tuple[str, str], int] = {}
    for account in accounts:
        target, where = _target(account.endpoint, device)
        labels = {
            **_from(_sender(account.endpoint)),
            "to": target,
            "to_route_input": where,
            "priority": str(account.priority),
        }
        sent.add(account.counters.delivered, **labels, route=account.route)
        key = (account.endpoint, str(account.priority))
        lengths[key] = lengths.get(key, 0) + account.counters.pending
    for (endpoint, priority), length in lengths.items():
        waiting.add(length, endpoint=endpoint, priority=priority)
    yield from (sent, waiting)


def _clients(hub: Hub) -> Iterator[Family]:
    meters = hub.meters
    for name, counts, words in (
        ("edgehub_client_connect_success_total", meters.connects, "Clients that connected"),
        ("edgehub_client_disconnect_total", meters.disconnects, "Clients that left"),
    ):
        family = Family(name, Kind.COUNTER, words)
        for identity, count in counts.items():
            family.add(count, id=str(identity))
        yield family
    connected = len(hub.sessions.all_connected())
    yield Family("edgehub_connected_clients", Kind.GAUGE, "Clients that are connected").add(connected)
    yield from _methods(hub)


def _refusals(hub: Hub) -> Iterator[Family]:
    failed = Family("edgehub_client_connect_failed_total", Kind.COUNTER, "Clients that were not let in")
    for (client, code), count in hub.meters.refused.items():
        failed.add(count, id=client, reason=code)
    yield failed


def _twins(meters: Meters) -> Iterator[Family]:
    reads = Family("edgehub_gettwin_total", Kind.COUNTER, "Twins that clients asked for")
    reading = Family("edgehub_gettwin_duration_seconds", Kind.SUMMARY, "Until a client was told its twin")
    for identity, summary in meters.twin_reads.items():
        reads.add(summary.count, source="edge_hub", id=str(identity))
        reading.add_summary(summary, source="edge_hub", id=str(identity))
    reported = Family("edgehub_reported_properties_total", Kind.COUNTER, "Updates of reported properties")
    for identity, count in meters.reported.items():
        reported.add(count, id=str(identity), target="edge_hub")
    keeping = Family(
        "edgehub_reported_properties_update_duration_seconds", Kind.SUMMARY, "Until what a client reports is kept"
    )
    for identity, summary in meters.reporting.items():
        keeping.add_summary(summary, id=str(identity), target="edge_hub")
    yield from (reads, reading, reported, keeping)


def _methods(hub: Hub) -> Iterator[Family]:
    calls = Family("edgehub_direct_methods_total", Kind.COUNTER, "Method calls to clients")
    durations = Family("edgehub_direct_method_duration_seconds", Kind.SUMMARY, "Until a method call was answered")
    for identity, summary in hub.meters.methods.items():
        labels = {"from": "", "to": str(identity)}
        calls.add(summary.count, **labels)
        durations.add_summary(summary, **labels)
    yield from (calls, durations)


def _sending(meters: Meters, device: str) -> Family:
    sending = Family("edgehub_message_send_duration_seconds", Kind.SUMMARY, "From sent to acknowledged, one in 64")
    for endpoint, summary in meters.sending.items():
        target, where = _target(endpoint, device)
        sending.add_summary(summary, **_from(_sender(endpoint)), to=target, to_route_input=where)
    return sending


def _target(endpoint: str, device: str) -> tuple[str, str]:
    """`to` and `to_route_input` of a queue."""
    group, _, rest = endpoint.partition("/")
    if group == "upstream":
        return "upstream", ""
    if group.startswith("module:"):
        return str(Identity(device, group.removeprefix("module:"))), rest
    return group.removeprefix("c2d:"), ""


def _sender(endpoint: str) -> str:
    return endpoint.removeprefix("upstream/") if endpoint.startswith("upstream/") else ""


def _from(sender: str) -> dict[str, str]:
    return {"from": sender, "from_route_output": ""}
