"""The backbone as an ONNX graph: normalisations folded into convolutions, paddings written out.

Input `picture`: uint8, (N, 224, 224, 3), RGB. Output `features`: float32, (N, 1280). The network was learnt with
TensorFlow's SAME padding, which on even sizes with stride 2 pads after, not before; hence the explicit pads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from hotori.vision.backbone import FEATURES
from hotori.vision.picture import SIDE
from hotori.vision.torch_archive import Tensor

INPUT = "picture"
OUTPUT = "features"
OPSET = 17
IR_VERSION = 8
EPSILON = 1e-3
"""What the normalisations add to the variance, as the network was learnt."""

STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
"""The stride of each of the 16 blocks; all else is read from the shapes of the weights."""


Array: TypeAlias = "npt.NDArray[np.float32]"
_NORMALISATION = ("weight", "bias", "running_mean", "running_var")


def same_pads(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Pixels to add before and after, so that the output has ceil(size / stride)."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def folded(weights: Mapping[str, Tensor], convolution: str, normalisation: str) -> tuple[Array, Array]:
    """A convolution and the normalisation after it as one: kernel and bias (float32)."""
    part = {name: weights[f"{normalisation}.{name}"].astype(np.float64) for name in _NORMALISATION}
    scale = part["weight"] / np.sqrt(part["running_var"] + EPSILON)
    kernel = weights[f"{convolution}.weight"].astype(np.float64) * scale[:, None, None, None]
    bias = part["bias"] - part["running_mean"] * scale
    return kernel.astype(np.float32), bias.astype(np.float32)


@dataclass
class GraphBuilder:
    """Collects nodes and constants. Every method takes and returns the name of a value."""

    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)

    def node(self, kind: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        output = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, name: str, value: npt.NDArray[np.generic]) -> str:
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def convolution(self, source: str, name: str, kernel: Array, bias: Array, stride: int, size: int) -> str:
        """`size` is the height and width of what comes in."""
        before, after = same_pads(size, kernel.shape[2], stride)
        return self.node(
            "Conv",
            [source, self.constant(f"{name}.kernel", kernel), self.constant(f"{name}.bias", bias)],
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=kernel.shape[0] if kernel.shape[1] == 1 and kernel.shape[0] > 1 else 1,
        )

    def relu6(self, source: str) -> str:
        return self.node("Clip", [source, "zero", "six"])


def add_backbone(graph: GraphBuilder, weights: Mapping[str, Tensor]) -> str:
    """Add everything from `picture` to `features`."""
    graph.constant("zero", np.array(0, np.float32))
    graph.constant("six", np.array(6, np.float32))
    value, size = _stem(graph, weights), SIDE // 2
    for index, stride in enumerate(STRIDES):
        value = _block(graph, weights, f"_blocks.{index}", value, stride, size)
        size = -(-size // stride)
    value = graph.convolution(value, "head", *folded(weights, "_conv_head", "_bn1"), stride=1, size=size)
    value = graph.node("GlobalAveragePool", [graph.relu6(value)])
    return graph.node("Flatten", [value], OUTPUT, axis=1)


def _stem(graph: GraphBuilder, weights: Mapping[str, Tensor]) -> str:
    value = graph.node("Cast", [INPUT], to=TensorProto.FLOAT)
    value = graph.node("Sub", [value, graph.constant("middle", np.array(127, np.float32))])
    value = graph.node("Mul", [value, graph.constant("scale", np.array(1 / 128, np.float32))])
    value = graph.node("Transpose", [value], perm=[0, 3, 1, 2])
    return graph.relu6(graph.convolution(value, "stem", *folded(weights, "_conv_stem", "_bn0"), stride=2, size=SIDE))


def _block(graph: GraphBuilder, weights: Mapping[str, Tensor], name: str, source: str, stride: int, size: int) -> str:
    """Expand (where the block does), filter each channel, project, and add what came in where the shapes allow."""
    value, channels = source, 0
    if f"{name}._expand_conv.weight" in weights:
        kernel, bias = folded(weights, f"{name}._expand_conv", f"{name}._bn0")
        value = graph.relu6(graph.convolution(value, f"{name}.expand", kernel, bias, 1, size))
        channels = kernel.shape[1]
    kernel, bias = folded(weights, f"{name}._depthwise_conv", f"{name}._bn1")
    value = graph.relu6(graph.convolution(value, f"{name}.filter", kernel, bias, stride, size))
    kernel, bias = folded(weights, f"{name}._project_conv", f"{name}._bn2")
    value = graph.convolution(value, f"{name}.project", kernel, bias, 1, -(-size // stride))
    return graph.node("Add", [value, source]) if stride == 1 and channels == kernel.shape[0] else value


def backbone_model(weights: Mapping[str, Tensor]) -> ModelProto:
    """The backbone alone: pictures in, features out."""
    graph = GraphBuilder()
    output = add_backbone(graph, weights)
    return finished(graph, output, FEATURES)


def finished(graph: GraphBuilder, output: str, width: int) -> ModelProto:
    """The model whose result is `output`, float32 (N, width)."""
    pictures = helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["N", SIDE, SIDE, 3])
    result = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", width])
    body = helper.make_graph(graph.nodes, "classifier", [pictures], [result], graph.constants)
    opset = helper.make_opsetid("", OPSET)
    return helper.make_model(body, producer_name="hotori", ir_version=IR_VERSION, opset_imports=[opset])
