"""How the documentation is built: `make docs`. Warnings are errors."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

from hotori import __version__

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "Hotori"
author = "The Hotori authors"
copyright = "The Hotori authors, Apache License 2.0"  # noqa: A001 - the name is Sphinx's
release = version = __version__
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "problem_pages", "cli_pages", "api_pages"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

# A short name of a type that several packages have is left without a link.
suppress_warnings = ["ref.python"]

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
# What only some of the packages' optional dependencies bring along.
autodoc_mock_imports = ["cv2", "onnx", "onnxruntime", "sklearn", "torch"]

# Both cost most of the time of a build, and give little: typographic quotes, and every function in the side bar.
smartquotes = False
toc_object_entries = False

html_theme = "furo"
html_title = "Hotori ほとり"
html_show_sourcelink = False


def name_the_language(app: Sphinx, page: str, template: str, context: dict[str, object], doctree: object) -> None:
    """A page below `ja/` is Japanese to browsers and screen readers."""
    if page.startswith("ja/"):
        context["language"] = "ja"


def keep_what_matches(app: Sphinx, page: str, source: list[str]) -> None:
    """A line `?pattern` in a list of contents stands for `pattern` if there is such a page, else for nothing."""
    folder = (HERE / page).parent

    def entry(found: re.Match[str]) -> str:
        return found[1] if any(folder.glob(f"{found[1]}.md")) else ""

    source[0] = re.sub(r"^\?(\S+)$", entry, source[0], flags=re.MULTILINE)


def setup(app: Sphinx) -> None:
    app.connect("source-read", keep_what_matches)
    app.connect("html-page-context", name_the_language)
