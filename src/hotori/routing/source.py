"""Where messages come from, as routes name it (contract 5.1)."""

from __future__ import annotations

from hotori.model.message import Message

TWIN_CHANGES = "/twinChangeNotifications/"
"""The source of a message that tells of a change of reported properties."""

DEVICE_MESSAGES = "/messages/"
"""The source of what a device says that is not a module."""


def message_source(message: Message) -> str:
    """The source of a device's or module's message; it begins and ends with a slash."""
    if message.sender is None or message.sender.module is None:
        return DEVICE_MESSAGES
    path = f"/messages/modules/{message.sender.module}/"
    return f"{path}outputs/{message.output}/" if message.output else path


def source_prefix(path: str) -> str:
    """What a message's source must begin with, in lower case: trailing `*` and `/` mean nothing."""
    return path.lower().rstrip("*/") + "/"
