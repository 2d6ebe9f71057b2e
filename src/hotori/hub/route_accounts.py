"""Routes with what they did: for lists that people read, and for metrics."""

from __future__ import annotations

from collections.abc import Iterable

from hotori.hub.account import Account, Counters
from hotori.model.json import Json, JsonObject
from hotori.routing.router import CompiledRoute, Router


def route_documents(router: Router, accounts: Iterable[Account]) -> list[Json]:
    """The routes in force with their accounts, then those that are no more and have something in theirs.

    What a route brings to the cloud's event log is there at once, and stands in no account.
    """
    counters = counters_by_route(accounts)
    documents: list[Json] = [_document(each, counters.pop(each.spec.name, Counters())) for each in router.routes]
    return documents + [{"name": name, "route": None, **_counts(left)} for name, left in counters.items()]


def counters_by_route(accounts: Iterable[Account]) -> dict[str, Counters]:
    """All that each route brought anywhere; what no route brings is left out."""
    found: dict[str, Counters] = {}
    for account in accounts:
        if account.route:
            found[account.route] = found.get(account.route, Counters()) + account.counters
    return found


def _document(compiled: CompiledRoute, counters: Counters) -> JsonObject:
    return {
        "name": compiled.spec.name,
        "route": compiled.spec.text,
        "endpoint": str(compiled.route.endpoint),
        "priority": compiled.spec.priority,
        "timeToLiveSecs": compiled.time_to_live,
        **_counts(counters),
    }


def _counts(counters: Counters) -> JsonObject:
    return {
        "accepted": counters.accepted,
        "delivered": counters.delivered,
        "expired": counters.expired,
        "dropped": counters.dropped,
        "pending": counters.pending,
    }
