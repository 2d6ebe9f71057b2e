"""The peer of the classifier: ONNX Runtime and Pillow in a loop, nothing of ours between them."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from PIL import Image

SIDE = 224


class BareClassifier:
    """Decodes a JPEG and runs the model on one core."""

    def __init__(self, model: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def probabilities(self, picture: bytes) -> list[float]:
        image = Image.open(io.BytesIO(picture))
        image.draft("RGB", (2 * SIDE, 2 * SIDE))
        small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        outputs = self._session.run(None, {self._input: np.asarray(small, dtype=np.uint8)[np.newaxis]})
        return [float(value) for value in np.asarray(outputs[0])[0]]


def cost(model: Path, pictures: Sequence[bytes]) -> float:
    """Processor seconds for one picture, decoding included."""
    classifier = BareClassifier(model)
    classifier.probabilities(pictures[0])
    before = time.process_time()
    for picture in pictures:
        classifier.probabilities(picture)
    return (time.process_time() - before) / len(pictures)
