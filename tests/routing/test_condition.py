"""The condition language, clause by clause (contract 5.2)."""

import json
import math

import pytest

from hotori.model.identity import Identity
from hotori.model.json import Json
from hotori.model.message import Message
from hotori.routing.condition import DEEPEST_NESTING, LONGEST_CHAIN
from hotori.routing.facts import Facts
from hotori.routing.fault import RouteFaultError
from hotori.routing.functions import FUNCTIONS
from hotori.routing.grammar import parse_route

MESSAGE = Message(
    body=json.dumps(
        {
            "temp": 21.5,
            "count": 3,
            "ok": True,
            "off": False,
            "name": "lake",
            "none": None,
            "list": [{"x": 1}, 2],
            "inner": {"a": {"b": "deep"}},
            "huge": 10**400,
        }
    ).encode(),
    properties={
        "Name": "lake",
        "level": "7",
        "a-b": "dash",
        "$own": "mine",
        "$body.temp": "shadow",
        "empty": "",
        "e5": "e",
    },
    system={"ct": "application/JSON; charset=utf-8", "ce": "UTF-8", "mid": "m-1", "cid": "c-1", "modelId": "dtmi:x;1"},
    sender=Identity("edge-1", "camera"),
    output="pictures",
    enqueued_at=0.25,
)


def holds(condition: str, message: Message = MESSAGE) -> bool:
    parsed = parse_route(f"FROM /messages WHERE {condition} INTO $upstream").condition
    assert parsed is not None
    return parsed.holds(Facts(message))


def value(expression: str) -> str:
    """Which of the three truth values an expression has."""
    if holds(expression):
        return "true"
    return "false" if holds(f"NOT ({expression})") else "undefined"


def fault(condition: str) -> RouteFaultError:
    with pytest.raises(RouteFaultError) as met:
        holds(condition)
    return met.value


PREFIX = len("FROM /messages WHERE ")


@pytest.mark.parametrize(
    "condition",
    [
        # names and where they look
        "Name = 'lake'",
        "NAME = 'lake'",
        "a-b = 'dash'",
        "$own = 'mine'",
        "$OWN = 'mine'",
        "empty = ''",
        "e5 = 'e'",
        "$body.temp = 'shadow'",
        "{$body.temp} = 21.5",
        "$body.count = 3",
        "$BODY.count = 3",
        "$body.name = Name",
        '$body.inner.a.b = "deep"',
        "$body.list[0].x = 1",
        "$body.list[1] = 2",
        "$body.huge > 1e300",
        "$messageId = 'm-1'",
        "$MESSAGEID = 'm-1'",
        "{$messageId} = 'm-1'",
        "$cid = 'c-1' AND $correlationId = 'c-1'",
        "$contentType = 'application/JSON; charset=utf-8'",
        "$modelId = 'dtmi:x;1'",
        "$modelid = 'dtmi:x;1'",
        "$connectionDeviceId = 'edge-1'",
        "$connectionModuleId = 'camera'",
        "$outputName = 'pictures'",
        "$enqueuedTime = '1970-01-01T00:00:00.250Z'",
        # literals
        "'it\\'s' = \"it's\"",
        "'\\\"' = '\"'",
        "'\\\\' = \"\\\\\"",
        "'\\u6e56' = '湖'",
        "0x1F = 31",
        "-5 < 0",
        ".5 = 0.5",
        "1e3 = 1000",
        "1.5E-1 = 0.15",
        "-.5 = 0 - 0.5",
        "true",
        "null = null",
        # precedence, tight to loose
        "1 + 2 * 3 = 7",
        "(1 + 2) * 3 = 9",
        "10 - 2 - 3 = 5",
        "7 % 4 = 3",
        "-7 % 4 = -3",
        "2 * 3 % 4 = 2",
        "'a' || 'b' || 'c' = 'abc'",
        "1 + 1 < 3 = true",
        "true OR true AND false",
        "false AND false OR true",
        "undefined ?? true",
        "(missing ?? 'x') = 'x'",
        "- 3 = -3",
        "- - 3 = 3",
        "- (1 + 2) = -3",
        "not false AND nOt false",
        # NOT binds tighter than =
        "NOT (Name = 'sea')",
        "NOT false = true",
        # comparison
        "'B' < 'a'",
        "'a' < 'b'",
        "2 < 10",
        "Name <> 'sea'",
        "Name != 'sea'",
        "Name!='sea'",
        "$own!='x'",
        "$body.ok",
        "$body.ok = true",
        "$body.ok <> $body.off",
        "$body.none = null",
        "$body.missing = null",
        "$body.inner.missing.deeper = null",
        "$body.list[9] = null",
        # division and infinities
        "1 / 0 > 1e300",
        "-1 / 0 < -1e300",
        # functions
        "abs(-2) = 2",
        "exp(0) = 1",
        "exp(1000) > 1e300",
        "power(2, 10) = 1024",
        "power(10, 400) > 1e300",
        "power(-10, 401) < -1e300",
        "power(0, -1) > 1e300",
        "square(3) = 9",
        "ceiling(1.2) = 2 AND ceiling(-1.2) = -1",
        "floor(1.8) = 1 AND floor(-1.2) = -2",
        "floor(1 / 0) > 1e300",
        "sign(-9) = -1 AND sign(0) = 0 AND sign(3) = 1",
        "sqrt(16) = 4",
        "as_number(level) = 7",
        "AS_NUMBER('1,234.5') = 1234.5",
        "as_number(' 1e2 ') = 100",
        "as_number(3) = 3",
        "as_number($body.count) = 3",
        "is_bool($body.ok) AND is_bool(true) AND NOT is_bool(Name)",
        "is_defined(Name) AND NOT is_defined(missing)",
        "is_defined($body.missing)",
        "NOT is_defined(undefined)",
        "is_null(null) AND is_null($body.missing) AND NOT is_null(Name)",
        "is_number($body.count) AND is_number(1) AND NOT is_number(level)",
        "is_string(Name) AND NOT is_string($body.count) AND NOT is_string(missing)",
        "concat('a', Name, 'c') = 'alakec'",
        "length('') = 0 AND length('湖畔') = 2",
        "lower('LAKE') = Name AND upper(Name) = 'LAKE'",
        "substring('lakeside', 4) = 'side'",
        "substring('lakeside', 0, 4) = 'lake'",
        "substring('lake', 4) = ''",
        "index_of('lakeside', 'side') = 4 AND index_of('lake', 'x') = -1",
        "starts_with(Name, 'la') AND ends_with(Name, 'ke') AND contains(Name, 'ak')",
        "Contains(Name, '')",
        # comments and line breaks
        "/* a remark */ Name = /* another */ 'lake'",
        "Name\n=\t'lake'\r\n",
    ],
)
def test_a_condition_that_is_true(condition: str) -> None:
    assert holds(condition)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # three-valued logic
        ("undefined", "undefined"),
        ("undefined AND true", "undefined"),
        ("undefined AND false", "false"),
        ("false AND undefined", "false"),
        ("undefined OR true", "true"),
        ("true OR undefined", "true"),
        ("undefined OR false", "undefined"),
        ("NOT undefined", "undefined"),
        ("NOT null", "true"),
        ("null OR true", "true"),
        ("false OR null", "false"),
        # null is equal to nothing else
        ("null = true", "undefined"),
        ("Name = null", "undefined"),
        ("$body.missing = 3", "undefined"),
        ("null <> null", "false"),
        ("null < null", "false"),
        ("null >= null", "true"),
        # what is missing, and what is of another type at run time
        ("missing = 'x'", "undefined"),
        ("missing <> 'x'", "undefined"),
        ("$nothing = 'x'", "undefined"),
        ("$nothing[0] = 'x'", "undefined"),
        ("$body.name = 3", "undefined"),
        ("$body.inner = 'x'", "undefined"),
        ("$body.list <> 2", "undefined"),
        ("$body.name + 1 = 2", "undefined"),
        ("$body.count", "undefined"),
        ("$body.count || 'x' = 'x'", "undefined"),
        ("- $body.name = 1", "undefined"),
        ("as_number(Name) = 1", "undefined"),
        ("as_number('nan') = 1", "undefined"),
        ("as_number('1_0') = 10", "undefined"),
        ("as_number($body.ok) = 1", "undefined"),
        ("0 / 0 = 0", "undefined"),
        ("1 % 0 = 0", "undefined"),
        ("sqrt(-1) = 0", "undefined"),
        ("power(-1, 0.5) = 0", "undefined"),
        ("abs($body.name) = 1", "undefined"),
        # out of range is not shortened
        ("substring('lake', 5) = ''", "undefined"),
        ("substring('lake', -1) = ''", "undefined"),
        ("substring('lake', 2, 3) = 'ke'", "undefined"),
        ("is_null(missing)", "false"),
        # null beside a number
        ("1 + null = 1", "true"),
        ("null - 1 = -1", "true"),
        ("2 * null = 0", "true"),
        ("null / 2 = 0", "true"),
        ("2 % null = 0", "undefined"),
        ("- null = 0", "true"),
        # a word in another case is a name
        ("TRUE = 'x'", "undefined"),
        # an identifier swallows signs: `x+y` is one name
        ("level+1 = 'x'", "undefined"),
        ("false", "false"),
    ],
)
def test_an_expression_has_one_of_three_truth_values(expression: str, expected: str) -> None:
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("system", "body"),
    [
        ({"ct": "text/plain", "ce": "utf-8"}, b'{"a":1}'),
        ({"ct": "application/json"}, b'{"a":1}'),
        ({"ct": "application/json", "ce": "latin-1"}, b'{"a":1}'),
        ({"ce": "utf-8"}, b'{"a":1}'),
        ({"ct": "application/json", "ce": "utf-8"}, b"[1]"),
        ({"ct": "application/json", "ce": "utf-8"}, b'{"a":'),
        ({"ct": "application/json", "ce": "utf-8"}, b'{"a":NaN}'),
        ({"ct": "application/json", "ce": "utf-8"}, b"\xff"),
        ({"ct": "application/json", "ce": "utf-8"}, b'{"a":' + b"[" * 100_000),
    ],
)
def test_a_body_that_cannot_be_asked_makes_its_operands_undefined(system: dict[str, str], body: bytes) -> None:
    message = Message(body, system=system)
    assert not holds("is_defined($body.a)", message)
    assert holds("NOT is_defined($body.a)", message)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_a_body_is_read_in_the_encoding_it_names(encoding: str) -> None:
    document: Json = {"湖": 1}
    body = json.dumps(document, ensure_ascii=False).encode(encoding)
    message = Message(body, system={"ct": "application/json", "ce": encoding})
    assert holds("$body.湖 = 1", message)


def test_a_leaf_device_has_no_module() -> None:
    leaf = Message(b"", sender=Identity("leaf"))
    assert holds("NOT IS_DEFINED($connectionModuleId)", leaf)
    assert not holds("NOT IS_DEFINED($connectionModuleId)")


@pytest.mark.parametrize(
    ("condition", "column", "words"),
    [
        ("level > 5", 0, "as_number"),
        ("5 < level", 4, "this is text"),
        ("Name = 1", 0, "as_number"),
        ("Name AND true", 0, "AND needs true or false"),
        ("true OR 'x'", 8, "OR needs"),
        ("NOT Name = 'lake'", 4, "NOT needs"),
        ("- Name = 1", 2, "- needs a number"),
        ("1 + 'a' = 2", 4, "+ needs"),
        ("1 || 'a' = 'x'", 0, "|| needs text"),
        ("Name", 0, "WHERE needs true or false"),
        ("'x'", 0, "WHERE needs"),
        ("abs(Name) = 1", 4, "as_number"),
        ("length(3) = 1", 7, "length needs text"),
        ("missing ?? 3", 0, "?? needs a number"),
        ("3 = Name", 4, "as_number"),
        ("Name = true", 7, "= needs text"),
        ("abs() = 1", 0, "takes 1 arguments, not 0"),
        ("concat('a') = 'a'", 0, "takes 2-100"),
        ("substring('a', 1, 2, 3) = 'a'", 0, "takes 2-3"),
        ("is_array($body.list)", 0, "no function is_array"),
        ("twin_change_includes(properties.reported.x)", 0, "no function twin_change_includes"),
        ("(Name = 'x'", 12, ") is needed"),
        ("Name = 'x')", 10, "INTO or an operator"),
        ("Name = ", 8, "is needed here, not INTO"),
        ("Name = 'x", 7, "no closing quote"),
        ("Name = 'x\\n'", 7, "closing quote"),
        ("= 'x'", 0, "is needed here"),
        ("Name & 1", 5, "INTO or an operator"),
        ("Name : 1", 5, "the character : means nothing here"),
        ("a ; b", 2, "the character ; means nothing"),
        ("3 -5 = 1", 2, "INTO or an operator"),
        ("abs(1 2) = 1", 6, ", is needed"),
        ("abs(1,) = 1", 6, "is needed here"),
        ("{Name} = 'x'", 1, "{ is followed by a $name"),
        ("{$own = 'x'", 6, "} is needed"),
        ("$body. = 1", 6, "a path into the body"),
        ("$body.a..b = 1", 8, "a path into the body"),
        ("$body.a[x] = 1", 6, "a path into the body"),
        ("$body.a[0][1] = 1", 6, "a path into the body"),
        ("FROM = 'x'", 0, "is needed here, not FROM"),
        ("a or or b", 5, "is needed here, not or"),
    ],
)
def test_a_fault_is_told_with_its_column(condition: str, column: int, words: str) -> None:
    met = fault(condition)
    assert words in str(met)
    assert met.at == PREFIX + column
    assert met.reason.ja != met.reason.en


def test_a_condition_may_be_deep_and_long_up_to_a_limit() -> None:
    assert holds("(" * (DEEPEST_NESTING - 1) + "true" + ")" * (DEEPEST_NESTING - 1))
    assert "nested too deeply" in str(fault("(" * 5000 + "true" + ")" * 5000))
    assert "nested too deeply" in str(fault("NOT " * 5000 + "true"))
    assert holds(" AND ".join(["true"] * LONGEST_CHAIN))
    assert "too long" in str(fault(" AND ".join(["true"] * 5000)))


def test_every_function_of_the_contract_is_there() -> None:
    names = (
        "abs exp power square ceiling floor sign sqrt as_number is_bool is_defined is_null is_number is_string concat "
        "length lower upper substring index_of starts_with ends_with contains"
    )
    assert sorted(FUNCTIONS) == sorted(names.split())


def test_no_function_fails_whatever_number_it_is_given() -> None:
    numbers = [0.0, -0.0, 1.5, -2.0, 1e308, -1e308, math.inf, -math.inf, 5e-324]
    for function in FUNCTIONS.values():
        for first in [*numbers, "text", True, None]:
            for second in numbers:
                function.call([first, second, second][: min(function.most, 3)])


@pytest.mark.parametrize(
    ("path", "expected"),
    [("properties.reported.temp", True), ("properties.reported", True), ("properties.reported.other", False)],
)
def test_a_twin_change_can_be_asked_what_it_includes(path: str, expected: bool) -> None:
    change = Message(b'{"properties":{"reported":{"temp":21}}}', system={"ct": "application/json", "ce": "utf-8"})
    condition = parse_route(
        f"FROM /twinChangeNotifications WHERE twin_change_includes({path}) INTO $upstream"
    ).condition
    assert condition is not None
    assert condition.holds(Facts(change)) is expected
    assert not condition.holds(Facts(Message(b"no JSON")))


def test_a_twin_change_is_asked_for_a_path_and_nothing_else() -> None:
    for argument in ("'x'", "", "1"):
        with pytest.raises(RouteFaultError, match="path"):
            parse_route(f"FROM /twinChangeNotifications WHERE twin_change_includes({argument}) INTO $upstream")
