"""The trained part of a classifier: from features to one probability a label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Features: TypeAlias = "npt.NDArray[np.float32]"

REGULARISATION = 10.0
"""The inverse strength C of the logistic regression: best of 0.1 to 100 on three sets of photographs."""


@dataclass(frozen=True, slots=True)
class Head:
    """Multinomial logistic regression on features of length 1: `weights` (labels, features), `bias` (labels)."""

    weights: Features
    bias: Features

    @classmethod
    def fit(cls, features: Features, labels: Sequence[int]) -> Head:
        """Learn from features (n, width) and label numbers 0, 1, …; each label at least once.

        A label with few pictures weighs as much as one with many.
        """
        from sklearn.linear_model import LogisticRegression

        regression = LogisticRegression(C=REGULARISATION, class_weight="balanced", max_iter=1000)
        regression.fit(normalised(features), np.asarray(labels))
        return cls.of(regression.coef_, regression.intercept_)

    @classmethod
    def of(cls, weights: npt.NDArray[Any], bias: npt.NDArray[Any]) -> Head:
        """From scikit-learn's form, in which two labels share one row; here each label has its own."""
        if len(weights) == 1:
            weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
        return cls(weights.astype(np.float32), bias.astype(np.float32))

    def probabilities(self, features: Features) -> Features:
        """(n, labels) from (n, width), as the exported file computes them."""
        scores = normalised(features) @ self.weights.T + self.bias
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares: Features = powers / powers.sum(axis=1, keepdims=True)
        return shares


def normalised(features: Features) -> Features:
    """Each row divided by its Euclidean length."""
    lengths: Features = np.sqrt(np.square(features).sum(axis=1, keepdims=True))
    rows: Features = np.divide(features, np.maximum(lengths, np.float32(1e-12)))
    return rows
