"""A trained classifier at work. Needs only onnxruntime, numpy and Pillow."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as refusals

from hotori.problems import Problem
from hotori.problems.vision import MODEL_UNREADABLE
from hotori.vision.model_facts import FactsError, ModelFacts
from hotori.vision.picture import SIDE, Input, network_input

_SHAPE = [SIDE, SIDE, 3]
_REFUSALS = (
    refusals.Fail,
    refusals.InvalidArgument,
    refusals.InvalidGraph,
    refusals.InvalidProtobuf,
    refusals.NoSuchFile,
    refusals.NotImplemented,
    refusals.RuntimeException,
)


@dataclass(frozen=True, slots=True)
class Likelihood:
    """A label, and how probable it is (0 to 1)."""

    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """Every label, the most probable first; `milliseconds` is what the network took, without decoding."""

    labels: tuple[Likelihood, ...]
    milliseconds: float

    @property
    def best(self) -> Likelihood:
        return self.labels[0]


class Predictor:
    """One opened model. May be used from several threads at once."""

    def __init__(self, session: ort.InferenceSession, facts: ModelFacts) -> None:
        self.facts = facts
        self._session = session
        self._input = session.get_inputs()[0].name

    @classmethod
    def open(cls, path: Path, threads: int = 1) -> Predictor:
        """Open a file that training wrote; a prediction uses `threads` cores. Raises `model-unreadable`."""
        session = _session(path, threads)
        try:
            facts = ModelFacts.from_metadata(session.get_modelmeta().custom_metadata_map)
        except FactsError as error:
            raise Problem(MODEL_UNREADABLE, path=path, reason=f"It is an ONNX file, but {error}") from error
        inputs, outputs = session.get_inputs(), session.get_outputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(uint8)" or inputs[0].shape[1:] != _SHAPE:
            raise Problem(
                MODEL_UNREADABLE, path=path, reason="It is an ONNX file, but it does not take one RGB picture"
            )
        if outputs[0].shape[1:] != [len(facts.labels)]:
            raise Problem(
                MODEL_UNREADABLE, path=path, reason="It is an ONNX file, but its labels do not fit its output"
            )
        return cls(session, facts)

    def predict(self, data: bytes, name: str = "picture") -> Prediction:
        """Decode a picture file and classify it. Raises `picture-unreadable`, calling the picture `name`."""
        return self.predict_input(network_input(data, name))

    def predict_input(self, picture: Input) -> Prediction:
        """Classify what `network_input` made of a picture."""
        start = time.perf_counter()
        probabilities = np.asarray(self._session.run(None, {self._input: picture[np.newaxis]})[0])[0]
        milliseconds = (time.perf_counter() - start) * 1000
        order = np.argsort(-probabilities, kind="stable")
        labels = self.facts.labels
        return Prediction(tuple(Likelihood(labels[i], float(probabilities[i])) for i in order), milliseconds)


def _session(path: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what fails is said by the problem
    if not path.is_file():
        raise Problem(MODEL_UNREADABLE, path=path, reason="There is no such file")
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except _REFUSALS as error:
        raise Problem(MODEL_UNREADABLE, str(error), path=path, reason="It is not a whole ONNX file") from error
