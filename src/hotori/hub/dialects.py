"""Which dialect a client speaks: its user name says so (contract 1.2, and the guide to plain clients)."""

from __future__ import annotations

from hotori.hub.dialect import Dialect, IotHubDialect
from hotori.hub.plain_dialect import PlainDialect
from hotori.model.identity import Identity


def dialect_for(plain: bool, identity: Identity) -> Dialect:
    return PlainDialect(identity) if plain else IotHubDialect(identity)
