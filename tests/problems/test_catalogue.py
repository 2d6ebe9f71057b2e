"""Every kind of problem is fit to be shown to a person, in both languages."""

import importlib
import pkgutil
import re

import pytest

import hotori.problems
from hotori.problems import Kind, Language, Problem, Words
from hotori.problems.catalogue import AREAS, CATALOGUE

KINDS = [kind for kinds in AREAS.values() for kind in kinds]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=[kind.code for kind in KINDS])
JAPANESE = re.compile(r"[\u3001-\u30ff\u4e00-\u9fff]")


def declared() -> list[Kind]:
    """Every kind that stands in any file of the package, whether its area lists it or not."""
    modules = (
        importlib.import_module(f"hotori.problems.{found.name}")
        for found in pkgutil.iter_modules(hotori.problems.__path__)
    )
    values = (value for module in modules for name, value in vars(module).items() if name.isupper())
    return [value for value in values if isinstance(value, Kind)]


def example(kind: Kind) -> Problem:
    """The problem as somebody would meet it, with a value for every place."""
    return Problem(kind, "the very line that was seen", **{name: f"the-{name}" for name in kind.fields()})


def test_every_kind_that_is_declared_is_in_the_catalogue() -> None:
    assert {kind.code for kind in declared()} == CATALOGUE.keys()


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in KINDS]
    assert len(codes) == len(set(codes)) == len(CATALOGUE)


@every_kind
def test_a_code_is_lower_case_words_joined_by_hyphens(kind: Kind) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", kind.code)


@every_kind
@pytest.mark.parametrize("part", ["title", "cause", "remedy"])
def test_title_cause_and_remedy_are_there_in_both_languages(kind: Kind, part: str) -> None:
    words: Words = getattr(kind, part)
    for language in Language:
        assert words.in_language(language).strip() == words.in_language(language) != ""
    assert JAPANESE.search(words.ja)
    assert not JAPANESE.search(words.en)


@every_kind
@pytest.mark.parametrize("part", ["title", "cause", "remedy"])
def test_both_languages_speak_of_the_same_values(kind: Kind, part: str) -> None:
    words: Words = getattr(kind, part)
    assert Words(words.en, words.en).fields() == Words(words.ja, words.ja).fields()


@every_kind
def test_what_explains_it_is_a_code_too_and_not_itself(kind: Kind) -> None:
    assert set(kind.depends_on) <= CATALOGUE.keys() - {kind.code}


def test_nothing_explains_itself_in_a_circle() -> None:
    def causes(code: str, seen: tuple[str, ...]) -> None:
        assert code not in seen, f"{' -> '.join(seen)} -> {code}"
        for cause in CATALOGUE[code].depends_on:
            causes(cause, (*seen, code))

    for code in CATALOGUE:
        causes(code, ())


@every_kind
def test_commands_are_single_lines_without_a_prompt(kind: Kind) -> None:
    for command in kind.commands:
        assert command.strip() == command != ""
        assert "\n" not in command
        assert not command.startswith("$ ")


@every_kind
def test_a_problem_says_its_values_in_both_languages_and_travels(kind: Kind) -> None:
    problem = example(kind)
    document = problem.document()
    assert document["code"] == kind.code
    assert document["evidence"] == ["the very line that was seen"]
    for language in Language:
        said = problem.title(language) + problem.cause(language) + problem.remedy(language)
        assert not re.search(r"\{\w+\}", said)
        assert document["remedy"][language.value] == problem.remedy(language)
    assert str(problem) == problem.title(Language.EN)
    assert all(name in "".join([*(str(part) for part in document.values())]) for name in problem.values.values())


def test_a_problem_lacking_a_value_is_a_mistake_of_the_program() -> None:
    with pytest.raises(TypeError, match="port-in-use lacks owner, service"):
        Problem(CATALOGUE["port-in-use"], address="127.0.0.1", port=80)


def test_a_value_that_has_words_of_its_own_is_said_in_the_language_asked_for() -> None:
    kind = Kind("example", Words("At {reason}", "{reason} で"), Words("a", "あ"), Words("b", "い"))
    problem = Problem(kind, reason=Words("the lake", "湖"))
    assert (problem.title(), problem.title(Language.JA)) == ("At the lake", "湖 で")
    assert problem.values["reason"] == "the lake"
    assert problem.document()["title"] == {"en": "At the lake", "ja": "湖 で"}


def test_the_package_imports_nothing_of_ours() -> None:
    for found in pkgutil.iter_modules(hotori.problems.__path__):
        module = importlib.import_module(f"hotori.problems.{found.name}")
        names = {getattr(value, "__module__", "") for value in vars(module).values()}
        assert not [name for name in names if str(name).startswith("hotori.") and "problems" not in str(name)]
