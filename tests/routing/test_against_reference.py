"""The compiled conditions mean what a simple interpreter says that they mean (contract 5.2)."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hotori.model.message import Message
from hotori.routing.condition import parse_condition
from hotori.routing.facts import Facts
from tests.routing.reference import NUMBER, TEXT, TRUTH, UNDEFINED, Tree, meaning

MESSAGE = Message(
    b'{"n": 2.5, "t": "lake", "ok": true, "none": null}', {"label": "lake"}, {"ct": "application/json", "ce": "utf-8"}
)


def leaf(text: str, type_: str, value: Any) -> Tree:
    return Tree(text, type_, value=value)


# A negative literal is a literal only where it stands close to its sign: it is written in brackets.
NUMBERS = st.integers(-9, 9).map(lambda number: leaf(f"({number})", NUMBER, float(number)))
TEXTS = st.text("ab'\\湖", max_size=3).map(
    lambda text: leaf("'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'", TEXT, text)
)
TRUTHS = st.booleans().map(lambda truth: leaf(str(truth).lower(), TRUTH, truth))
ANY_TYPE = st.sampled_from([(f"{name}", value) for name, value in (("undefined", UNDEFINED), ("null", None))])
LEAVES = {
    NUMBER: NUMBERS | st.just(leaf("$body.n", NUMBER, 2.5)) | st.just(leaf("$body.t", NUMBER, "lake")),
    TEXT: TEXTS | st.just(leaf("label", TEXT, "lake")) | st.just(leaf("missing", TEXT, UNDEFINED)),
    TRUTH: TRUTHS
    | st.just(leaf("$body.ok", TRUTH, True))
    | st.just(leaf("$body.none", TRUTH, None))
    | st.just(leaf("undefined", TRUTH, UNDEFINED)),
}


def binary(sign: str, type_: str, left: Tree, right: Tree) -> Tree:
    return Tree(f"({left.text} {sign} {right.text})", type_, sign, (left, right))


def called(name: str, type_: str, *parts: Tree) -> Tree:
    return Tree(f"{name}({', '.join(part.text for part in parts)})", type_, name, parts)


def trees(type_: str, depth: int = 3) -> st.SearchStrategy[Tree]:
    if depth == 0:
        return LEAVES[type_]
    number, text, truth = (st.deferred(lambda kind=kind: trees(kind, depth - 1)) for kind in (NUMBER, TEXT, TRUTH))
    signs = st.sampled_from(["=", "!=", "<", ">="])
    made = {
        NUMBER: st.builds(binary, st.sampled_from(["+", "-"]), st.just(NUMBER), number, number)
        | st.builds(called, st.just("length"), st.just(NUMBER), text),
        TEXT: st.builds(binary, st.sampled_from(["||", "??"]), st.just(TEXT), text, text)
        | st.builds(called, st.just("upper"), st.just(TEXT), text),
        TRUTH: st.builds(binary, st.sampled_from(["AND", "OR", "=", "??"]), st.just(TRUTH), truth, truth)
        | st.builds(binary, signs, st.just(TRUTH), number, number)
        | st.builds(binary, signs, st.just(TRUTH), text, text)
        | truth.map(lambda tree: Tree(f"NOT {tree.text}", TRUTH, "NOT", (tree,)))
        | st.builds(called, st.just("contains"), st.just(TRUTH), text, text)
        | st.builds(called, st.sampled_from(["is_defined", "is_null", "is_string"]), st.just(TRUTH), number | text),
    }
    return LEAVES[type_] | made[type_]


@settings(max_examples=400)
@given(trees(TRUTH))
def test_a_compiled_condition_means_what_the_interpreter_says(tree: Tree) -> None:
    condition = parse_condition(tree.text)
    assert condition.holds(Facts(MESSAGE)) is (meaning(tree) is True)
    assert parse_condition(f"NOT ({tree.text})").holds(Facts(MESSAGE)) is (meaning(tree) in (False, None))
