"""Streams through the cloud: logs that are followed and shells, from a device that dialled out to whoever asked."""
