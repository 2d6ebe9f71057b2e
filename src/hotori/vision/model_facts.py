"""What a model file says of itself, in the metadata that ONNX files carry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from hotori.model.json import JsonObject

_LABELS = "hotori.labels"
_BACKBONE = "hotori.backbone"
_BACKBONE_SHA256 = "hotori.backbone.sha256"
_LICENCES = "hotori.licences"
_CREATED = "hotori.created"
_TRAINING = "hotori.training"
_FIXED = {
    # Names by which other readers of exported classifiers learn how to feed one.
    "Image.BitmapPixelFormat": "Rgb8",
    "Image.NominalPixelRange": "NominalRange_0_255",
}


class FactsError(ValueError):
    """The metadata is not that of a file that training wrote."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """`labels` in output order; `created` in RFC 3339; `training` the figures of the training report."""

    labels: tuple[str, ...]
    backbone: str
    backbone_sha256: str
    licences: Mapping[str, str]
    created: str
    training: JsonObject

    @property
    def accuracy(self) -> float | None:
        """Share of right answers on held-out pictures, as far as the file tells."""
        value = self.training.get("accuracy")
        return float(value) if isinstance(value, int | float) else None

    def metadata(self) -> dict[str, str]:
        """As key and value texts."""
        return {
            _LABELS: json.dumps(self.labels, ensure_ascii=False),
            _BACKBONE: self.backbone,
            _BACKBONE_SHA256: self.backbone_sha256,
            _LICENCES: json.dumps(dict(self.licences), ensure_ascii=False),
            _CREATED: self.created,
            _TRAINING: json.dumps(self.training, ensure_ascii=False),
            **_FIXED,
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> ModelFacts:
        """Read them back. Raises `FactsError`."""
        try:
            facts = cls(
                tuple(json.loads(metadata[_LABELS])),
                metadata[_BACKBONE],
                metadata[_BACKBONE_SHA256],
                dict(json.loads(metadata[_LICENCES])),
                metadata[_CREATED],
                dict(json.loads(metadata[_TRAINING])),
            )
        except KeyError as error:
            raise FactsError(f"its metadata lacks {error.args[0]}") from error
        except (ValueError, TypeError) as error:
            raise FactsError(f"its metadata cannot be read ({error})") from error
        if not all(isinstance(label, str) for label in facts.labels):
            raise FactsError("its labels are not texts")
        return facts

    def summary(self) -> JsonObject:
        """A few lines for a twin or a log."""
        return {
            "labels": list(self.labels),
            "accuracy": self.accuracy,
            "backbone": self.backbone,
            "created": self.created,
        }
