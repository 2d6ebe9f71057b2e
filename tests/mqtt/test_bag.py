"""Property bags (contract 1.6)."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.model.identity import Identity
from hotori.model.message import Message
from hotori.mqtt.bag import (
    Bag,
    MalformedBagError,
    bag_from_message,
    decode_bag,
    encode_bag,
    message_from_bag,
    read_bag,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
names = texts.filter(bool)
CAMERA = Identity("edge-1", "camera")


@given(st.dictionaries(names, texts, max_size=12))
def test_what_is_encoded_is_decoded(properties: dict[str, str]) -> None:
    assert decode_bag(encode_bag(properties)) == properties


@given(st.dictionaries(names, texts, max_size=5))
def test_an_encoded_bag_holds_nothing_that_means_something_in_a_topic(properties: dict[str, str]) -> None:
    """1.5: clients split at slashes, and cut values at a second equals sign; wildcards end the connection."""
    for part in filter(None, encode_bag(properties).split("&")):
        assert part.count("=") == 1
        assert not set(part) & set("/+# ")


@given(st.text(max_size=60))
def test_arbitrary_text_raises_nothing_but_malformed_bag(text: str) -> None:
    with suppress(MalformedBagError):
        decode_bag(text)


@given(
    st.dictionaries(names.filter(lambda name: not name.startswith("$.")), texts, max_size=5),
    st.dictionaries(st.sampled_from(["mid", "cid", "uid", "ct", "ce"]), texts, max_size=5),
    st.none() | names,
    st.binary(max_size=20),
)
def test_a_message_survives_the_way_to_the_hub(
    properties: dict[str, str], system: dict[str, str], output: str | None, body: bytes
) -> None:
    message = Message(body, properties, system, None, output)
    assert message_from_bag(bag_from_message(message, to_client=False), body) == message


@pytest.mark.parametrize(
    ("bag", "properties"),
    [
        ("", {}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=", {"a": ""}),
        ("a", {"a": ""}),
        ("a&b=2", {"a": "", "b": "2"}),
        ("a=1&&b=2&", {"a": "1", "b": "2"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=1&a=2", {"a": "2"}),
        ("a=x%20y", {"a": "x y"}),
        ("a=x+y", {"a": "x+y"}),
        ("%24.mid=1", {"$.mid": "1"}),
        ("$.mid=1", {"$.mid": "1"}),
        ("%E6%B0%B4=%E8%BE%BA", {"水": "辺"}),
        ("path=a/b", {"path": "a/b"}),
    ],
)
def test_bags_as_clients_write_them(bag: str, properties: dict[str, str]) -> None:
    assert decode_bag(bag) == properties


@pytest.mark.parametrize("bag", ["=1", "a=%", "a=%2", "a=%zz", "a=%ff", "%C3=1", "a=%E6%B0", "x" * 600 + "=%zz"])
def test_a_malformed_bag_is_named_so(bag: str) -> None:
    with pytest.raises(MalformedBagError):
        decode_bag(bag)
    with pytest.raises(MalformedBagError):
        message_from_bag(bag, b"")


def test_a_space_is_percent_20() -> None:
    assert encode_bag({"a b": "c d"}) == "a%20b=c%20d"


def test_a_decoded_bag_is_the_callers_own() -> None:
    decode_bag("a=1")["b"] = "2"
    assert decode_bag("a=1") == {"a": "1"}


@pytest.mark.parametrize("dollar", ["$", "%24"])
def test_system_properties_are_told_from_the_senders_own(dollar: str) -> None:
    bag = f"{dollar}.on=pictures&{dollar}.ct=application%2Fjson&{dollar}.ce=utf-8&{dollar}.mid=7&label=cat"
    message = message_from_bag(bag, b"{}")
    assert message.output == "pictures"
    assert message.system == {"ct": "application/json", "ce": "utf-8", "mid": "7"}
    assert message.properties == {"label": "cat"}
    assert message.sender is None


def test_what_only_a_hub_may_write_is_not_believed_from_a_client() -> None:
    """Trap 8: a filter module copies what it received, the sender's identity included."""
    message = message_from_bag("$.cdid=other&$.cmid=mod&$.to=x&$.exp=y&$.mid=1&a=1", b"")
    assert message == Message(b"", {"a": "1"}, {"mid": "1"})


def test_a_module_is_told_who_sent_its_input() -> None:
    sent = Message(b"x", {"a": "1"}, {"ct": "text/plain"}, CAMERA, "pictures")
    bag = bag_from_message(sent, to_client=True)
    assert "%24.on" not in bag
    assert message_from_bag(bag, b"x", trusted=True) == Message(b"x", {"a": "1"}, {"ct": "text/plain"}, CAMERA)


def test_a_sender_that_no_identity_can_be_is_unknown() -> None:
    assert message_from_bag("$.cdid=a%20b", b"", trusted=True).sender is None


def test_an_empty_message_has_an_empty_bag() -> None:
    assert bag_from_message(Message(b""), to_client=False) == ""
    assert bag_from_message(Message(b"", sender=Identity("d")), to_client=True) == "%24.cdid=d"


values = st.text("ab.-_~9", max_size=4) | st.sampled_from(["x%20y", "a/b", "a=b", "%zz", "水"])
parts = st.builds(
    "{}={}".format,
    st.sampled_from(["a", "b", "Level", "%24.mid", "$.ct", "%24.on", "$.cdid", "", "x%20y", "%E6%B0%B4", "c=d"]),
    values,
) | st.sampled_from(["", "flag", "=", "a"])


@given(st.lists(st.lists(parts, max_size=4).map("&".join), min_size=1, max_size=12))
def test_what_is_remembered_of_bags_changes_none_of_them(texts_read: list[str]) -> None:
    """Each is read as if it was the first that ever came."""
    for text in texts_read:
        try:
            plain = decode_bag(text)
        except MalformedBagError:
            with pytest.raises(MalformedBagError):
                read_bag(text)
            continue
        bag, output = read_bag(text)
        stamped = {"$.cdid", "$.cmid", "$.to", "$.exp", "$.iothub-message-source", "$.on"}
        assert dict(bag) == {name: value for name, value in plain.items() if name[:2] != "$."}
        assert bag.system == {
            name[2:]: value for name, value in plain.items() if name[:2] == "$." and name not in stamped
        }
        assert output == (plain.get("$.on") or None)
        assert {name: bag.find(name) for name in bag.folded()} == bag.folded()
        assert bag.folded() == {name.lower(): value for name, value in bag.items()}
        again = Bag.trusted(bag.text)
        assert (again, again.system) == (bag, bag.system)
        assert not set(bag.text) & set("/+#")
