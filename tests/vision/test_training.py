"""Training on real photographs, end to end."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from hotori.problems import Problem
from hotori.vision.head import Head, normalised
from hotori.vision.predictor import Predictor
from hotori.vision.training import train

SOURCES = Path(__file__).resolve().parents[2] / "src"


def some(photographs, folder, labels, count):
    """A smaller folder of the same photographs."""
    for label in labels:
        (folder / label).mkdir(parents=True)
        for file in sorted((photographs / label).iterdir())[:count]:
            shutil.copy(file, folder / label)
    return folder


def test_pictures_that_were_held_out_are_mostly_labelled_rightly(trained):
    assert trained.accuracy >= 0.85
    assert trained.held_out == 58
    assert trained.trained == 136


def test_the_reported_accuracy_is_that_of_the_file_on_the_pictures_held_out(trained, photographs):
    predictor = Predictor.open(trained.out)
    answers = {name: predictor.predict((photographs / name).read_bytes()) for name in trained.held_out_pictures}
    right = sum(answer.best.label == name.partition("/")[0] for name, answer in answers.items())
    assert right / len(answers) == pytest.approx(trained.accuracy)


def test_the_report_is_json_with_the_figures_of_every_label(trained):
    document = json.loads(json.dumps(trained.document()))
    assert document["labels"] == ["animal", "fish", "monument", "power", "tool", "windmill"]
    assert [score["label"] for score in document["perLabel"]] == document["labels"]
    assert np.sum(document["confusion"]) == 58
    assert document["unreadable"] == {}


def test_the_same_pictures_and_seed_give_the_same_model(photographs, tmp_path):
    folder = some(photographs, tmp_path / "pictures", ["power", "windmill"], 8)
    moment = datetime(2027, 1, 1, tzinfo=UTC)
    for name in ("one.onnx", "two.onnx"):
        train(folder, tmp_path / name, created=moment, workers=1)
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()


def test_two_labels_are_told_apart_too(photographs, tmp_path):
    folder = some(photographs, tmp_path / "pictures", ["fish", "windmill"], 10)
    report = train(folder, tmp_path / "model.onnx")
    answer = Predictor.open(report.out).predict((photographs / "windmill" / "windmill9.webp").read_bytes())
    assert report.labels == ("fish", "windmill")
    assert answer.best.label == "windmill"
    assert sum(item.probability for item in answer.labels) == pytest.approx(1)


@pytest.mark.parametrize("labels", [2, 4])
def test_the_head_gives_the_probabilities_of_the_library_it_was_learnt_with(labels):
    chance = np.random.default_rng(labels)
    features = chance.normal(size=(60, 32)).astype(np.float32)
    truth = np.arange(60) % labels
    library = LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000).fit(normalised(features), truth)
    head = Head.fit(features, truth.tolist())
    assert np.abs(head.probabilities(features) - library.predict_proba(normalised(features))).max() < 1e-5


def test_progress_begins_at_nothing_and_ends_at_everything(photographs, tmp_path):
    told = []
    folder = some(photographs, tmp_path / "pictures", ["fish", "windmill"], 6)
    train(folder, tmp_path / "model.onnx", progress=lambda done, total: told.append((done, total)))
    assert told[0] == (0, 12)
    assert told[-1] == (12, 12)
    assert told == sorted(told)


def test_a_file_that_is_no_picture_is_reported_and_left_out(photographs, tmp_path):
    folder = some(photographs, tmp_path / "pictures", ["fish", "windmill"], 6)
    (folder / "fish" / "broken.jpg").write_bytes(b"\xff\xd8 no more")
    report = train(folder, tmp_path / "model.onnx")
    assert list(report.document()["unreadable"]) == ["fish/broken.jpg"]
    assert report.trained + report.held_out == 12


def test_a_label_left_with_too_few_readable_pictures_is_a_problem_and_no_file_is_written(photographs, tmp_path):
    folder = some(photographs, tmp_path / "pictures", ["fish", "windmill"], 5)
    next((folder / "fish").iterdir()).write_bytes(b"damaged")
    with pytest.raises(Problem) as met:
        train(folder, tmp_path / "model.onnx")
    assert met.value.code == "label-too-few-pictures"
    assert met.value.values["count"] == "4"
    assert not (tmp_path / "model.onnx").exists()


def test_a_model_that_cannot_be_written_is_a_problem_with_its_path(photographs, tmp_path):
    folder = some(photographs, tmp_path / "pictures", ["fish", "windmill"], 5)
    (tmp_path / "file").write_text("")
    with pytest.raises(Problem) as met:
        train(folder, tmp_path / "file" / "model.onnx")
    assert met.value.code == "file-unreadable"


def test_where_a_package_is_missing_that_is_said_by_its_name():
    """As on an edge device, on which nothing but the standard library can be imported."""
    script = (
        f"import sys; sys.path.insert(0, {str(SOURCES)!r})\n"
        "from pathlib import Path\nfrom hotori.problems import Problem\nfrom hotori.vision.training import train\n"
        "try:\n    train(Path('pictures'), Path('model.onnx'))\n"
        "except Problem as problem:\n    print(problem.code, problem.values['package'])\n"
    )
    command = [sys.executable, "-I", "-S", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["training-package-missing", "numpy"]
