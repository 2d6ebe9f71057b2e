"""The topics of the device protocol, both ways (contract 1.5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.model.identity import Identity
from hotori.mqtt.topics import (
    DESIRED_CHANGES,
    METHOD_CALLS,
    TWIN_RESPONSES,
    ClientTopic,
    DesiredChange,
    DeviceBound,
    MethodCall,
    MethodReply,
    ModuleInput,
    ReportedPatch,
    ServerTopic,
    Telemetry,
    TwinGet,
    TwinReply,
    device_bound_filter,
    inputs_filter,
    matches,
    module_filter,
    parse_client_topic,
    parse_server_topic,
)

EDGE = Identity("edge-1")
CAMERA = Identity("edge-1", "camera")
names = st.from_regex(r"[A-Za-z0-9\-:.%_*?!(),=@;$']{1,128}", fullmatch=True)
identities = st.builds(Identity, names, st.none() | names)
modules = st.builds(Identity, names, names)
rids = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="&\0#+"), max_size=40)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
bags = st.sampled_from(["", "a=1", "%24.on=out&a=b%20c"])
numbers = st.integers(0, 10**9 - 1)

client_topics: st.SearchStrategy[ClientTopic] = st.one_of(
    st.builds(Telemetry, identities, bags),
    st.builds(TwinGet, rids),
    st.builds(ReportedPatch, rids),
    st.builds(MethodReply, st.integers(-999, 10**9 - 1), rids),
)
server_topics: st.SearchStrategy[ServerTopic] = st.one_of(
    st.builds(DeviceBound, names, bags),
    st.builds(ModuleInput, modules, texts, bags),
    st.builds(TwinReply, numbers, rids, st.none() | numbers),
    st.builds(DesiredChange, numbers),
    st.builds(MethodCall, texts, rids),
)


@given(client_topics)
def test_what_a_client_says_is_read_back(topic: ClientTopic) -> None:
    assert parse_client_topic(topic.format()) == topic


@given(server_topics)
def test_what_a_hub_says_is_read_back(topic: ServerTopic) -> None:
    assert parse_server_topic(topic.format()) == topic


@given(st.text(max_size=60) | st.text(st.sampled_from("devices/$iothub?=&modules"), max_size=60))
def test_no_text_breaks_the_parsers(topic: str) -> None:
    parse_client_topic(topic)
    parse_server_topic(topic)


@pytest.mark.parametrize(
    ("topic", "says"),
    [
        ("devices/edge-1/messages/events/", Telemetry(EDGE)),
        ("devices/edge-1/messages/events", Telemetry(EDGE)),
        ("devices/edge-1/messages/events/a=1", Telemetry(EDGE, "a=1")),
        ("devices/edge-1/messages/events/a=1/", Telemetry(EDGE, "a=1")),
        ("devices/edge-1/messages/events/t=text/plain", Telemetry(EDGE, "t=text/plain")),
        ("devices/edge-1/modules/camera/messages/events/%24.on=o", Telemetry(CAMERA, "%24.on=o")),
        ("$iothub/twin/GET/?$rid=1", TwinGet("1")),
        ("$iothub/twin/PATCH/properties/reported/?$rid=a-b", ReportedPatch("a-b")),
        ("$iothub/methods/res/200/?$rid=x", MethodReply(200, "x")),
        ("$iothub/methods/res/-1/?$rid=x", MethodReply(-1, "x")),
    ],
)
def test_topics_as_clients_write_them(topic: str, says: ClientTopic) -> None:
    assert parse_client_topic(topic) == says


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "devices/edge-1",
        "devices/edge-1/messages/eventsx/",
        "devices/edge-1/messages/devicebound/",
        "devices//messages/events/",
        "devices/a b/messages/events/",
        "devices/d/modules/m/x/messages/events/",
        "devices/" + "x" * 400 + "/messages/events/",
        "$iothub/twin/GET/",
        "$iothub/twin/GET/?rid=1",
        "$iothub/methods/res/ok/?$rid=1",
        "$iothub/twin/res/200/?$rid=1",
        "$SYS/broker",
    ],
)
def test_a_topic_that_is_not_a_clients_is_none(topic: str) -> None:
    assert parse_client_topic(topic) is None


@pytest.mark.parametrize(
    ("topic", "says"),
    [
        ("devices/edge-1/messages/devicebound/%24.mid=1", DeviceBound("edge-1", "%24.mid=1")),
        ("devices/edge-1/modules/camera/inputs/control", ModuleInput(CAMERA, "control")),
        ("devices/edge-1/modules/camera/inputs/in%201/a=1", ModuleInput(CAMERA, "in 1", "a=1")),
        ("$iothub/twin/res/204/?$rid=1&$version=7", TwinReply(204, "1", 7)),
        ("$iothub/twin/res/200/?$rid=1", TwinReply(200, "1")),
        ("$iothub/twin/PATCH/properties/desired/?$version=3", DesiredChange(3)),
        ("$iothub/methods/POST/Restart%20it/?$rid=1", MethodCall("Restart it", "1")),
    ],
)
def test_topics_as_hubs_write_them(topic: str, says: ServerTopic) -> None:
    assert parse_server_topic(topic) == says


@pytest.mark.parametrize(
    "topic",
    ["", "devices/d/messages/events/", "$iothub/methods/POST/", "$iothub/twin/PATCH/properties/desired/?$version=x"],
)
def test_a_topic_that_is_not_a_hubs_is_none(topic: str) -> None:
    assert parse_server_topic(topic) is None


@pytest.mark.parametrize("topic", [TwinReply(204, "r", 3).format(), MethodCall("m", "r").format()])
def test_every_entry_of_a_query_has_a_value(topic: str) -> None:
    """1.5: an entry without `=` breaks the client, and the message is lost."""
    assert all(entry.count("=") == 1 for entry in topic.partition("?")[2].split("&"))


@pytest.mark.parametrize(
    ("topic_filter", "topic", "taken"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/B", False),
        ("a/+", "a/b", True),
        ("a/+", "a/", True),
        ("a/+", "a", False),
        ("a/+", "a/b/c", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("#", "a/b", True),
        ("#", "$iothub/twin/res/200", False),
        ("+/twin", "$iothub/twin", False),
        (TWIN_RESPONSES, TwinReply(200, "1").format(), True),
        (DESIRED_CHANGES, DesiredChange(1).format(), True),
        (METHOD_CALLS, MethodCall("m", "1").format(), True),
        (METHOD_CALLS, TwinReply(200, "1").format(), False),
        (device_bound_filter("edge-1"), DeviceBound("edge-1", "a=1").format(), True),
        (inputs_filter(CAMERA), ModuleInput(CAMERA, "in", "a=1").format(), True),
        (module_filter(CAMERA), ModuleInput(CAMERA, "in").format(), True),
        (inputs_filter(CAMERA), ModuleInput(Identity("edge-1", "other"), "in").format(), False),
    ],
)
def test_filters_take_in_topics(topic_filter: str, topic: str, taken: bool) -> None:
    """MQTT 4.7."""
    assert matches(topic_filter, topic) is taken
