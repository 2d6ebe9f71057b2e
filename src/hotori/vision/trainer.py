"""The work of training. Imports all that training needs; `hotori.vision.training` first looks whether it is there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np
import onnxruntime as ort

from hotori.model.json import JsonObject
from hotori.problems import Problem
from hotori.vision import backbone
from hotori.vision.backbone_onnx import INPUT, backbone_model
from hotori.vision.dataset import Dataset, LabelledPicture, Split
from hotori.vision.evaluation import Evaluation
from hotori.vision.export import fused, write
from hotori.vision.head import Features, Head
from hotori.vision.model_facts import ModelFacts
from hotori.vision.picture import Input, network_input
from hotori.vision.torch_archive import Tensor
from hotori.vision.training_report import Progress, TrainingReport

_BATCH = 32


def train(
    folder: Path, out: Path, progress: Progress, held_out: float, seed: int, created: datetime, workers: int
) -> TrainingReport:
    """As `hotori.vision.training.train` says."""
    start = time.perf_counter()
    dataset = Dataset.read(folder)
    dataset.split(held_out, seed)  # too few pictures: said before the work, not after it
    weights = backbone.load_weights()
    features, unreadable = _look_at(dataset, weights, progress, workers)
    split = dataset.without(unreadable).split(held_out, seed)
    head = Head.fit(_rows(features, split.train), _numbers(dataset.labels, split.train))
    evaluation = _evaluate(head, features, dataset.labels, split.held_out)
    facts = _facts(split, evaluation, seed, created)
    size = write(fused(weights, head, facts), out)
    return TrainingReport(
        out=out,
        trained=len(split.train),
        held_out_pictures=tuple(picture.name for picture in split.held_out),
        evaluation=evaluation,
        unreadable=unreadable,
        seconds=time.perf_counter() - start,
        size=size,
    )


def _look_at(
    dataset: Dataset, weights: Mapping[str, Tensor], progress: Progress, workers: int
) -> tuple[dict[str, Features], dict[str, Problem]]:
    """The features of every readable picture by name, and the problem of every other."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = workers
    # Between batches the processor is wanted for decoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(backbone_model(weights).SerializeToString(), options)
    features: dict[str, Features] = {}
    unreadable: dict[str, Problem] = {}
    progress(0, len(dataset.pictures))
    with ThreadPoolExecutor(workers) as pool:
        for batch in _batches(dataset.pictures):
            inputs: dict[str, Input] = {}
            for picture, result in zip(batch, pool.map(_decode, batch), strict=True):
                if isinstance(result, Problem):
                    unreadable[picture.name] = result
                else:
                    inputs[picture.name] = result
            if inputs:
                rows = session.run(None, {INPUT: np.stack(list(inputs.values()))})[0]
                features.update(zip(inputs, rows, strict=True))
            progress(len(features) + len(unreadable), len(dataset.pictures))
    return features, unreadable


def _batches(pictures: Sequence[LabelledPicture]) -> Iterator[list[LabelledPicture]]:
    rest = iter(pictures)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def _decode(picture: LabelledPicture) -> Input | Problem:
    try:
        return network_input(picture.path.read_bytes(), picture.name)
    except Problem as problem:
        return problem


def _rows(features: Mapping[str, Features], pictures: Sequence[LabelledPicture]) -> Features:
    return np.stack([features[picture.name] for picture in pictures])


def _numbers(labels: Sequence[str], pictures: Sequence[LabelledPicture]) -> list[int]:
    return [labels.index(picture.label) for picture in pictures]


def _evaluate(
    head: Head, features: Mapping[str, Features], labels: Sequence[str], pictures: Sequence[LabelledPicture]
) -> Evaluation:
    given = head.probabilities(_rows(features, pictures)).argmax(axis=1)
    return Evaluation.of(labels, _numbers(labels, pictures), [int(number) for number in given])


def _facts(split: Split, evaluation: Evaluation, seed: int, created: datetime) -> ModelFacts:
    training: JsonObject = {
        "trained": len(split.train),
        "heldOut": len(split.held_out),
        "seed": seed,
        **evaluation.document(),
        "heldOutPictures": [picture.name for picture in split.held_out],
    }
    return ModelFacts(
        labels=evaluation.labels,
        backbone=backbone.NAME,
        backbone_sha256=backbone.SHA256,
        licences={backbone.NAME: backbone.LICENCE},
        created=created.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        training=training,
    )
