"""Identities, images and traces: names that are read and written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.model.identity import Identity
from hotori.model.image_reference import ImageReference
from hotori.model.message import Message
from hotori.model.trace import Trace
from hotori.problems import Problem

DIGEST = "sha256:" + "0a" * 32


@pytest.mark.parametrize("text", ["edge-1", "edge-1/camera", "edge-1/$edgeAgent", "a:b.c%_*?!(),=@;$'", "x" * 128])
def test_an_identity_is_read_and_written(text: str) -> None:
    assert str(Identity.parse(text)) == text


@pytest.mark.parametrize("text", ["", "a b", "a/", "/m", "a/b/c", "a#", "a+b", "x" * 129, "エッジ", "a\n"])
def test_a_name_that_no_device_can_have_is_a_problem(text: str) -> None:
    with pytest.raises(Problem) as met:
        Identity.parse(text)
    assert met.value.code == "name-invalid"


def test_an_identity_knows_its_device_and_its_path() -> None:
    module = Identity("edge-1", "camera")
    assert module.parent() == Identity("edge-1") == Identity("edge-1").parent()
    assert module.path() == "devices/edge-1/modules/camera"
    assert Identity("edge-1").path() == "devices/edge-1"
    assert sorted([module, Identity("edge-0", "z")])[0] == Identity("edge-0", "z")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:5000/camera:1.0", ImageReference("127.0.0.1:5000", "camera", tag="1.0")),
        (" registry.example/team/camera ", ImageReference("registry.example", "team/camera", tag="latest")),
        ("localhost/camera", ImageReference("localhost", "camera", tag="latest")),
        (f"registry.example/camera@{DIGEST}", ImageReference("registry.example", "camera", digest=DIGEST)),
        ("r.example:443/a__b/c-d.e:V_1", ImageReference("r.example:443", "a__b/c-d.e", tag="V_1")),
    ],
)
def test_an_image_reference_is_read_and_written(text: str, expected: ImageReference) -> None:
    found = ImageReference.parse(text)
    assert found == expected
    assert ImageReference.parse(str(found)) == found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("camera:1.0", "names no registry"),
        ("team/camera:1.0", "names no registry"),
        ("r.example/Camera", "lower-case"),
        ("r.example/", "lower-case"),
        ("r.example/a//b", "lower-case"),
        ("r.example/a:", "tag is not valid"),
        ("r.example/a:b:c", "tag is not valid"),
        (f"r.example/a:1@{DIGEST}", "both a tag and a digest"),
        ("r.example/a@sha256:12", "not sha256"),
        ("r.example/a@md5:" + "0" * 32, "not sha256"),
    ],
)
def test_an_image_reference_that_names_no_image_is_a_problem(text: str, reason: str) -> None:
    # A tag beside a digest is refused, as the device's agent refuses it (contract 3.2, 13).
    with pytest.raises(Problem) as met:
        ImageReference.parse(text)
    assert met.value.code == "image-reference-invalid"
    assert reason in met.value.values["reason"]


def test_a_pinned_image_is_named_by_its_digest_alone() -> None:
    pinned = ImageReference.parse("r.example/a:1").pinned(DIGEST)
    assert str(pinned) == f"r.example/a@{DIGEST}"
    assert pinned.selector == DIGEST
    assert ImageReference.parse("r.example/a:1").selector == "1"


@given(st.binary(min_size=24, max_size=24), st.binary(min_size=8, max_size=8))
def test_a_trace_keeps_its_journey_through_every_step(chance: bytes, more: bytes) -> None:
    begun = Trace.begin(chance)
    assert Trace.parse(str(begun)) == begun
    step = begun.step(more)
    assert (step.trace_id, step.span_id) == (begun.trace_id, more.hex())


@pytest.mark.parametrize("text", [None, "", "00-x", "01-" + "a" * 32 + "-" + "b" * 16 + "-01", "00-" + "A" * 32])
def test_what_is_no_trace_is_none(text: str | None) -> None:
    assert Trace.parse(text) is None


def test_the_size_of_a_message_counts_its_properties_in_bytes() -> None:
    message = Message(b"12345", {"湖": "ほ"}, {"ct": "text"})
    assert message.size() == 5 + 3 + 3 + 2 + 4
    assert (message.content_type, message.content_encoding, message.message_id) == ("text", None, None)
