"""How a module's log is kept: Docker's LogConfig, as createOptions and `runtime.settings.loggingOptions` have it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from hotori.model.json import Json, JsonObject
from hotori.problems import Problem
from hotori.problems.manifest import MANIFEST_MALFORMED

_FILES = frozenset({"json-file", "local", "k8s-file"})
"""Drivers that keep files on the device, and take `max-size` and `max-file`."""
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgt]?)i?b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_UNLIMITED = "-1"


@dataclass(frozen=True, slots=True)
class LogConfig:
    """`driver` is Docker's `Type`, `options` its `Config`; both are the engine's to understand."""

    driver: str
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, text: Json, at: str) -> LogConfig | None:
        """Parse `loggingOptions` (contract 3.2); None where it is empty. `at` is its JSON pointer.

        Raises `manifest-malformed`, in the cloud as on the device.
        """
        if text is None or text == "":
            return None
        if not isinstance(text, str):
            raise _fault(at, "loggingOptions is JSON written as a text, not an object")
        try:
            document = json.loads(text)
        except ValueError as error:
            raise _fault(at, f"the text is not JSON ({error})") from error
        if document is None:
            return None
        if not isinstance(document, dict):
            raise _fault(at, "the text is not a JSON object")
        return cls._of(document, at)

    @classmethod
    def _of(cls, document: JsonObject, at: str) -> LogConfig:
        # Engines take the names in any case.
        members = {name.lower(): value for name, value in document.items()}
        if unknown := members.keys() - {"type", "config"}:
            raise _fault(at, f"there is no {', '.join(sorted(unknown))} in a LogConfig, only Type and Config")
        driver, options = members.get("type"), members.get("config")
        if not isinstance(driver, str) or not driver:
            raise _fault(f"{at}/Type", 'the name of a log driver is needed, such as "json-file"')
        if options is not None and not isinstance(options, dict):
            raise _fault(f"{at}/Config", "an object of texts is needed")
        options = options or {}
        if reason := option_fault(driver, options):
            raise _fault(f"{at}/Config", reason)
        return cls(driver, {name: str(value) for name, value in options.items()})

    @property
    def in_files(self) -> bool:
        """Whether the log is kept in files on the device."""
        return self.driver in _FILES

    def document(self) -> JsonObject:
        """As the engine's API takes it."""
        return {"Type": self.driver, "Config": dict(self.options)}

    def file_bytes(self, default: int) -> int:
        """The size at which a file is full; the default where none is given, 0 for no limit."""
        text = self.options.get("max-size", "")
        return (_bytes(text) or 0) if text else default

    def file_count(self, default: int) -> int:
        """How many files are kept, with the one that is written to."""
        return int(self.options.get("max-file", default))


def option_fault(driver: str, options: Mapping[str, Json]) -> str | None:
    """What is wrong with a driver's options, where this is known: other drivers' are the engine's to judge."""
    for name, value in options.items():
        if not isinstance(value, str):
            return f'{name} must be a text, as "{json.dumps(value)}"'
    size, count = str(options.get("max-size", "")), str(options.get("max-file", ""))
    if driver in _FILES and size and _bytes(size) is None:
        return f'max-size must be a size such as "10m", not {json.dumps(size)}'
    if driver in _FILES and count and not (count.isdecimal() and int(count) > 0):
        return f"max-file must be a number from 1 written as a text, not {json.dumps(count)}"
    return None


def with_log_config(options: JsonObject, default: LogConfig | None) -> JsonObject:
    """createOptions with the deployment's LogConfig where they give none (contract 3.2)."""
    host = options.get("HostConfig") or {}
    if default is None or not isinstance(host, dict) or host.get("LogConfig"):
        return options
    return {**options, "HostConfig": {**host, "LogConfig": default.document()}}


ROTATED = LogConfig("json-file", {"max-size": "10m", "max-file": "3"})
"""Where nobody says otherwise: a module's log takes 30 MB at most."""


def _bytes(text: str) -> int | None:
    """As engines read a size; 0 for no limit, None where it is no size."""
    if text == _UNLIMITED:
        return 0
    match = _SIZE.fullmatch(text)
    return int(float(match[1]) * _UNITS[match[2].lower()]) if match else None


def _fault(pointer: str, reason: str) -> Problem:
    return Problem(MANIFEST_MALFORMED, pointer=pointer, reason=reason)
