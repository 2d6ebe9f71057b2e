"""Every problem code has a page in every language, and a place in the list."""

import re
from pathlib import Path

import pytest
from problem_pages import AREA_TITLES, PHRASES, problem_page, problem_pages

from hotori.problems import Kind, Language, Words
from hotori.problems.catalogue import AREAS, CATALOGUE

in_both = pytest.mark.parametrize("language", list(Language))


@in_both
def test_every_code_has_a_page_and_nothing_else_has(language: Language) -> None:
    codes = {Path(name).stem for name in problem_pages(language)} - {"index"}
    assert codes == CATALOGUE.keys()


@in_both
@pytest.mark.parametrize("code", CATALOGUE)
def test_a_page_says_what_the_terminal_says(code: str, language: Language) -> None:
    kind, phrases = CATALOGUE[code], PHRASES[language]
    page = problem_page(kind, language)
    assert "\n# " in page
    assert f"`{code}`" in page
    assert re.findall(r"^## (.+)$", page, re.MULTILINE)[:2] == [phrases.cause, phrases.remedy]
    assert not re.search(r"(?<!\{)\{\w+\}", page)
    assert page.count("```") == (2 if kind.commands else 0)
    for cause in kind.depends_on:
        assert f"]({cause}.md)" in page


@in_both
def test_the_list_links_every_code_once(language: Language) -> None:
    index = problem_pages(language)[f"{language}/problems/index.md"]
    for code in CATALOGUE:
        assert index.count(f"[`{code}`]({code}.md)") == 1


def test_every_area_has_a_heading() -> None:
    assert AREA_TITLES.keys() == AREAS.keys()


def test_every_page_has_its_like_in_the_other_language() -> None:
    english, japanese = (problem_pages(language) for language in (Language.EN, Language.JA))
    assert {name.partition("/")[2] for name in english} == {name.partition("/")[2] for name in japanese}


def test_words_that_mean_something_to_markdown_are_shown_as_they_are() -> None:
    words = Words("Use *a_b* <here> or `{name}*` and [x]", "*あ*")
    page = problem_page(Kind("example", words, words, words), Language.EN)
    assert "# Use \\*a\\_b\\* \\<here\\> or `‹name›*` and \\[x\\]" in page
