"""What is wrong with a hub itself, beside what devices report: for people, wherever it is shown."""

from __future__ import annotations

from hotori.hub.events import Events
from hotori.hub.hub import Hub
from hotori.problems import Problem

_MOST = 20
"""Of clients that take an identity from each other, and of those that are too fast: the last ones."""


def hub_problems(hub: Hub, events: Events | None = None) -> list[Problem]:
    """Of the event log, where there is one, of the queues, and of clients that share an identity since the
    start, and of those that say more than they may."""
    lost = events.problems if events is not None else ()
    fast = hub.fast.problems[-_MOST:]
    return [*lost, *hub.queues.problems, *fast, *list(hub.takeovers.problems)[-_MOST:]]
