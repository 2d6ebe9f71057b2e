"""Hotori: an open, self-hosted edge-computing platform. Start reading at CONTRIBUTING.md's map."""

__version__ = "0.1.0"
