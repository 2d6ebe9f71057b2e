"""The query language (contract 2.5): grammar, three-valued logic, functions, aggregates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.hub.query.evaluate import Groups, project, wanted
from hotori.hub.query.fault import QueryFaultError
from hotori.hub.query.narrow import named
from hotori.hub.query.page import understand
from hotori.hub.query.parser import parse_condition, parse_query
from hotori.hub.query.syntax import Query, Source
from hotori.problems import Language, Problem

ROW: dict[str, Any] = {
    "deviceId": "dev-1",
    "status": "enabled",
    "capabilities": {"iotEdge": True},
    "parentScopes": ["ms-azure-iot-edge://e-1"],
    "tags": {"room": "kitchen", "floor": 2, "note": None, "list": [1, "a", None], "quote": "it's"},
    "properties": {
        "desired": {"$version": 4, "interval": 2.5},
        "reported": {"a-b": {"ok": False}, "lastDesiredVersion": 4, "size": {"width": 640}},
    },
    "configurations": {"my-deploy": {"status": "Applied"}},
}


def holds(condition: str, row: dict[str, Any] = ROW) -> bool:
    return wanted(parse_condition(condition), row)


TRUE = [
    "deviceId = 'dev-1'",
    'deviceId = "dev-1"',
    "DeviceId = 'x' OR status = 'enabled'",
    "NOT deviceId = 'dev-2'",
    "NOT NOT deviceId = 'dev-1'",
    "capabilities.iotEdge = true",
    "capabilities.iotEdge",
    "tags.floor > 1 AND tags.floor <= 2",
    "tags.floor != 3",
    "tags.floor <> 3",
    "tags.floor * 2 + 1 = 5",
    "tags.floor - 3 = -1",
    "tags.floor % 2 = 0",
    "1 + 2 * 3 = 7",
    "0x10 = 16",
    "tags.room IN ['attic', 'kitchen']",
    "tags.room NIN ['attic']",
    "tags.floor in [-1, 2]",
    "tags.note = null",
    "tags.room != null",
    "tags.quote = 'it''s'",
    r"tags.quote = 'it\'s'",
    r"tags.quote = 'it\u0027s'",
    "properties.desired.$version = properties.reported.lastDesiredVersion",
    "properties.reported.[[a-b]].ok = false",
    "configurations.[[my-deploy]].status = 'Applied'",
    "array_contains(parentScopes, 'ms-azure-iot-edge://e-1')",
    "ARRAY_CONTAINS(tags.list, null)",
    "IS_DEFINED(tags.room) AND NOT IS_DEFINED(tags.nothing)",
    "is_string(tags.room) AND is_number(tags.floor) AND is_null(tags.note) AND is_array(tags.list)",
    "is_bool(capabilities.iotEdge) AND is_object(tags) AND is_primitive(tags.note) AND NOT is_primitive(tags)",
    "STARTS_WITH(tags.room, 'kit') AND ends_with(tags.room, 'chen') AND contains(tags.room, 'tch')",
    "length(tags.room) = 7 AND upper(tags.room) = 'KITCHEN' AND lower('A') = 'a'",
    "concat(tags.room, '-', status) = 'kitchen-enabled'",
    "substring(tags.room, 3) = 'chen' AND substring(tags.room, 0, 3) = 'kit' AND index_of(tags.room, 'c') = 3",
    "abs(-2) = 2 AND power(2, 3) = 8 AND square(3) = 9 AND sqrt(9) = 3 AND sign(-7) = -1",
    "ceiling(properties.desired.interval) = 3 AND floor(properties.desired.interval) = 2",
    "(tags.floor = 1 OR tags.floor = 2) AND status = 'enabled'",
]

FALSE = [
    "deviceId = 'DEV-1'",
    "tags.nothing = 1",
    "tags.nothing != 1",
    "NOT tags.nothing = 1",
    "tags.nothing NIN [1]",
    "tags.floor = '2'",
    "tags.floor != '2'",
    "tags.room > 1",
    "tags = tags",
    "tags.floor",
    "tags.floor / 0 = 0",
    "tags.room + 1 = 1",
    "capabilities.iotEdge > false",
    "length(tags.floor) = 1",
    "substring(tags.room, 9) = ''",
    "sqrt(-1) = 0",
    "power(10, 999) > 0",
    "undefined = undefined",
    "tags.nothing = null",
    "deviceId.x = 'dev-1'",
    "tags.list = [1, 'a', null]",
]


@pytest.mark.parametrize("condition", TRUE)
def test_these_select_the_row(condition: str) -> None:
    assert holds(condition)


@pytest.mark.parametrize("condition", FALSE)
def test_these_do_not(condition: str) -> None:
    assert not holds(condition)


@given(st.sampled_from(["true", "false", "undefined"]), st.sampled_from(["true", "false", "undefined"]))
def test_logic_has_three_values(left: str, right: str) -> None:
    """De Morgan holds for all nine pairs"""
    for outer in ("", "NOT "):
        assert holds(f"{outer}({left} AND {right})") == holds(f"{outer}(NOT (NOT {left} OR NOT {right}))")


def test_a_star_is_every_row() -> None:
    """3.4: a target condition"""
    assert parse_condition(" * ") is None
    assert wanted(None, {})


def test_a_whole_query_is_read() -> None:
    query = parse_query("select TOP 5 deviceId, tags.room AS place FROM devices.modules where tags.floor = 2")
    assert (query.source, query.top) == (Source.MODULES, 5)
    assert project(query, ROW) == {"deviceId": "dev-1", "place": "kitchen"}


def test_whole_rows_and_missing_columns() -> None:
    """2.5: a column without a value is left out"""
    assert project(parse_query("SELECT * FROM devices"), ROW) is ROW
    query = parse_query("SELECT tags.nothing, properties.reported.[[a-b]], deviceId FROM devices")
    assert project(query, ROW) == {"a-b": {"ok": False}, "deviceId": "dev-1"}


ROWS: list[dict[str, Any]] = [
    {"deviceId": "a", "tags": {"room": "x", "n": 1}},
    {"deviceId": "b", "tags": {"room": "y", "n": 2}},
    {"deviceId": "c", "tags": {"room": "x", "n": 6}},
    {"deviceId": "d", "tags": {"n": "many"}},
]


def aggregated(query: Query, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    groups = Groups(query)
    for row in rows:
        groups.add(row)
    return groups.rows()


def test_groups_are_counted_and_summarised() -> None:
    query = parse_query(
        "SELECT tags.room AS room, COUNT() AS n, SUM(tags.n) AS s, AVG(tags.n) AS a, MIN(tags.n), MAX(tags.n) "
        "FROM devices GROUP BY tags.room"
    )
    assert aggregated(query, ROWS) == [
        {"room": "x", "n": 2, "s": 7, "a": 3.5, "min": 1, "max": 6},
        {"room": "y", "n": 1, "s": 2, "a": 2.0, "min": 2, "max": 2},
        {"n": 1},
    ]


def test_nothing_is_counted_as_none() -> None:
    assert aggregated(parse_query("SELECT COUNT(*) FROM devices"), []) == [{"count": 0}]
    assert aggregated(parse_query("SELECT COUNT() FROM devices GROUP BY a"), []) == []


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("", 1),
        ("SELECT", 7),
        ("SELECT * FORM devices", 10),
        ("SELECT * FROM devices.twins", 15),
        ("SELECT * FROM devices WHERE", 28),
        ("SELECT * FROM devices WHERE a =", 32),
        ("SELECT * FROM devices WHERE a = 'x", 33),
        ("SELECT * FROM devices WHERE a ! b", 31),
        ("SELECT * FROM devices WHERE (a = 1", 35),
        ("SELECT * FROM devices WHERE a IN [b]", 35),
        ("SELECT * FROM devices WHERE what(1)", 29),
        ("SELECT * FROM devices WHERE length()", 29),
        ("SELECT * FROM devices nonsense", 23),
        ("SELECT TOP 0 * FROM devices", 12),
        ("SELECT a.b, c.b FROM devices", 13),
        ("SELECT a, COUNT() FROM devices", 31),
        ("SELECT * FROM devices GROUP BY a", 23),
        ("SELECT a AS 'x' FROM devices", 13),
        ("SELECT * FROM devices WHERE " + "(" * 60 + "a" + ")" * 60, 79),
    ],
)
def test_a_fault_is_told_with_its_column(text: str, column: int) -> None:
    with pytest.raises(Problem) as met:
        understand(text)
    assert met.value.code == "query-invalid"
    assert met.value.values["column"] == str(column)
    assert met.value.evidence == (text, " " * (column - 1) + "^")
    assert met.value.cause(Language.JA) != met.value.cause(Language.EN)


@given(st.text(alphabet="SELECTFROMWHRANDdevices.*=<>()[],'\" 0x1+-/%_$\\", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_query, parse_condition):
        fault = fault_of(parse, text)
        assert fault is None or 0 <= fault.at <= len(text)


@given(st.text(max_size=20))
def test_every_text_can_be_written_in_quotes(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    assert holds(f"tags.x = '{escaped}'", {"tags": {"x": text}})


@given(
    st.recursive(
        st.sampled_from(["a = 1", "b", "undefined"]), lambda inner: st.builds("(NOT {} AND {})".format, inner, inner)
    )
)
def test_conditions_of_any_depth_are_evaluated(condition: str) -> None:
    fault = fault_of(lambda text: holds(text, {"a": 1, "b": True}), condition)
    assert fault is None or "nested" in str(fault)


def test_a_long_chain_is_evaluated_and_an_endless_one_refused() -> None:
    assert holds(" AND ".join(["deviceId = 'dev-1'"] * 200))
    for count, words in ((500, "too long"), (50_000, "at most")):
        fault = fault_of(parse_condition, " AND ".join(["a = 1"] * count))
        assert fault is not None
        assert words in str(fault)


def fault_of(parse: Callable[[str], object], text: str) -> QueryFaultError | None:
    try:
        parse(text)
    except QueryFaultError as fault:
        return fault
    return None


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("deviceId = 'a'", {"a"}),
        ("'a' = deviceId AND tags.x = 1", {"a"}),
        ("deviceId IN ['a', 'b', 3] AND deviceId != 'b'", {"a", "b"}),
        ("deviceId IN ['a', 'b'] AND deviceId = 'c'", set()),
        ("deviceId = 'a' OR deviceId = 'b'", {"a", "b"}),
        ("deviceId = 3", set()),
        ("deviceId = 'a' OR tags.x = 1", None),
        ("NOT deviceId = 'a'", None),
        ("deviceId NIN ['a']", None),
        ("tags.deviceId = 'a'", None),
        ("*", None),
    ],
)
def test_only_what_a_condition_names_is_read(text: str, names: set[str] | None) -> None:
    assert named(parse_condition(text), "deviceId") == names


@given(
    st.sampled_from(["a", "b", "c"]),
    st.recursive(
        st.sampled_from(["deviceId = 'a'", "deviceId IN ['b', 'c']", "tags.n = 1", "deviceId NIN ['a']"]),
        lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from(["AND", "OR"]), inner),
        max_leaves=6,
    ),
    st.booleans(),
)
def test_what_is_not_read_would_not_be_wanted(device: str, text: str, tagged: bool) -> None:
    condition = parse_condition(text)
    names = named(condition, "deviceId")
    row: dict[str, Any] = {"deviceId": device, "tags": {"n": int(tagged)}}
    assert names is None or device in names or not wanted(condition, row)
