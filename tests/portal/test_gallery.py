from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hotori.model.identity import Identity
from hotori.model.message import Message
from hotori.portal.gallery import Choice, Gallery, Order, Result, Verdict
from tests.portal.world import prediction

NOW = 1_800_000_000.0


def gallery_of(*messages: Message, capacity: int = 2000) -> Gallery:
    gallery = Gallery(capacity)
    for offset, message in enumerate(messages):
        gallery.add(offset, message)
    return gallery


def pictures(results: list[Result]) -> list[str]:
    return [result.picture for result in results]


def test_a_prediction_becomes_a_result() -> None:
    result = Result.of(7, prediction("edge-1/a.jpg", "dog", "cat", 0.6, delay=1.5, now=NOW))
    assert result is not None
    assert (result.offset, result.picture, result.label, result.probability) == (7, "edge-1/a.jpg", "dog", 0.6)
    assert result.sender == Identity("edge-1", "classifier")
    assert (result.right, result.delay, result.model, result.milliseconds) == (False, 1.5, "cats-1", 12.5)


def test_guesses_are_sorted_by_probability() -> None:
    body = {"predictions": [{"tagName": "a", "probability": 0.1}, {"tagName": "b", "probability": 0.9}]}
    result = Result.of(0, replace(prediction("p"), body=json.dumps(body).encode()))
    assert result is not None
    assert [guess.label for guess in result.guesses] == ["b", "a"]


@pytest.mark.parametrize(
    "message",
    [
        replace(prediction("p"), body=b"\xff\xd8 a picture"),
        replace(prediction("p"), body=b"[1, 2]"),
        replace(prediction("p"), body=b'{"predictions": "none"}'),
        replace(prediction("p"), body=b'{"predictions": [{"tagName": 1, "probability": true}, 5]}'),
        replace(prediction("p"), properties={}),
        replace(prediction("p"), properties={"picture": "p", "capturedAt": "yesterday"}),
        replace(prediction("p"), sender=None),
    ],
)
def test_other_messages_are_not_results(message: Message) -> None:
    assert Result.of(0, message) is None


@given(st.binary(), st.dictionaries(st.sampled_from(["picture", "capturedAt", "expected", "traceparent"]), st.text()))
def test_no_message_breaks_the_gallery(body: bytes, properties: dict[str, str]) -> None:
    gallery_of(Message(body, properties, sender=Identity("d", "m")))


def test_a_message_that_arrives_twice_counts_once() -> None:
    gallery = gallery_of(prediction("a", now=NOW), prediction("a", now=NOW + 5), prediction("b", now=NOW))
    assert gallery.tally().pictures == 2
    assert gallery.messages[Identity("edge-1", "classifier")] == 3
    assert gallery.position == 2


def test_accuracy_is_the_share_of_right_ones_among_those_known() -> None:
    tally = gallery_of(
        prediction("a", "cat", "cat"), prediction("b", "dog", "cat"), prediction("c", "cat", None)
    ).tally()
    assert (tally.pictures, tally.judged, tally.right, tally.accuracy) == (3, 2, 1, 0.5)


def test_nothing_is_known_of_an_empty_gallery() -> None:
    tally = Gallery().tally()
    assert tally.accuracy is None
    assert math.isnan(tally.delay)


def test_the_oldest_give_way_and_the_counts_stay() -> None:
    gallery = gallery_of(*(prediction(str(number)) for number in range(5)), capacity=3)
    assert pictures(gallery.results()) == ["4", "3", "2"]
    assert gallery.tally().pictures == 5


def test_results_are_chosen_and_sorted() -> None:
    gallery = gallery_of(
        prediction("a", "cat", "cat", 0.9, "edge-1", delay=1, now=NOW),
        prediction("b", "dog", "cat", 0.5, "edge-2", delay=3, now=NOW),
        prediction("c", "dog", None, 0.7, "edge-1", delay=2, now=NOW),
    )
    assert pictures(gallery.results()) == ["c", "b", "a"]
    assert pictures(gallery.results(order=Order.OLDEST)) == ["a", "b", "c"]
    assert pictures(gallery.results(order=Order.UNSURE)) == ["b", "c", "a"]
    assert pictures(gallery.results(order=Order.SLOWEST)) == ["b", "c", "a"]
    assert pictures(gallery.results(Choice(device="edge-1"))) == ["c", "a"]
    assert pictures(gallery.results(Choice(label="dog"))) == ["c", "b"]
    for verdict, expected in ((Verdict.RIGHT, ["a"]), (Verdict.WRONG, ["b"]), (Verdict.UNKNOWN, ["c"])):
        assert pictures(gallery.results(Choice(verdict=verdict))) == expected
    assert (gallery.labels(), gallery.devices()) == (["cat", "dog"], ["edge-1", "edge-2"])


def test_what_came_after_an_offset_is_found_newest_first() -> None:
    gallery = gallery_of(prediction("a"), Message(b"", sender=Identity("x")), prediction("b"), prediction("c"))
    assert pictures(list(gallery.after(0))) == ["c", "b"]
    assert list(gallery.after(3)) == []
