"""What a training has to say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from hotori.model.json import JsonObject
from hotori.problems import Problem
from hotori.vision.evaluation import Evaluation

Progress: TypeAlias = Callable[[int, int], None]
"""Told (pictures looked at so far, all pictures)."""


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What was learnt from what, and how good it is on pictures that were held out.

    `held_out_pictures` are their names below the folder; `unreadable` the problem of each file that was left out.
    """

    out: Path
    trained: int
    held_out_pictures: tuple[str, ...]
    evaluation: Evaluation
    unreadable: Mapping[str, Problem]
    seconds: float
    size: int

    @property
    def labels(self) -> tuple[str, ...]:
        return self.evaluation.labels

    @property
    def accuracy(self) -> float:
        """Share of held-out pictures that were labelled rightly."""
        return self.evaluation.accuracy

    @property
    def held_out(self) -> int:
        """How many pictures were held out."""
        return len(self.held_out_pictures)

    def document(self) -> JsonObject:
        return {
            "out": str(self.out),
            "labels": list(self.labels),
            "trained": self.trained,
            "heldOut": self.held_out,
            **self.evaluation.document(),
            "heldOutPictures": list(self.held_out_pictures),
            "unreadable": {name: problem.cause() for name, problem in self.unreadable.items()},
            "seconds": round(self.seconds, 3),
            "bytes": self.size,
        }
