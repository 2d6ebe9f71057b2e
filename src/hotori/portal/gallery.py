"""The latest results: a fold over the messages that arrive. It reads no clock and fetches no pictures.

A result is a prediction that speaks of a picture. The first one for a picture counts; another arrival of the
same message, which at-least-once delivery allows, does not.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from statistics import median
from typing import Any

from hotori.model.identity import Identity
from hotori.model.message import TRACEPARENT, Message


@dataclass(frozen=True, slots=True)
class Guess:
    """One label with its probability, 0 to 1."""

    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class Result:
    """A picture's prediction. Times are Unix seconds; `expected` is the true label where the source knew it."""

    offset: int
    picture: str
    sender: Identity
    label: str
    probability: float
    expected: str | None
    captured_at: float
    arrived_at: float
    guesses: tuple[Guess, ...] = ()
    trace: str | None = None
    model: str | None = None
    milliseconds: float | None = None

    @property
    def right(self) -> bool | None:
        """Whether label and expected label agree; None where nobody knows."""
        return None if self.expected is None else self.label == self.expected

    @property
    def delay(self) -> float:
        """Seconds from the capture to the prediction's durable arrival."""
        return max(self.arrived_at - self.captured_at, 0.0)

    @classmethod
    def of(cls, offset: int, message: Message) -> Result | None:
        """The result that a message tells; None for any other message, however strange."""
        properties, body = message.properties, _object(message.body)
        captured_at = _seconds(properties.get("capturedAt", ""))
        if message.sender is None or captured_at is None or not properties.get("picture"):
            return None
        guesses = _guesses(body.get("predictions"))
        if not guesses:
            return None
        return cls(
            offset=offset,
            picture=properties["picture"],
            sender=message.sender,
            label=guesses[0].label,
            probability=guesses[0].probability,
            expected=properties.get("expected") or None,
            captured_at=captured_at,
            arrived_at=message.enqueued_at,
            guesses=guesses,
            trace=properties.get(TRACEPARENT) or None,
            model=_text(body.get("model")),
            milliseconds=_number(body.get("milliseconds")),
        )


class Verdict(StrEnum):
    """How a prediction turned out."""

    RIGHT = "right"
    WRONG = "wrong"
    UNKNOWN = "unknown"


class Order(StrEnum):
    """What a list of results is sorted by; times newest first, numbers largest or smallest first."""

    NEWEST = "newest"
    OLDEST = "oldest"
    UNSURE = "unsure"
    SLOWEST = "slowest"


_KEYS: Mapping[Order, Callable[[Result], float]] = {
    Order.NEWEST: lambda result: -result.offset,
    Order.OLDEST: lambda result: result.offset,
    Order.UNSURE: lambda result: result.probability,
    Order.SLOWEST: lambda result: -result.delay,
}
_VERDICTS = {True: Verdict.RIGHT, False: Verdict.WRONG, None: Verdict.UNKNOWN}


@dataclass(frozen=True, slots=True)
class Choice:
    """Which results are asked for; an empty text or None leaves everything in."""

    device: str = ""
    label: str = ""
    verdict: Verdict | None = None

    def takes(self, result: Result) -> bool:
        return (
            (not self.device or result.sender.device == self.device)
            and (not self.label or result.label == self.label)
            and (self.verdict is None or _VERDICTS[result.right] is self.verdict)
        )


@dataclass(frozen=True, slots=True)
class Tally:
    """What the results amount to. `delay` is the median in seconds of those that are kept, NaN of none."""

    pictures: int
    judged: int
    right: int
    delay: float

    @property
    def accuracy(self) -> float | None:
        """The share of right ones among those whose true label is known."""
        return self.right / self.judged if self.judged else None


@dataclass(slots=True)
class Gallery:
    """The latest results, up to `capacity` of them, and counts of all that were folded in."""

    capacity: int = 2000
    pictures: int = 0
    judged: int = 0
    right: int = 0
    position: int = -1
    """The offset of the last message that was looked at."""
    messages: Counter[Identity] = field(default_factory=Counter)
    """Messages of any kind, by sender."""
    _results: dict[str, Result] = field(default_factory=dict)

    def add(self, offset: int, message: Message) -> Result | None:
        """Fold one message in; the result, if it is one and new."""
        self.position = offset
        if message.sender is not None:
            self.messages[message.sender] += 1
        result = Result.of(offset, message)
        if result is None or result.picture in self._results:
            return None
        self._results[result.picture] = result
        self._count(result)
        if len(self._results) > self.capacity:
            del self._results[next(iter(self._results))]
        return result

    def result(self, picture: str) -> Result | None:
        """The result for a picture, while it is kept."""
        return self._results.get(picture)

    def results(self, choice: Choice = Choice(), order: Order = Order.NEWEST) -> list[Result]:
        """The results that were chosen, sorted."""
        return sorted(filter(choice.takes, self._results.values()), key=_KEYS[order])

    def after(self, offset: int) -> Iterator[Result]:
        """Results of messages after `offset`, newest first."""
        for result in reversed(self._results.values()):
            if result.offset <= offset:
                return
            yield result

    def labels(self) -> list[str]:
        """Every label that was predicted among the results kept."""
        return sorted({result.label for result in self._results.values()})

    def devices(self) -> list[str]:
        """Every device that has results among those kept."""
        return sorted({result.sender.device for result in self._results.values()})

    def tally(self) -> Tally:
        delays = [result.delay for result in self._results.values()]
        return Tally(self.pictures, self.judged, self.right, median(delays) if delays else math.nan)

    def _count(self, result: Result) -> None:
        self.pictures += 1
        self.judged += result.right is not None
        self.right += result.right is True


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _guesses(value: object) -> tuple[Guess, ...]:
    """The predictions, most probable first; what is not one is left out."""
    entries = value if isinstance(value, list) else []
    pairs = [(_text(one.get("tagName")), _number(one.get("probability"))) for one in entries if isinstance(one, dict)]
    guesses = [Guess(label, number) for label, number in pairs if label and number is not None]
    return tuple(sorted(guesses, key=lambda guess: -guess.probability))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _seconds(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None
