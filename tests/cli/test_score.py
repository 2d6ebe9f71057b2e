"""The demo's figures are what arrived, no more."""

import math

from hypothesis import given
from hypothesis import strategies as st

from hotori.cli.score import Score, Sighting, percentile


def event(
    picture, label="animal", expected="animal", captured="2026-01-01T00:00:00.000Z", arrived="2026-01-01T00:00:00.250Z"
):
    return {
        "enqueuedTime": arrived,
        "properties": {
            "picture": picture,
            "label": label,
            "expected": expected,
            "capturedAt": captured,
            "probability": "0.9",
        },
        "body": {"predictions": [{"tagName": label, "probability": 0.9}]},
    }


def test_a_prediction_is_read_with_its_delay():
    sighting = Sighting.from_event(event("a.jpg"))
    assert sighting is not None
    assert math.isclose(sighting.delay, 0.25, abs_tol=1e-6)
    assert sighting.right is True


def test_other_messages_are_not_predictions():
    assert Sighting.from_event({"properties": {}, "body": {"machine": {}}}) is None
    assert Sighting.from_event({"properties": {"picture": "a"}, "body": {"base64": "AA=="}}) is None


def test_a_picture_counts_once_however_often_its_prediction_arrives():
    score = Score.empty()
    for label in ("animal", "tool"):
        score = score.with_sighting(Sighting.from_event(event("a.jpg", label)))
    assert score.accuracy() == 1.0
    assert score.document()["predictions"] == 1


def test_a_picture_is_complete_only_with_its_prediction():
    score = Score.empty().with_sighting(Sighting.from_event(event("a.jpg"))).with_stored(["a.jpg", "b.jpg"])
    assert score.complete == 1


def test_accuracy_is_of_the_pictures_whose_label_is_known():
    score = Score.empty()
    for name, label, expected in (("a", "x", "x"), ("b", "x", "y"), ("c", "x", "")):
        score = score.with_sighting(Sighting.from_event(event(name, label, expected)))
    assert score.accuracy() == 0.5


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_one_of_the_values_and_enough_do_not_exceed_it(values, share):
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
