"""Who may vouch for a client besides its own registration: policies by their tokens, authorities by certificates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hotori.hub.policies import Policies, Policy


class TrustedAuthorities(Protocol):
    """Authorities whose certificates are believed."""

    async def trusted(self) -> tuple[bytes, ...]:
        """Their own certificates, in DER."""
        ...


@dataclass(frozen=True, slots=True)
class Vouchers:
    """What a hub has of them; an edge device's has no policies."""

    policies: Policies | None = None
    authorities: TrustedAuthorities | None = None

    def policy(self, name: str | None) -> Policy | None:
        return self.policies.find(name) if self.policies is not None and name is not None else None

    async def trusted(self) -> tuple[bytes, ...]:
        return await self.authorities.trusted() if self.authorities is not None else ()
