"""A page for every kind of problem, in each language, made from the catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from generated import plain, write_pages
from sphinx.application import Sphinx

from hotori.problems import Kind, Language, Severity, Words
from hotori.problems.catalogue import AREAS, CATALOGUE

AREA_TITLES: Mapping[str, Words] = {
    "identity": Words("Names, keys and tokens", "名前・キー・トークン"),
    "network": Words("Addresses, ports and connections", "アドレス・ポート・接続"),
    "storage": Words("Disks and files", "ディスクとファイル"),
    "manifest": Words("Manifests, routes and twins", "マニフェスト・ルート・ツイン"),
    "events": Words("Routes, endpoints and events", "ルート・エンドポイント・イベント"),
    "images": Words("Images and registries", "イメージとレジストリ"),
    "modules": Words("Modules on a device", "デバイス上のモジュール"),
    "streams": Words("Logs that are followed, shells in modules", "ログの追跡、モジュールのシェル"),
    "checks": Words("Found by hotori edge check", "hotori edge check が見つけるもの"),
    "rollouts": Words("Deployments to many devices", "多数のデバイスへのデプロイ"),
    "releases": Words("Updates of the edge program", "エッジプログラムの更新"),
    "plain-clients": Words("Plain MQTT clients, shared identities", "プレーン MQTT クライアント、ID の共有"),
    "gateway": Words("Gateways and nested devices", "ゲートウェイと階層化されたデバイス"),
    "engines": Words("Container engines", "コンテナーエンジン"),
    "vision": Words("Training and predicting", "学習と推論"),
    "solution": Words("Solutions on the developer's machine", "開発機のソリューション"),
}


@dataclass(frozen=True)
class Phrases:
    """What the pages say around the catalogue's words."""

    title: str
    introduction: str
    code: str
    cause: str
    remedy: str
    explained_by: str
    explains: str
    other_language: str
    other: Language
    severity: Mapping[Severity, str]


PHRASES: Mapping[Language, Phrases] = {
    Language.EN: Phrases(
        title="Problems",
        introduction=(
            "Everything that Hotori can tell you by name. Codes are stable; `hotori problem CODE` shows the same in "
            "the terminal. What stands in ‹…› is filled in with what was met."
        ),
        code="Code",
        cause="What it means",
        remedy="What to do",
        explained_by="Explained by",
        explains="Explains",
        other_language="日本語",
        other=Language.JA,
        severity={Severity.ERROR: "error", Severity.WARNING: "warning"},
    ),
    Language.JA: Phrases(
        title="問題の一覧",
        introduction=(
            "Hotori が名前を挙げて知らせる問題のすべてです。コードは変わりません。"
            "端末では `hotori problem CODE --lang ja` で同じ説明を表示できます。‹…› には実際の値が入ります。"
        ),
        code="コード",
        cause="意味と原因",
        remedy="対処",
        explained_by="これが原因の場合があります",
        explains="これが原因で起きる問題",
        other_language="English",
        other=Language.EN,
        severity={Severity.ERROR: "エラー", Severity.WARNING: "警告"},
    ),
}


def problem_pages(language: Language) -> dict[str, str]:
    """Every page of a language: path below the documentation's folder -> Markdown."""
    pages = {f"{language}/problems/{code}.md": problem_page(kind, language) for code, kind in CATALOGUE.items()}
    return {f"{language}/problems/index.md": index_page(language), **pages}


def problem_page(kind: Kind, language: Language) -> str:
    """One kind of problem: its words, its commands, what explains it and what it explains.

    It is an orphan to Sphinx: in the tree of contents, hundreds of codes would stand beside every page, and cost
    most of the time of a build.
    """
    say = PHRASES[language]
    effects = [other.code for other in CATALOGUE.values() if kind.code in other.depends_on]
    parts = [
        "---\norphan: true\n---",
        f"# {_said(kind.title, language)}",
        f"{say.code}: `{kind.code}` · {say.severity[kind.severity]} · "
        f"[{say.other_language}](../../{say.other}/problems/{kind.code}.md) · [{say.title}](index.md)",
        f"## {say.cause}\n\n{_said(kind.cause, language)}",
        f"## {say.remedy}\n\n{_said(kind.remedy, language)}",
        _commands(kind.commands),
        _links(say.explained_by, kind.depends_on, language),
        _links(say.explains, effects, language),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def index_page(language: Language) -> str:
    """All problems by area."""
    say = PHRASES[language]
    parts = [f"# {say.title}", say.introduction]
    for area, kinds in AREAS.items():
        if kinds:
            lines = (f"- [`{kind.code}`]({kind.code}.md): {_said(kind.title, language)}" for kind in kinds)
            parts += [f"## {AREA_TITLES[area].in_language(language)}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def _said(words: Words, language: Language) -> str:
    return plain(_with_places(words.in_language(language)))


def _with_places(text: str) -> str:
    """`{port}` is a place for a value; `{{` and `}}` are braces."""
    return re.sub(r"\{(\w+)\}", r"‹\1›", text).replace("{{", "{").replace("}}", "}")


def _commands(commands: Iterable[str]) -> str:
    lines = "\n".join(_with_places(command) for command in commands)
    return f"```text\n{lines}\n```" if lines else ""


def _links(heading: str, codes: Iterable[str], language: Language) -> str:
    lines = [f"- [`{code}`]({code}.md): {_said(CATALOGUE[code].title, language)}" for code in codes]
    return f"## {heading}\n\n" + "\n".join(lines) if lines else ""


def _write(app: Sphinx) -> None:
    for language in Language:
        write_pages(Path(app.srcdir), f"{language}/problems", problem_pages(language))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
