"""A trained classifier as one ONNX file: backbone, head and what they are, in one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from onnx import ModelProto, helper

from hotori.problems import Problem
from hotori.problems.storage import FILE_UNREADABLE
from hotori.vision.backbone_onnx import GraphBuilder, add_backbone, finished
from hotori.vision.head import Head
from hotori.vision.model_facts import ModelFacts
from hotori.vision.torch_archive import Tensor

OUTPUT = "probabilities"


def fused(weights: Mapping[str, Tensor], head: Head, facts: ModelFacts) -> ModelProto:
    """Pictures in (uint8, (N, 224, 224, 3), RGB), probabilities out (float32, (N, labels))."""
    graph = GraphBuilder()
    features = add_backbone(graph, weights)
    value = graph.node("LpNormalization", [features], axis=1, p=2)
    kernel = graph.constant("labels.weights", np.ascontiguousarray(head.weights))
    bias = graph.constant("labels.bias", head.bias)
    value = graph.node("Gemm", [value, kernel, bias], transB=1)
    output = graph.node("Softmax", [value], OUTPUT, axis=1)
    model = finished(graph, output, len(facts.labels))
    helper.set_model_props(model, facts.metadata())
    return model


def write(model: ModelProto, path: Path) -> int:
    """Write the file whole or not at all; its size in bytes. Raises `file-unreadable`."""
    data = model.SerializeToString()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                os.fchmod(file.fileno(), 0o644)
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise Problem(FILE_UNREADABLE, str(error), path=path, reason=error.strerror or "unknown") from error
    return len(data)
