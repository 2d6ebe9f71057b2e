"""The exported file predicts, and says of itself where it comes from."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import onnx
import pytest

from hotori.problems import Problem
from hotori.vision.backbone import SHA256
from hotori.vision.model_facts import FactsError, ModelFacts
from hotori.vision.predictor import Predictor
from tests.vision.pictures import picture_file

HEAVY = ("onnx", "sklearn", "scipy", "cv2")


@pytest.fixture(scope="module")
def predictor(trained):
    return Predictor.open(trained.out)


def test_a_photograph_gets_every_label_with_the_most_probable_first(predictor, photographs):
    answer = predictor.predict((photographs / "animal" / "panda.webp").read_bytes())
    probabilities = [item.probability for item in answer.labels]
    assert answer.best.label == "animal"
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1, abs=1e-5)
    assert {item.label for item in answer.labels} == {"animal", "fish", "monument", "power", "tool", "windmill"}
    assert answer.milliseconds > 0


def test_the_file_knows_its_labels_origin_licences_and_worth(predictor, trained):
    facts = predictor.facts
    assert facts.labels == trained.labels
    assert (facts.backbone, facts.backbone_sha256) == ("efficientnet-lite0", SHA256)
    assert facts.licences == {"efficientnet-lite0": "Apache-2.0"}
    assert facts.accuracy == pytest.approx(trained.accuracy, abs=1e-4)
    assert facts.created.endswith("Z")
    assert facts.training["heldOutPictures"] == list(trained.held_out_pictures)


def test_the_file_is_a_valid_onnx_model_that_says_how_to_feed_it(trained):
    model = onnx.load(trained.out)
    onnx.checker.check_model(model)
    known = {entry.key: entry.value for entry in model.metadata_props}
    assert known["Image.BitmapPixelFormat"] == "Rgb8"
    assert known["Image.NominalPixelRange"] == "NominalRange_0_255"


def test_predictions_from_several_threads_are_those_of_one(predictor, photographs):
    pictures = [file.read_bytes() for file in sorted((photographs / "power").iterdir())]
    alone = [predictor.predict(picture).labels for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        assert [answer.labels for answer in pool.map(predictor.predict, pictures)] == alone


def test_what_is_no_picture_is_a_problem(predictor):
    with pytest.raises(Problem) as met:
        predictor.predict(b"no picture", "a.jpg")
    assert met.value.code == "picture-unreadable"


def test_a_model_that_is_not_there_or_damaged_is_a_problem_saying_which(trained, tmp_path):
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(trained.out.read_bytes()[:1_000_000])
    text = tmp_path / "text.onnx"
    text.write_text("not a model")
    for path, reason in ((tmp_path / "none.onnx", "no such file"), (cut, "not a whole"), (text, "not a whole")):
        with pytest.raises(Problem) as met:
            Predictor.open(path)
        assert met.value.code == "model-unreadable"
        assert reason in met.value.cause()


def test_an_onnx_file_that_training_did_not_write_is_a_problem(trained, tmp_path):
    model = onnx.load(trained.out)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "bare.onnx")
    with pytest.raises(Problem) as met:
        Predictor.open(tmp_path / "bare.onnx")
    assert met.value.code == "model-unreadable"
    assert "hotori.labels" in met.value.cause()


def test_labels_that_do_not_fit_the_output_are_a_problem(trained, tmp_path):
    model = onnx.load(trained.out)
    for entry in model.metadata_props:
        if entry.key == "hotori.labels":
            entry.value = '["only one"]'
    onnx.save(model, tmp_path / "odd.onnx")
    with pytest.raises(Problem) as met:
        Predictor.open(tmp_path / "odd.onnx")
    assert "labels" in met.value.cause()


def test_facts_come_back_as_they_were_written():
    facts = ModelFacts(
        ("良品", "傷"), "net", "0" * 64, {"net": "Apache-2.0"}, "2027-01-01T00:00:00Z", {"accuracy": 0.9}
    )
    assert ModelFacts.from_metadata(facts.metadata()) == facts


@pytest.mark.parametrize("labels", ["[1, 2]", "nonsense", "7"])
def test_labels_that_are_no_texts_are_refused(labels):
    facts = ModelFacts(("a",), "net", "0", {}, "", {}).metadata()
    with pytest.raises(FactsError):
        ModelFacts.from_metadata({**facts, "hotori.labels": labels})


def test_predicting_needs_none_of_what_training_needs():
    check = "import sys, hotori.vision.predictor; print([name for name in sys.argv[1:] if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check, *HEAVY], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_picture_of_one_colour_is_no_reason_to_fail(predictor):
    assert predictor.predict(picture_file("white", size=(1, 1))).labels
