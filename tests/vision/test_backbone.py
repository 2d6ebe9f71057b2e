"""The pretrained network is read without running code, and computes what it should."""

import io
import pickle
import struct
from collections import OrderedDict

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from hotori.problems import Problem
from hotori.vision.backbone import SHA256, check, load_weights
from hotori.vision.backbone_onnx import EPSILON, GraphBuilder, backbone_model, finished, folded, same_pads
from hotori.vision.picture import network_input
from hotori.vision.torch_archive import MAGIC, PROTOCOL, ArchiveError, read_archive


@pytest.fixture(scope="module")
def weights():
    return load_weights()


@pytest.fixture(scope="module")
def look(weights):
    """From pictures to features."""
    session = ort.InferenceSession(backbone_model(weights).SerializeToString())
    return lambda pictures: session.run(None, {"picture": np.stack(pictures)})[0]


def archive(tensors, magic=MAGIC, storages=b""):
    """The bytes of a legacy archive; `tensors` is pickled as it is."""
    file = io.BytesIO()
    for part in (magic, PROTOCOL, {}, tensors, []):
        pickle.dump(part, file, protocol=2)
    return file.getvalue() + storages


class Harm:
    """Pickled, it is a call of a function that weights have no use for."""

    def __reduce__(self):
        return (open, ("/tmp/harm", "w"))


def test_the_weights_have_the_names_and_shapes_of_the_network(weights):
    assert len(weights) == 296
    assert weights["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert weights["_fc.weight"].shape == (1000, 1280)
    assert all(np.isfinite(tensor).all() for tensor in weights.values())


def test_code_in_an_archive_is_refused_and_not_run():
    with pytest.raises(ArchiveError, match="open"):
        read_archive(archive(OrderedDict(weight=Harm())))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 the newer format", archive({}, magic=1), archive([1, 2])])
def test_other_files_are_no_archives(data):
    with pytest.raises(ArchiveError):
        read_archive(data)


def test_an_archive_of_no_tensors_is_empty():
    assert read_archive(archive({})) == {}


def test_a_file_that_is_not_exactly_the_expected_one_is_not_read_further(tmp_path):
    with pytest.raises(Problem) as met:
        check(b"something else", tmp_path / "weights.pth")
    assert met.value.code == "backbone-altered"
    assert SHA256 in met.value.cause()


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pads"),
    [(224, 3, 2, (0, 1)), (112, 3, 1, (1, 1)), (56, 5, 2, (1, 2)), (14, 5, 1, (2, 2)), (7, 3, 2, (1, 1))],
)
def test_padding_is_that_of_the_framework_the_network_was_learnt_in(size, kernel, stride, pads):
    assert same_pads(size, kernel, stride) == pads


def test_the_model_is_valid(weights):
    onnx.checker.check_model(backbone_model(weights), full_check=True)


def test_the_stem_computes_what_plain_arithmetic_computes(weights):
    """Scaling, padding, convolution, normalisation and clipping, written out without any library's convolution."""
    picture = np.random.default_rng(1).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    padded = np.pad((picture.astype(np.float64) - 127) / 128, ((0, 1), (0, 1), (0, 0)))
    kernel = weights["_conv_stem.weight"].astype(np.float64)
    summed = np.zeros((112, 112, 32))
    for row in range(3):
        for column in range(3):
            summed += padded[row : row + 223 : 2, column : column + 223 : 2] @ kernel[:, :, row, column].T
    mean, variance = weights["_bn0.running_mean"], weights["_bn0.running_var"]
    scaled = (summed - mean) / np.sqrt(variance + EPSILON) * weights["_bn0.weight"] + weights["_bn0.bias"]
    assert np.abs(stem(weights, picture) - np.clip(scaled, 0, 6).transpose(2, 0, 1)).max() < 1e-4


def stem(weights, picture):
    """What the graph computes as far as its first block."""
    model = backbone_model(weights)
    end = next(index for index, node in enumerate(model.graph.node) if node.op_type == "Clip")
    graph = GraphBuilder(list(model.graph.node[: end + 1]), list(model.graph.initializer))
    part = finished(graph, model.graph.node[end].output[0], 32)
    del part.graph.output[0].type.tensor_type.shape.dim[:]
    session = ort.InferenceSession(part.SerializeToString(), quiet())
    return session.run(None, {"picture": picture[np.newaxis]})[0][0]


def quiet():
    """Unused constants of a cut graph are no concern here."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    return options


def test_a_normalisation_folded_into_a_convolution_leaves_the_result_as_it_was(weights):
    kernel, bias = folded(weights, "_conv_head", "_bn1")
    seen = np.random.default_rng(2).normal(size=320)
    before = weights["_conv_head.weight"][:, :, 0, 0] @ seen
    scale = weights["_bn1.weight"] / np.sqrt(weights["_bn1.running_var"] + EPSILON)
    expected = (before - weights["_bn1.running_mean"]) * scale + weights["_bn1.bias"]
    assert np.allclose(kernel[:, :, 0, 0] @ seen + bias, expected, atol=1e-4)


def test_a_batch_is_seen_as_its_pictures_one_by_one(look):
    pictures = list(np.random.default_rng(3).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8))
    together, alone = look(pictures), np.concatenate([look([picture]) for picture in pictures])
    assert together.shape == (3, 1280)
    assert np.allclose(together, alone, atol=1e-4)


@pytest.mark.parametrize(
    ("photograph", "known_as"),
    # The numbers are ImageNet's: koala, ice bear, German shepherd, giant panda, scarlet macaw's genus, hen.
    [("koala", 105), ("polar_bear", 296), ("dog", 235), ("panda", 388), ("scarlet_macaw", 88), ("chicken", 8)],
)
def test_the_network_knows_animals_by_its_own_labels(look, weights, photographs, photograph, known_as):
    picture = network_input((photographs / "animal" / f"{photograph}.webp").read_bytes())
    scores = look([picture])[0] @ weights["_fc.weight"].T + weights["_fc.bias"]
    assert scores.argmax() == known_as


def test_pictures_of_one_kind_are_nearer_to_each_other_than_to_others(look, photographs):
    kinds = ("windmill", "fish")
    seen = {}
    for kind in kinds:
        files = sorted((photographs / kind).glob("*.webp"))[:8]
        rows = look([network_input(file.read_bytes()) for file in files])
        seen[kind] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    within = [(seen[kind] @ seen[kind].T)[np.triu_indices(8, 1)].mean() for kind in kinds]
    assert min(within) > (seen["windmill"] @ seen["fish"].T).mean() + 0.05


def test_a_storage_that_ends_early_is_refused():
    with pytest.raises(ArchiveError):
        read_archive(archive({"w": 1}, storages=struct.pack("<q", 100)))
