"""What pictures and predictions carry with them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.model.identity import Identity
from hotori.model.message import MAX_SIZE, Message
from hotori.model.trace import Trace
from hotori.modules.camera_settings import MAX_BYTES
from hotori.modules.picture_message import blob_metadata, blob_name, picture_message
from hotori.modules.prediction_message import prediction_message
from hotori.modules.source import Shot
from hotori.vision.predictor import Likelihood, Prediction

CAMERA = Identity("edge-1", "camera")
TRACE = Trace.begin(bytes(range(24)))
NOON = 1_798_804_800.25
PREDICTION = Prediction((Likelihood("animal", 0.75), Likelihood("fish", 0.25)), 6.54321)


ANIMAL = Shot(b"jpeg", "animal")


def picture(shot: Shot = ANIMAL) -> Message:
    return picture_message(shot, CAMERA, 7, NOON, TRACE)


def test_a_picture_says_when_and_by_whom_it_was_taken_and_what_it_shows() -> None:
    assert picture() == Message(
        b"jpeg",
        {
            "picture": "edge-1/camera/2027-01-01T12-00-00.250Z-000007.jpg",
            "capturedAt": "2027-01-01T12:00:00.250Z",
            "sequence": "7",
            "traceparent": str(TRACE),
            "expected": "animal",
        },
        {"ct": "image/jpeg"},
        output="pictures",
    )


def test_a_picture_of_unknown_content_claims_none() -> None:
    assert "expected" not in picture(Shot(b"jpeg")).properties


def test_the_largest_picture_fits_into_a_message() -> None:
    assert picture(Shot(b"x" * MAX_BYTES, "標" * 200)).size() < MAX_SIZE


def test_a_prediction_has_every_label_and_the_pictures_name() -> None:
    message = prediction_message(picture(), PREDICTION, "abc123", bytes(8))
    assert json.loads(message.body) == {
        "predictions": [{"tagName": "animal", "probability": 0.75}, {"tagName": "fish", "probability": 0.25}],
        "picture": "edge-1/camera/2027-01-01T12-00-00.250Z-000007.jpg",
        "capturedAt": "2027-01-01T12:00:00.250Z",
        "model": "abc123",
        "milliseconds": 6.543,
    }
    assert (message.content_type, message.content_encoding, message.output) == (
        "application/json",
        "utf-8",
        "predictions",
    )


def test_a_prediction_passes_the_pictures_properties_on_with_its_trace_one_step_further() -> None:
    message = prediction_message(picture(), PREDICTION, "abc123", b"12345678")
    before = dict(picture().properties)
    after = dict(message.properties)
    assert after.pop("traceparent") == str(Trace(TRACE.trace_id, b"12345678".hex()))
    assert before.pop("traceparent")
    assert after == {**before, "label": "animal", "probability": "0.7500"}


def test_a_prediction_for_a_stranger_s_picture_gets_by_without_name_and_trace() -> None:
    message = prediction_message(Message(b"jpeg"), PREDICTION, "abc123", bytes(8))
    assert message.properties["picture"].startswith("unnamed/")
    assert "traceparent" not in message.properties


@pytest.mark.parametrize("name", ["", "/a.jpg", "a//b.jpg", "../a.jpg", "a/./b.jpg", "a\\b.jpg", "a\n.jpg", "x" * 1025])
def test_a_name_that_is_not_fit_for_a_blob_is_replaced(name: str) -> None:
    replaced = blob_name(Message(b"jpeg", {"picture": name}))
    assert replaced.startswith("unnamed/")
    assert replaced == blob_name(Message(b"jpeg", {"picture": name}))


@given(st.text(max_size=40), st.binary(max_size=20))
def test_every_picture_has_a_name_that_stays_inside_its_container(name: str, body: bytes) -> None:
    chosen = blob_name(Message(body, {"picture": name}))
    assert chosen
    assert not {"", ".", ".."}.intersection(chosen.split("/"))


def test_metadata_is_ascii_whatever_the_label() -> None:
    metadata = blob_metadata(picture(Shot(b"jpeg", "傷あり")))
    assert metadata == {
        "expected": "%E5%82%B7%E3%81%82%E3%82%8A",
        "captured_at": "2027-01-01T12:00:00.250Z",
        "traceparent": str(TRACE),
    }


def test_what_a_picture_does_not_know_its_metadata_does_not_say() -> None:
    assert blob_metadata(Message(b"jpeg")) == {}
