"""The reference of the code has every package and module, and docstrings survive their translation."""

import importlib
import pkgutil
from pathlib import Path

import docutils.core
import docutils.utils
import pytest
from api_pages import api_pages, modules, to_restructured_text
from hypothesis import given
from hypothesis import strategies as st

import hotori


def test_every_package_has_a_page() -> None:
    packages = {found.name for found in pkgutil.iter_modules(hotori.__path__) if found.ispkg}
    assert {Path(name).stem for name in api_pages()} == packages | {"index"}


def test_every_module_is_on_its_packages_page() -> None:
    pages = api_pages()
    for package in pkgutil.iter_modules(hotori.__path__):
        for module in modules(package.name):
            assert f".. automodule:: {module}\n" in pages[f"en/api/{package.name}.rst"]
    assert "hotori.store.segments" in modules("store")
    assert importlib.import_module("hotori.store.segments").__doc__


def rendered(text: str) -> str:
    """The translated docstring as a tree in words; anything that docutils finds wrong fails."""
    source = "\n".join(to_restructured_text(text.splitlines()))
    settings = {"report_level": 2, "halt_level": 2, "input_encoding": "unicode", "output_encoding": "unicode"}
    return docutils.core.publish_string(source, writer="pseudoxml", settings_overrides=settings)


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("One `code` word.", "<literal>\n            code"),
        ("Two *stars*, a_b_, |bars| and x: y", "Two *stars*, a_b_, |bars| and x: y"),
        ("A list:\n- one\n  and more\n- two", "<list_item>"),
        ("Text\n\n```\na -> b\n\n  c\n```\nmore", '<literal_block classes="code text"'),
        ("    indented  code", '<literal_block classes="code text"'),
        ("Unclosed `tick and 'quote", "Unclosed `tick and 'quote"),
        ("``double`` ticks", "double"),
    ],
)
def test_a_docstrings_markdown_is_understood(markdown: str, expected: str) -> None:
    assert expected in rendered(markdown)


@given(st.text(st.sampled_from("ab `*_|:<>.[]()-=~#^\"'\\$\n1湖"), max_size=60))
def test_no_docstring_whatever_it_says_breaks_the_documentation(text: str) -> None:
    rendered(text)
