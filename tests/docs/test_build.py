"""The documentation as written: its links, its decisions, and a real build of the pages made from the catalogue."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hotori.problems.catalogue import CATALOGUE

LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
MADE = ("problems/", "api/", "cli.md")


def test_links_between_written_pages_lead_somewhere(docs: Path) -> None:
    for page in docs.rglob("*.md"):
        if any(part in str(page.relative_to(docs)) for part in MADE):
            continue
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            made = any(part in target for part in MADE)
            assert made or (page.parent / target).exists(), f"{page.name} links {target}"


def test_every_decision_has_context_decision_alternatives_and_consequences(docs: Path) -> None:
    decisions = sorted((docs / "adr").glob("0*.md"))
    assert [int(page.name[:4]) for page in decisions] == list(range(1, len(decisions) + 1))
    for page in decisions:
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {int(page.name[:4])}. "), page.name
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert headings == ["Context", "Decision", "Alternatives", "Consequences"], page.name


def test_every_guide_is_there_in_both_languages(docs: Path) -> None:
    english, japanese = ({page.name for page in (docs / language).glob("guide*.md")} for language in ("en", "ja"))
    assert english == japanese


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of problems, built by Sphinx with warnings as errors."""
    docs = Path(__file__).parents[2] / "docs"
    source, output = tmp_path_factory.mktemp("docs"), tmp_path_factory.mktemp("built")
    shutil.copytree(docs / "_ext", source / "_ext")
    configuration = (docs / "conf.py").read_text(encoding="utf-8")
    (source / "conf.py").write_text(configuration.replace('"cli_pages", "api_pages"', ""), encoding="utf-8")
    contents = "# Pages\n\n```{toctree}\n?guide*\nen/problems/index\nja/problems/index\n```\n"
    (source / "index.md").write_text(contents, encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(source), str(output)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return output


def test_every_code_has_a_built_page_in_each_language(built: Path) -> None:
    for code in CATALOGUE:
        for language in ("en", "ja"):
            page = (built / language / "problems" / f"{code}.html").read_text(encoding="utf-8")
            assert f'lang="{language}"' in page
            assert f">{code}<" in page
