"""Routes: their grammar, what they match, and where a message goes (contract 5.1, 5.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.model.identity import Identity
from hotori.model.manifest import LOWEST_PRIORITY, HubConfig, RouteSpec
from hotori.model.message import Message
from hotori.problems import Language, Problem
from hotori.routing.endpoint import ModuleInput, Upstream
from hotori.routing.router import Destination, Router
from hotori.routing.source import TWIN_CHANGES, message_source

CAMERA = Message(b"", {"label": "cat"}, sender=Identity("edge-1", "camera"), output="pictures")
SILENT = Message(b"", sender=Identity("edge-1", "camera"))
LEAF = Message(b"", sender=Identity("leaf"))


def router(*texts: str) -> Router:
    return Router.compile({f"r{index}": RouteSpec(f"r{index}", text) for index, text in enumerate(texts)})


def takes(source: str, message_from: str) -> bool:
    return bool(router(f"FROM {source} INTO $upstream").route(CAMERA, message_from))


def refusal(text: str) -> Problem:
    with pytest.raises(Problem) as met:
        router(text)
    assert met.value.code == "route-invalid"
    return met.value


@pytest.mark.parametrize(
    ("message", "source"),
    [
        (LEAF, "/messages/"),
        (Message(b""), "/messages/"),
        (SILENT, "/messages/modules/camera/"),
        (CAMERA, "/messages/modules/camera/outputs/pictures/"),
    ],
)
def test_every_message_has_a_source(message: Message, source: str) -> None:
    assert message_source(message) == source


EVERYTHING = [
    "/messages/",
    "/messages/modules/camera/",
    "/messages/modules/camera/outputs/pictures/",
    "/messages/modules/camera/outputs/pictures2/",
    "/messages/modules/camera2/outputs/pictures/",
    TWIN_CHANGES,
]


@pytest.mark.parametrize(
    ("source", "matched"),
    [
        ("/*", [0, 1, 2, 3, 4, 5]),
        ("/messages/*", [0, 1, 2, 3, 4]),
        ("/messages", [0, 1, 2, 3, 4]),
        ("/messages/modules/*", [1, 2, 3, 4]),
        ("/messages/modules/camera/*", [1, 2, 3]),
        ("/messages/modules/camera", [1, 2, 3]),
        ("/messages/modules/camera/outputs/*", [2, 3]),
        ("/messages/modules/camera/outputs/pictures", [2]),
        ("/messages/modules/camera/outputs/pictures/*", [2]),
        ("/MESSAGES/Modules/CAMERA/outputs/Pictures", [2]),
        ("/twinChangeNotifications", [5]),
        ("/twinchangenotifications/*", [5]),
        ("/messages/modules/other/*", []),
    ],
)
def test_a_source_matches_by_whole_segments_in_any_case_of_letters(source: str, matched: list[int]) -> None:
    found = [index for index, origin in enumerate(EVERYTHING) if takes(source, origin)]
    assert found == matched


NAMES = st.text("abcXYZ019-._", min_size=1, max_size=6).filter(lambda name: name != "-")


@given(route=st.lists(NAMES, min_size=1, max_size=4), origin=st.lists(NAMES, max_size=4), star=st.booleans())
def test_matching_is_a_prefix_of_segments(route: list[str], origin: list[str], star: bool) -> None:
    if any(segment.lower() in ("from", "where", "into", "select") for segment in route):
        return
    text = "/" + "/".join(route) + ("/*" if star else "")
    message_from = "".join(f"/{segment}" for segment in origin) + "/"
    folded = [segment.lower() for segment in origin]
    assert takes(text, message_from) == (folded[: len(route)] == [segment.lower() for segment in route])


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("FROM /* INTO $upstream", Upstream()),
        ("from /* into $UPSTREAM", Upstream()),
        ("SELECT * FROM /messages/* INTO $upstream", Upstream()),
        ("FROM /messages/*\n  WHERE true\n  INTO\t$upstream ", Upstream()),
        ("/* all */ FROM /messages/modules/camera /* of it */ INTO $upstream", Upstream()),
        ('FROM /* INTO BrokeredEndpoint("/modules/classifier/inputs/pictures")', ModuleInput("classifier", "pictures")),
        ("FROM /* INTO BROKEREDENDPOINT ( 'modules/classifier/inputs/p' )", ModuleInput("classifier", "p")),
        ("FROM /messages/modules/into/outputs/where INTO $upstream", Upstream()),
        ("FROM /messages/modules/42/* INTO $upstream", Upstream()),
    ],
)
def test_a_route_that_is_understood(text: str, endpoint: Upstream | ModuleInput) -> None:
    assert router(text).routes[0].route.endpoint == endpoint


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", 1, "FROM is needed here, and there is the end"),
        ("   ", 4, "FROM is needed"),
        ("SELECT /messages/* INTO $upstream", 8, "* is needed"),
        ("SELECT *", 9, "FROM is needed"),
        ("FROM messages INTO $upstream", 6, "a source such as /messages/*"),
        ("FROM / INTO $upstream", 8, "a name or *"),
        ("FROM /messages/ WHERE true INTO $upstream", 17, "a name or *"),
        ("FROM /messages/modules/$edgeHub/* INTO $upstream", 24, "a name or *"),
        ("FROM /messages/*", 17, "INTO is needed"),
        ("FROM /messages/* WHERE INTO $upstream", 24, "is needed here, not INTO"),
        ("FROM /messages/* INTO upstream", 23, "$upstream or BrokeredEndpoint"),
        ("FROM /messages/* INTO $up", 23, "$upstream or BrokeredEndpoint"),
        ("FROM /messages/* INTO BrokeredEndpoint", 39, "( is needed"),
        ('FROM /* INTO BrokeredEndpoint("/modules/a")', 31, "/modules/MODULE/inputs/INPUT"),
        ('FROM /* INTO BrokeredEndpoint("/modules/a/inputs/b/c")', 31, "/modules/MODULE/inputs/INPUT"),
        ("FROM /* INTO BrokeredEndpoint(x)", 31, "/modules/MODULE/inputs/INPUT"),
        ('FROM /* INTO BrokeredEndpoint("/modules/a/inputs/b"', 52, ") is needed"),
        ("FROM /* INTO $upstream $upstream", 24, "the end of the route"),
        ("FROM /* INTO $upstream;", 23, "the character ; means nothing"),
    ],
)
def test_a_route_that_is_refused_tells_the_column(text: str, column: int, words: str) -> None:
    problem = refusal(text)
    assert problem.values["column"] == str(column)
    assert words in problem.values["reason"]


def test_a_refusal_names_the_route_its_pointer_and_shows_the_place() -> None:
    routes = {"toCloud": RouteSpec("toCloud", "FROM /messages/*\nWHERE level > 5\nINTO $upstream")}
    with pytest.raises(Problem) as met:
        Router.compile(routes, at="/modulesContent/$edgeHub/properties.desired")
    problem = met.value
    assert problem.values["name"] == "toCloud"
    assert problem.values["pointer"] == "/modulesContent/$edgeHub/properties.desired/routes/toCloud"
    assert problem.values["column"] == "24"
    assert problem.evidence == ("WHERE level > 5", "      ^")
    assert "as_number" in problem.cause()
    assert "数値が必要ですが、これは文字列です" in problem.cause(Language.JA)


def test_one_bad_route_does_not_stop_the_others() -> None:
    routes = {
        "good": RouteSpec("good", "FROM /* INTO $upstream"),
        "bad": RouteSpec("bad", "FROM /* INTO nowhere"),
        "worse": RouteSpec("worse", ""),
    }
    compiled, problems = Router.compile_each(HubConfig(routes))
    assert [found.spec.name for found in compiled.routes] == ["good"]
    assert [problem.values["name"] for problem in problems] == ["bad", "worse"]
    assert compiled.route(CAMERA, message_source(CAMERA))


def test_a_message_goes_once_to_each_endpoint_by_the_best_of_its_routes() -> None:
    routes = {
        "low": RouteSpec("low", "FROM /* INTO $upstream"),
        "high": RouteSpec("high", "FROM /messages/* INTO $upstream", priority=1, time_to_live=60),
        "module": RouteSpec("module", "FROM /* INTO BrokeredEndpoint('/modules/b/inputs/i')", priority=5),
        "no": RouteSpec("no", "FROM /* WHERE label = 'dog' INTO $upstream", priority=0),
    }
    found = Router.compile(HubConfig(routes, time_to_live=7200)).route(CAMERA, message_source(CAMERA))
    assert found == (
        Destination(Upstream(), 1, 60, ("high", "low")),
        Destination(ModuleInput("b", "i"), 5, 7200, ("module",)),
    )


def test_of_two_routes_with_one_priority_the_message_lives_as_long_as_either_allows() -> None:
    routes = {
        "short": RouteSpec("short", "FROM /* INTO $upstream", time_to_live=60),
        "inherits": RouteSpec("inherits", "FROM /* INTO $upstream"),
    }
    for hub, expected, names in (
        (-1, -1, ("inherits", "short")),
        (7200, 7200, ("inherits", "short")),
        (30, 60, ("short", "inherits")),
    ):
        (found,) = Router.compile(HubConfig(routes, time_to_live=hub)).route(LEAF, message_source(LEAF))
        assert found == Destination(Upstream(), LOWEST_PRIORITY, expected, names)


def test_a_message_that_no_route_takes_goes_nowhere() -> None:
    assert router().route(LEAF, message_source(LEAF)) == ()
    assert router("FROM /messages/modules/* INTO $upstream").route(LEAF, message_source(LEAF)) == ()


def test_conditions_are_asked_anew_for_every_message_of_a_source() -> None:
    only_cats = router("FROM /* WHERE label = 'cat' INTO $upstream")
    dog = Message(b"", {"label": "dog"}, sender=CAMERA.sender, output=CAMERA.output)
    source = message_source(CAMERA)
    assert [bool(only_cats.route(message, source)) for message in (CAMERA, dog, CAMERA)] == [True, False, True]
    assert only_cats.route(SILENT, message_source(SILENT)) == ()


def test_leaf_devices_only() -> None:
    leaves = router("FROM /messages/* WHERE NOT IS_DEFINED($connectionModuleId) INTO $upstream")
    assert leaves.route(LEAF, message_source(LEAF))
    assert not leaves.route(CAMERA, message_source(CAMERA))


def test_sources_without_end_do_not_fill_the_memory() -> None:
    everything = router("FROM /* INTO $upstream")
    for number in range(5000):
        assert everything.route(LEAF, f"/messages/modules/m/outputs/{number}/")
    assert len(everything._by_source) <= 4096


WORDS = (
    "FROM /* /messages/* WHERE INTO $upstream SELECT * ( ) = != <> < <= + - % || ?? AND OR NOT true null undefined "
    "'text' \"text\" 'un \\ 12 0x1F 1.5e3 name a-b $body.a.b[0] {$name} abs( concat( , BrokeredEndpoint( "
    "'/modules/a/inputs/b' /* */ [ ] { } : ; @ twin_change_includes( /twinChangeNotifications"
)
PIECES = st.sampled_from(WORDS.split())


@given(
    st.one_of(
        st.text(max_size=60), st.lists(PIECES, max_size=15).map(" ".join), st.lists(PIECES, max_size=15).map("".join)
    )
)
def test_whatever_is_written_a_route_is_understood_or_a_problem_with_a_column_inside_it(text: str) -> None:
    compiled, problems = Router.compile_each({"r": RouteSpec("r", text)})
    assert len(compiled.routes) + len(problems) == 1
    for problem in problems:
        assert problem.code == "route-invalid"
        assert 1 <= int(problem.values["column"]) <= len(text) + 1
        problem.document()
    compiled.route(CAMERA, message_source(CAMERA))


@given(
    st.lists(PIECES, max_size=12).map(" ".join),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
    st.binary(max_size=30),
)
def test_whatever_is_asked_of_whatever_message_routing_answers(
    condition: str, properties: dict[str, str], body: bytes
) -> None:
    text = f"FROM /* WHERE {condition} INTO $upstream"
    compiled, _ = Router.compile_each({"r": RouteSpec("r", text)})
    message = Message(body, properties, {"ct": "application/json", "ce": "utf-8"})
    assert len(compiled.route(message, message_source(message))) in (0, 1)


def test_a_number_that_is_too_large_is_infinite_and_no_fault_of_the_router() -> None:
    """5.2: 0x hex of any length; the routes beside it are compiled"""
    large = RouteSpec("large", f"FROM /* WHERE 0x{'f' * 400} > 1 INTO $upstream")
    router, problems = Router.compile_each(HubConfig({"large": large}))
    assert problems == []
    assert router.route(Message(b""), "/messages/")
