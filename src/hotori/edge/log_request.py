"""What `GetModuleLogs` asks for, and what of a log answers it (contract 7.1)."""

from __future__ import annotations

import base64
import gzip
import json
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hotori.model.json import Json, JsonObject

_DURATION = re.compile(r"(\d+)\s*(days?|d|hours?|h|minutes?|min|m|seconds?|s)", re.IGNORECASE)
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_TIME = re.compile(r"(?:<\d>\s*)?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?\s?(?:Z|[+-]\d\d:?\d\d)?)")
_LEVEL = re.compile(r"<([0-7])>")
_DEFAULT_LEVEL = 6
_MOST_LINES = 20_000


class BadRequestError(Exception):
    """The request of a method is wrong (status 400)."""


class SchemaVersionError(Exception):
    """The request's schemaVersion is missing, unreadable or not 1.x (status 500)."""


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines: times are Unix seconds. A line without a time of its own passes both."""

    tail: int | None = None
    since: float | None = None
    until: float | None = None
    level: int | None = None
    regex: re.Pattern[str] | None = None

    @classmethod
    def parse(cls, document: Any, now: float) -> LogFilter:
        if not isinstance(document, dict):
            raise BadRequestError("filter must be an object")
        tail, level, regex = document.get("tail"), document.get("loglevel"), document.get("regex")
        if tail is not None and (not isinstance(tail, int) or tail < 0):
            raise BadRequestError("filter.tail must be a whole number")
        return cls(
            tail=tail,
            since=_moment(document.get("since"), now),
            until=_moment(document.get("until"), now),
            level=level if isinstance(level, int) else None,
            regex=_regex(regex) if regex else None,
        )

    @property
    def lines_needed(self) -> int:
        """How many of the last lines to look at: where only the tail is asked for, no more than that."""
        return self.tail if self.tail is not None and not self.sifts else _MOST_LINES

    def lines(self, text: str) -> list[str]:
        kept = [line for line in text.splitlines() if self.keeps(line)]
        return kept if self.tail is None else kept[-self.tail :] if self.tail else []

    @property
    def sifts(self) -> bool:
        """Whether it looks at lines, and does not only count them."""
        return any(other is not None for other in (self.since, self.until, self.level, self.regex))

    def keeps(self, line: str) -> bool:
        """Whether a line is chosen, but for the tail."""
        if self.regex and not self.regex.search(line):
            return False
        if self.level is not None and level_of(line) != self.level:
            return False
        at = time_of(line)
        return at is None or (self.since or 0.0) <= at <= (self.until or float("inf"))


@dataclass(frozen=True, slots=True)
class LogItem:
    """Modules whose name matches `module` entirely, and the filter for them."""

    module: re.Pattern[str]
    chosen: LogFilter

    def names(self, modules: Iterable[str]) -> list[str]:
        return [name for name in modules if self.module.fullmatch(name)]


@dataclass(frozen=True, slots=True)
class LogRequest:
    items: tuple[LogItem, ...]
    compressed: bool = False
    as_json: bool = False

    @classmethod
    def parse(cls, payload: Json, now: float) -> LogRequest:
        """Raises BadRequestError and SchemaVersionError."""
        document = check_schema(payload)
        items = document.get("items")
        items = [items] if isinstance(items, dict) else items
        encoding, content = document.get("encoding", "none"), document.get("contentType", "text")
        if not isinstance(items, list) or not items:
            raise BadRequestError("items must be a list of {id, filter}")
        if encoding not in ("none", "gzip") or content not in ("text", "json"):
            raise BadRequestError("encoding is none or gzip, contentType is text or json")
        return cls(tuple(_item(item, now) for item in items), encoding == "gzip", content == "json")

    def answer(self, module: str, lines: list[str], hub: str, device: str) -> JsonObject:
        """One entry of the reply."""
        if self.as_json and not self.compressed:
            return {"id": module, "payload": [line_document(line, module, hub, device) for line in lines]}
        text = self.content(module, lines, hub, device)
        if not self.compressed:
            return {"id": module, "payload": text}
        return {"id": module, "payloadBytes": base64.b64encode(gzip.compress(text.encode())).decode()}

    def content(self, module: str, lines: list[str], hub: str, device: str) -> str:
        """The chosen lines as one text: as they are, or as a JSON array."""
        if self.as_json:
            return _compact([line_document(line, module, hub, device) for line in lines])
        return "".join(f"{line}\n" for line in lines)


def check_schema(payload: Json) -> dict[str, Any]:
    """The payload as an object whose schemaVersion is 1.x. Raises BadRequestError and SchemaVersionError."""
    if not isinstance(payload, dict):
        raise BadRequestError("the payload must be an object")
    version = payload.get("schemaVersion")
    if not isinstance(version, str) or not re.fullmatch(r"1(\.\d+)*", version):
        raise SchemaVersionError(f"schemaVersion must be 1.0, and is {version!r}")
    return payload


def level_of(line: str) -> int:
    match = _LEVEL.search(line[:80])
    return int(match[1]) if match else _DEFAULT_LEVEL


def time_of(line: str) -> float | None:
    """Unix seconds of the time that the line begins with, UTC unless it says otherwise."""
    match = _TIME.match(line)
    return _parse_time(match[1]) if match else None


def _parse_time(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text.replace(",", ".").replace(" +", "+").replace(" -", "-").strip())
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _moment(value: Any, now: float) -> float | None:
    """Duration text (`10m`, `1d 2h`), RFC 3339, or Unix seconds."""
    if value is None:
        return None
    text = str(value).strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if text and not _DURATION.sub("", text).strip():
        return now - sum(int(number) * _UNITS[unit[0].lower()] for number, unit in _DURATION.findall(text))
    moment = _parse_time(text)
    if moment is None:
        raise BadRequestError(f"{text!r} is neither a duration such as 10m nor a time")
    return moment


def _regex(text: Any) -> re.Pattern[str]:
    if not isinstance(text, str):
        raise BadRequestError("a regular expression is a text")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise BadRequestError(f"{text!r} is not a regular expression: {error}") from error


def _item(item: Any, now: float) -> LogItem:
    if not isinstance(item, dict) or not isinstance(name := item.get("id"), str):
        raise BadRequestError("every item needs the id of a module")
    return LogItem(_regex(".*" if name == "all" else name), LogFilter.parse(item.get("filter") or {}, now))


def line_document(line: str, module: str, hub: str, device: str) -> JsonObject:
    """A line as `GetModuleLogs` gives it for the content type json (contract 7.1)."""
    at = _TIME.match(line)
    return {
        "iothub": hub,
        "device": device,
        "id": module,
        "stream": "stdout",
        "loglevel": level_of(line),
        "text": line,
        "timestamp": at[1] if at else "",
    }


def _compact(content: Json) -> str:
    return json.dumps(content, separators=(",", ":"))
