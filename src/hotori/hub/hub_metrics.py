"""The metrics of a hub: its accounts by our own names, and an edge hub's by the names of contract 7.3."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hotori.hub.account import Account
from hotori.hub.hub import Hub
from hotori.hub.metrics import Family, Kind
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
    yield Family("hotori_connected_clients", Kind.GAUGE, "Clients that are connected").add(len(hub.connections))


def edge_hub_families(hub: Hub) -> Iterator[Family]:
    """`edgehub_*` (contract 7.3). A queue tells its sender only where it has one: `from` may be empty."""
    yield from _traffic(hub)
    yield from _queues(hub.queues.accounts(), hub.device or "")
    yield from _clients(hub)


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
            dropped.add(account.counters.expired, **_from(_sender(account)), reason="ttl_expiry")
    yield from (received, sizes, stored, dropped)


def _queues(accounts: Iterable[Account], device: str) -> Iterator[Family]:
    sent = Family("edgehub_messages_sent_total", Kind.COUNTER, "Messages delivered")
    waiting = Family("edgehub_queue_length", Kind.GAUGE, "Messages that wait, by endpoint and priority")
    lengths: dict[tuple[str, str], int] = {}
    for account in accounts:
        target, where = _target(account.endpoint, device)
        labels = {**_from(_sender(account)), "to": target, "to_route_input": where, "priority": str(account.priority)}
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
    reported = Family("edgehub_reported_properties_total", Kind.COUNTER, "Updates of reported properties")
    for identity, count in meters.reported.items():
        reported.add(count, id=str(identity), target="edge_hub")
    yield reported
    yield from _methods(hub)
    connected = len(hub.sessions.all_connected())
    yield Family("edgehub_connected_clients", Kind.GAUGE, "Clients that are connected").add(connected)


def _methods(hub: Hub) -> Iterator[Family]:
    calls = Family("edgehub_direct_methods_total", Kind.COUNTER, "Method calls to clients")
    durations = Family("edgehub_direct_method_duration_seconds", Kind.SUMMARY, "Until a method call was answered")
    for identity, summary in hub.meters.methods.items():
        labels = {"from": "", "to": str(identity)}
        calls.add(summary.count, **labels)
        durations.add_summary(summary, **labels)
    yield from (calls, durations)


def _target(endpoint: str, device: str) -> tuple[str, str]:
    """`to` and `to_route_input` of a queue."""
    group, _, rest = endpoint.partition("/")
    if group == "upstream":
        return "upstream", ""
    if group.startswith("module:"):
        return str(Identity(device, group.removeprefix("module:"))), rest
    return group.removeprefix("c2d:"), ""


def _sender(account: Account) -> str:
    return account.endpoint.removeprefix("upstream/") if account.endpoint.startswith("upstream/") else ""


def _from(sender: str) -> dict[str, str]:
    return {"from": sender, "from_route_output": ""}
