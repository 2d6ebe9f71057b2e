"""The partitions of the cloud's events: which device's events belong together.

The event log is one sequence; a partition is the part of it whose senders fall together. An event's offset in the
log is its offset and its sequence number in its partition, too: both grow, with gaps (contract 2.9).
"""

from __future__ import annotations

from zlib import crc32

from hotori.model.message import Message

PARTITIONS = 4
"""Never changed for a log that has events: a device would change its partition, and its order with it."""


def partition_of(message: Message, count: int = PARTITIONS) -> int:
    """By the device, so that the order of a device's events holds within the partition."""
    return crc32(message.sender.device.encode()) % count if message.sender else 0
