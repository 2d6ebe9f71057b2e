"""What becomes of a message that somebody may want to be told of."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """The values are those of feedback records (contract 2.8)."""

    DELIVERED = "Success"
    EXPIRED = "Expired"
    GIVEN_UP = "DeliveryCountExceeded"
    REJECTED = "Rejected"
    PURGED = "Purged"
