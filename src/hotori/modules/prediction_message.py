"""Messages that say what is on a picture. Pure."""

from __future__ import annotations

import json

from hotori.model.message import TRACEPARENT, Message
from hotori.model.trace import Trace
from hotori.modules.picture_message import blob_name
from hotori.vision.predictor import Prediction

PREDICTIONS = "predictions"
"""The classifier's output."""

_JSON = {"ct": "application/json", "ce": "utf-8"}


def prediction_message(picture: Message, prediction: Prediction, model: str, span: bytes) -> Message:
    """What the model saw on a picture. The picture's properties go on with it, its trace one step further.

    `span` are 8 random bytes; a picture without a trace starts none.
    """
    best = prediction.best
    body = {
        "predictions": [
            {"tagName": item.label, "probability": round(item.probability, 8)} for item in prediction.labels
        ],
        "picture": blob_name(picture),
        "capturedAt": picture.properties.get("capturedAt"),
        "model": model,
        "milliseconds": round(prediction.milliseconds, 3),
    }
    properties = {
        **picture.properties,
        "picture": blob_name(picture),
        "label": best.label,
        "probability": f"{best.probability:.4f}",
    }
    if trace := Trace.parse(picture.properties.get(TRACEPARENT)):
        properties[TRACEPARENT] = str(trace.step(span))
    return Message(json.dumps(body, ensure_ascii=False).encode(), properties, _JSON, output=PREDICTIONS)
