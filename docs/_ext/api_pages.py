"""The reference of the code: a page for every package, made by autodoc from the docstrings.

Docstrings are written in a small Markdown (code in backticks, fenced or indented blocks, lists with `-`);
autodoc reads reStructuredText, so they are translated on the way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from generated import write_pages
from sphinx.application import Sphinx

import hotori

ROOT = Path(hotori.__file__).parent
_CODE = re.compile(r"(`+)(?=\S)(.+?)(?<=\S)\1")
_ITEM = re.compile(r"(?:-|\d+\.) ")


def api_pages() -> dict[str, str]:
    """Every page: path below the documentation's folder -> reStructuredText."""
    packages = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))
    pages = {f"en/api/{package}.rst": _package_page(package) for package in packages}
    contents = "\n".join(f"   {package}" for package in packages)
    return {"en/api/index.rst": f"{_title('The code')}\n.. toctree::\n\n{contents}\n", **pages}


def modules(package: str) -> list[str]:
    """The dotted names of a package's modules, those below its folders too; not what runs when it is imported."""
    files = sorted((ROOT / package).rglob("*.py"))
    return [
        ".".join(("hotori", *path.relative_to(ROOT).with_suffix("").parts))
        for path in files
        if path.name not in ("__init__.py", "__main__.py")
    ]


def _package_page(package: str) -> str:
    parts = [_title(f"hotori.{package}"), f".. automodule:: hotori.{package}\n   :no-members:\n   :no-index:\n"]
    for module in modules(package):
        parts.append(f"{_title(module, '-')}\n.. automodule:: {module}\n")
    return "\n".join(parts)


def _title(text: str, line: str = "=") -> str:
    return f"{text}\n{line * len(text)}\n"


def to_restructured_text(lines: list[str]) -> list[str]:
    """A docstring's Markdown as reStructuredText that says the same and can hold no fault."""
    translated: list[str] = []
    for block in _blocks(lines):
        if _is_code(block):
            code = [f"   {line}" for line in block if line.strip() and not line.strip().startswith("```")]
            translated += [".. code-block:: text", "", *code, ""] if code else []
        else:
            translated += [*_prose(block), ""]
    return translated


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """Paragraphs, and fenced blocks as a whole."""
    block: list[str] = []
    fenced = False
    for line in [*lines, ""]:
        fence = line.strip().startswith("```")
        if fence and not fenced and block:
            yield block
            block = []
        if line.strip() or fenced:
            block.append(line)
        if block and ((fence and fenced) or not (fenced or fence or line.strip())):
            yield block
            block = []
        fenced ^= fence
    if block:
        yield block


def _is_code(block: list[str]) -> bool:
    return block[0].strip().startswith("```") or block[0].startswith("  ")


def _prose(block: list[str]) -> Iterator[str]:
    """Lines of a paragraph; an item of a list begins one, and what belongs to it is indented below."""
    inside = False
    for line in block:
        if item := _ITEM.match(line):
            if not inside:
                yield ""
            yield f"- {_escaped(line[item.end() :])}"
            inside = True
        else:
            yield ("  " if inside else "") + _escaped(line.strip())


def _escaped(line: str) -> str:
    """Code stays code; everything else means nothing to the translator."""
    parts: list[str] = []
    at = 0
    for code in _CODE.finditer(line):
        parts += [_without_meaning(line[at : code.start()]), f"\\ ``{code[2]}``\\ "]
        at = code.end()
    return "".join([*parts, _without_meaning(line[at:])])


def _without_meaning(text: str) -> str:
    return re.sub(r"([\\*_`|:<>.\[\]+=~#^\"'-])", r"\\\1", text)


def _translate(app: Sphinx, what: str, name: str, found: object, options: object, lines: list[str]) -> None:
    lines[:] = to_restructured_text(lines)


def _write(app: Sphinx) -> None:
    write_pages(Path(app.srcdir), "en/api", api_pages())


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", _write)
    app.connect("autodoc-process-docstring", _translate)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
