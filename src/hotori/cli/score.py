"""What a run of the main job has achieved so far: a fold over the messages that arrived. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from hotori.model.json import Json, JsonObject


@dataclass(frozen=True, slots=True)
class Sighting:
    """One picture's prediction as it arrived. Times are Unix seconds; `expected` is the true label, if known."""

    picture: str
    label: str
    probability: float
    expected: str | None
    captured_at: float
    arrived_at: float
    trace: str | None = None

    @property
    def right(self) -> bool | None:
        return None if self.expected is None else self.label == self.expected

    @property
    def delay(self) -> float:
        """Seconds from the capture to the prediction's durable arrival in the cloud."""
        return self.arrived_at - self.captured_at

    @classmethod
    def from_event(cls, event: JsonObject) -> Sighting | None:
        """Read a prediction message; None for any other message."""
        properties, body = event.get("properties"), event.get("body")
        if not isinstance(properties, dict) or not isinstance(body, dict) or "predictions" not in body:
            return None
        texts = {name: str(value) for name, value in properties.items()}
        if not {"picture", "label", "capturedAt"} <= texts.keys():
            return None
        return cls(
            picture=texts["picture"],
            label=texts["label"],
            probability=float(texts.get("probability", "nan")),
            expected=texts.get("expected") or None,
            captured_at=_seconds(texts["capturedAt"]),
            arrived_at=_seconds(event["enqueuedTime"]),
            trace=texts.get("traceparent"),
        )


def _seconds(text: Json) -> float:
    return datetime.fromisoformat(str(text)).timestamp()


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of the values do not exceed; NaN of none."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True, slots=True)
class Score:
    """Predictions by picture (the first arrival counts; a repeat is no second picture), and pictures stored."""

    sightings: Mapping[str, Sighting]
    stored: frozenset[str] = frozenset()

    @classmethod
    def empty(cls) -> Score:
        return cls({})

    def with_sighting(self, sighting: Sighting) -> Score:
        if sighting.picture in self.sightings:
            return self
        return replace(self, sightings={**self.sightings, sighting.picture: sighting})

    def with_stored(self, pictures: Iterable[str]) -> Score:
        return replace(self, stored=self.stored | frozenset(pictures))

    @property
    def complete(self) -> int:
        """Pictures that are in the cloud together with their prediction."""
        return len(self.stored & self.sightings.keys())

    def accuracy(self) -> float:
        """Share of right answers among pictures whose true label is known; NaN where none is."""
        judged = [sighting.right for sighting in self.sightings.values() if sighting.right is not None]
        return sum(judged) / len(judged) if judged else math.nan

    def delay(self, share: float) -> float:
        return percentile([sighting.delay for sighting in self.sightings.values()], share)

    def rate(self) -> float:
        """Pictures a second, from the first capture to the last arrival; NaN below two."""
        if len(self.sightings) < 2:
            return math.nan
        first = min(sighting.captured_at for sighting in self.sightings.values())
        last = max(sighting.arrived_at for sighting in self.sightings.values())
        return len(self.sightings) / (last - first) if last > first else math.nan

    def document(self) -> JsonObject:
        """The figures as JSON; what is not known is null."""
        figures = {
            "accuracy": self.accuracy(),
            "picturesPerSecond": self.rate(),
            "delayMedianSeconds": self.delay(0.5),
            "delayP99Seconds": self.delay(0.99),
        }
        known: JsonObject = {name: None if math.isnan(value) else round(value, 4) for name, value in figures.items()}
        return {"predictions": len(self.sightings), "pictures": len(self.stored), "complete": self.complete, **known}
