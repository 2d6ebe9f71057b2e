"""What somebody saw when something failed. The words are kept as they were; keys are blotted out on the way in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

_SECRETS = re.compile(
    r"(SharedAccessKey|AccountKey|sig|password|PASSWORD|Authorization:\s*\w+|SharedAccessSignature)"
    r"(\s*[=:\s]\s*)([^\s;&,'\"]+)"
)


def blot(text: str) -> str:
    """The text without keys, signatures and passwords."""
    return _SECRETS.sub(r"\1\2***", text)


@dataclass(frozen=True, slots=True)
class ExitEvidence:
    """A module ended, or its engine could not start it.

    `exit_code` as an engine gives it (128 + n, or -n, for signal n); `out_of_memory` where the engine says so;
    `error` is the engine's own words, `log_tail` the last of what the program wrote.
    """

    module: str
    exit_code: int = 0
    out_of_memory: bool = False
    error: str = ""
    log_tail: str = ""

    @property
    def status(self) -> int:
        """The exit status as a shell shows it."""
        return 128 - self.exit_code if self.exit_code < 0 else self.exit_code


@dataclass(frozen=True, slots=True)
class PullEvidence:
    """An engine could not bring an image here; `text` is what it said."""

    module: str
    image: str
    text: str
    username: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True)
class EngineEvidence:
    """A container engine did not do something with a module; `action` is create, start, stop, remove."""

    module: str
    action: str
    text: str


@dataclass(frozen=True, slots=True)
class ConnectEvidence:
    """A connection to `address` (host and port) failed with `text`."""

    address: str
    text: str


Evidence: TypeAlias = ExitEvidence | PullEvidence | EngineEvidence | ConnectEvidence
