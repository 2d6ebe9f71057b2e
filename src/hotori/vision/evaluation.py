"""How good a classifier is, from true and given labels. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hotori.model.json import Json, JsonObject


@dataclass(frozen=True, slots=True)
class LabelScore:
    """`precision`: share right of what was given this label; `recall`: share found of what has it. None of nothing."""

    label: str
    precision: float | None
    recall: float | None
    pictures: int

    def document(self) -> JsonObject:
        return {
            "label": self.label,
            "precision": _rounded(self.precision),
            "recall": _rounded(self.recall),
            "pictures": self.pictures,
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`confusion[truth][given]` counts pictures, in the order of `labels`."""

    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, labels: Sequence[str], truth: Sequence[int], given: Sequence[int]) -> Evaluation:
        """From label numbers, one pair a picture."""
        table = [[0] * len(labels) for _ in labels]
        for true, answer in zip(truth, given, strict=True):
            table[true][answer] += 1
        return cls(tuple(labels), tuple(tuple(row) for row in table))

    @property
    def pictures(self) -> int:
        return sum(map(sum, self.confusion))

    @property
    def accuracy(self) -> float:
        """Share of right answers; 0 of no pictures."""
        right = sum(row[index] for index, row in enumerate(self.confusion))
        return right / self.pictures if self.pictures else 0.0

    def per_label(self) -> tuple[LabelScore, ...]:
        return tuple(self._score(index) for index in range(len(self.labels)))

    def _score(self, index: int) -> LabelScore:
        right = self.confusion[index][index]
        given = sum(row[index] for row in self.confusion)
        true = sum(self.confusion[index])
        return LabelScore(self.labels[index], _share(right, given), _share(right, true), true)

    def document(self) -> JsonObject:
        confusion: list[Json] = [list(row) for row in self.confusion]
        return {
            "accuracy": round(self.accuracy, 4),
            "perLabel": [score.document() for score in self.per_label()],
            "confusion": confusion,
        }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
