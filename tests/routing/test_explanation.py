"""Why a message goes where it goes: the explanation says what the router does (contract 5.1 to 5.3)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hotori.model.identity import Identity
from hotori.model.manifest import RouteSpec
from hotori.model.message import Message
from hotori.model.message_document import message_document, read_message
from hotori.routing.explanation import explain
from hotori.routing.router import Router
from hotori.routing.source import message_source

MESSAGE = Message(
    b'{"temp": 21, "inner": {}}',
    {"label": "it's \\"},
    {"ct": "application/json", "ce": "utf-8"},
    Identity("edge-1", "camera"),
    "pictures",
)


def explained(*routes: tuple[str, int], message: Message = MESSAGE):
    specs = {f"r{at}": RouteSpec(f"r{at}", text, priority) for at, (text, priority) in enumerate(routes)}
    return explain(Router.compile(specs), message)


def test_every_part_of_a_condition_has_its_value_and_stands_as_it_was_written() -> None:
    text = "FROM /* WHERE {$body.temp} > 20 AND (missing = 'x' OR NOT is_defined(label)) INTO $upstream"
    (verdict,) = explained((text, 0)).verdicts
    assert verdict.condition is not None
    assert list(verdict.condition.lines()) == [
        (0, "{$body.temp} > 20 AND (missing = 'x' OR NOT is_defined(label))", "undefined"),
        (1, "{$body.temp} > 20", "true"),
        (2, "{$body.temp}", "21"),
        (1, "(missing = 'x' OR NOT is_defined(label))", "undefined"),
        (2, "missing = 'x'", "undefined"),
        (3, "missing", "undefined"),
        (2, "NOT is_defined(label)", "false"),
        (3, "is_defined(label)", "true"),
        (4, "label", "'it\\'s \\\\'"),
    ]
    assert not verdict.matches


def test_the_route_that_decides_is_named_and_the_others_are_told_apart() -> None:
    explanation = explained(
        ("FROM /messages/* INTO $upstream", 5),
        ("FROM /messages/modules/camera/* WHERE $body.temp = 21 INTO $upstream", 1),
        ("FROM /messages/modules/other/* WHERE true INTO $upstream", 0),
        ("FROM /* WHERE $body.inner = 1 INTO BrokeredEndpoint('/modules/a/inputs/b')", 0),
    )
    assert [(verdict.source_matches, verdict.matches, verdict.won) for verdict in explanation.verdicts] == [
        (True, True, False),
        (True, True, True),
        (False, False, False),
        (True, False, False),
    ]
    document = explanation.document()
    assert document["source"] == "/messages/modules/camera/outputs/pictures/"
    assert document["endpoints"] == [
        {"endpoint": "$upstream", "route": "r1", "priority": 1, "timeToLiveSecs": 7200, "routes": ["r1", "r0"]}
    ]
    assert document["routes"][3]["condition"]["parts"] == [{"text": "$body.inner", "value": "object"}]


SOURCES = st.sampled_from(["/*", "/messages/*", "/messages/modules/camera/*", "/messages/modules/b/*"])
CONDITIONS = st.sampled_from(["true", "label = 'cat'", "NOT is_defined(label)", "$body.temp > 3", "undefined"])
SINKS = st.sampled_from(["$upstream", "BrokeredEndpoint('/modules/a/inputs/b')"])
ROUTES = st.tuples(SOURCES, CONDITIONS, SINKS, st.integers(0, 3)).map(
    lambda parts: (f"FROM {parts[0]} WHERE {parts[1]} INTO {parts[2]}", parts[3])
)


@given(st.lists(ROUTES, max_size=5), st.sampled_from(["cat", "dog", None]))
def test_the_explanation_says_what_the_router_does(routes: list[tuple[str, int]], label: str | None) -> None:
    message = Message(b"{}", {"label": label} if label else {}, sender=Identity("edge-1", "camera"), output="o")
    specs = {f"r{at}": RouteSpec(f"r{at}", text, priority) for at, (text, priority) in enumerate(routes)}
    router = Router.compile(specs)
    explanation = explain(router, message)
    assert tuple(explanation.destinations) == router.route(message, message_source(message))
    matching = {name for found in explanation.destinations for name in found.routes}
    assert {verdict.name for verdict in explanation.verdicts if verdict.matches} == matching
    assert sum(verdict.won for verdict in explanation.verdicts) == len(explanation.destinations)


@given(
    st.builds(
        Message,
        st.binary(max_size=20) | st.sampled_from([b'{"a": [1, null]}', b"7"]),
        st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2),
        st.sampled_from([{}, {"ct": "application/json", "ce": "utf-8", "mid": "7"}, {"ct": "text/plain"}]),
        st.sampled_from([Identity("d"), Identity("d", "m")]),
        st.sampled_from([None, "out"]),
        st.just(12.5),
    )
)
def test_a_message_is_explained_from_its_document_as_it_was(message: Message) -> None:
    again = read_message(message_document(message))
    assert message_document(again) == message_document(message)
    if not (message.content_type or "").startswith("application/json"):
        assert again == message
