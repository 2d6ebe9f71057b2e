"""Every kind of problem that Hotori can name, by code."""

from __future__ import annotations

from hotori.problems import (
    checks,
    engines,
    events,
    gateway,
    identity,
    images,
    manifest,
    modules,
    network,
    plain_clients,
    releases,
    rollouts,
    solution,
    storage,
    streams,
    vision,
)
from hotori.problems.kind import Kind

AREAS: dict[str, tuple[Kind, ...]] = {
    "identity": identity.KINDS,
    "gateway": gateway.KINDS,
    "network": network.KINDS,
    "plain-clients": plain_clients.KINDS,
    "storage": storage.KINDS,
    "manifest": manifest.KINDS,
    "events": events.KINDS,
    "images": images.KINDS,
    "modules": modules.KINDS,
    "streams": streams.KINDS,
    "rollouts": rollouts.KINDS,
    "releases": releases.KINDS,
    "checks": checks.KINDS,
    "engines": engines.KINDS,
    "vision": vision.KINDS,
    "solution": solution.KINDS,
}

CATALOGUE: dict[str, Kind] = {kind.code: kind for kinds in AREAS.values() for kind in kinds}
