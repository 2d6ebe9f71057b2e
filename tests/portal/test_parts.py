"""The portal's pure parts: sessions, languages, lists, devices, words."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hotori.portal
from hotori.hub.registration import Registration
from hotori.hub.sessions import Presence
from hotori.model.identity import Identity
from hotori.model.secret import Secret
from hotori.portal.device_view import device_view
from hotori.portal.language import choose_language
from hotori.portal.listing import page_of
from hotori.portal.session import (
    SESSION_LIFE,
    TICKET_LIFE,
    Tickets,
    login_ticket,
    same_text,
    session_cookie,
    session_user,
)
from hotori.portal.words import PHRASES
from hotori.problems import Language

KEY, OTHER = Secret("key"), Secret("other")
NOW = 1_800_000_000.0


def test_a_session_ends_with_its_time() -> None:
    cookie = session_cookie("hotori", KEY, NOW)
    assert session_user(cookie, KEY, NOW + SESSION_LIFE - 1) == "hotori"
    assert session_user(cookie, KEY, NOW + SESSION_LIFE) is None


def test_a_session_signed_with_another_key_is_none() -> None:
    assert session_user(session_cookie("hotori", OTHER, NOW), KEY, NOW) is None


@given(st.text())
def test_no_text_is_a_session_by_chance(cookie: str) -> None:
    assert session_user(cookie, KEY, NOW) is None


def test_a_login_link_works_once_and_not_for_long() -> None:
    tickets = Tickets(KEY)
    ticket = login_ticket("hotori", KEY, NOW, "nonce")
    assert tickets.redeem(ticket, NOW + 1) == "hotori"
    assert tickets.redeem(ticket, NOW + 2) is None
    assert tickets.redeem(login_ticket("hotori", KEY, NOW, "another"), NOW + TICKET_LIFE) is None


def test_a_cookie_is_no_link_and_a_link_is_no_cookie() -> None:
    assert Tickets(KEY).redeem(session_cookie("hotori", KEY, NOW), NOW) is None
    assert session_user(login_ticket("hotori", KEY, NOW, "nonce"), KEY, NOW) is None


def test_texts_are_compared_whole() -> None:
    assert same_text("password", "password")
    assert not same_text("passwor", "password")
    assert not same_text("", "password")


@pytest.mark.parametrize(
    ("asked", "remembered", "accepted", "language"),
    [
        ("ja", "en", "en", Language.JA),
        ("fr", "ja", "en", Language.JA),
        (None, None, "ja,en-US;q=0.8,en;q=0.5", Language.JA),
        (None, None, "ja-JP", Language.JA),
        (None, None, "en-GB,en;q=0.9,ja;q=0.8", Language.EN),
        (None, None, "fr;q=0.9,ja;q=0.1", Language.JA),
        (None, None, "ja;q=junk", Language.EN),
        (None, None, "", Language.EN),
    ],
)
def test_the_reader_s_language_is_found(
    asked: str | None, remembered: str | None, accepted: str, language: Language
) -> None:
    assert choose_language(asked, remembered, accepted) is language


def test_pages_keep_what_was_chosen() -> None:
    page = page_of(list(range(25)), "/", {"page": "2", "label": "a b", "device": "", "lang": "ja"}, 10)
    assert (list(page.items), page.number, page.count) == (list(range(10, 20)), 2, 3)
    assert page.previous == "/?label=a+b"
    assert page.next == "/?label=a+b&page=3"


@given(st.integers(0, 50), st.text(max_size=12))
def test_every_address_leads_to_a_page_that_exists(count: int, number: str) -> None:
    page = page_of(list(range(count)), "/", {"page": number}, 7)
    assert 1 <= page.number <= page.count
    assert len(page.items) > 0 or count == 0


def registration(**options: bool) -> Registration:
    return Registration(Identity("edge-1"), "1", Secret("cA=="), Secret("cw=="), edge=True, **options)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
reported = st.dictionaries(
    st.sampled_from(["modules", "problems", "lastDesiredVersion", "lastDesiredStatus"]),
    json_values
    | st.dictionaries(st.text(min_size=1), st.dictionaries(st.sampled_from(["problems", "settings"]), json_values)),
)


@given(reported)
def test_no_report_breaks_a_device_s_page(report: dict[str, object]) -> None:
    device_view(registration(), None, report, {}, Language.EN)  # type: ignore[arg-type]


def test_a_device_is_put_together_from_its_report() -> None:
    problem = {
        "code": "cloud-unreachable",
        "severity": "error",
        "title": {"en": "No answer", "ja": "応答なし"},
        "remedy": {"en": "Try"},
        "commands": ["ping"],
    }
    report = {
        "lastDesiredVersion": 4,
        "lastDesiredStatus": {"code": 400, "description": "malformed"},
        "modules": {
            "camera": {"runtimeStatus": "running"},
            "uploader": {"runtimeStatus": "failed", "problems": [problem]},
        },
    }
    counts = {Identity("edge-1", "camera"): 5, Identity("edge-1"): 1, Identity("edge-2", "camera"): 9}
    view = device_view(registration(), Presence(True, 1.0, 2.0), report, counts, Language.JA)  # type: ignore[arg-type]
    assert (view.state, view.deployed_version, view.deployment_error) == ("connected", 4, "malformed")
    assert (view.running, view.messages, [module.messages for module in view.modules]) == (1, 6, [5, 0])
    (met,) = view.problems
    assert (met.module, met.title, met.remedy, met.commands) == ("uploader", "応答なし", "Try", ("ping",))


def test_a_disabled_device_says_so_first() -> None:
    assert device_view(registration(enabled=False), Presence(True, 1, 1), {}, {}, Language.EN).state == "disabled"


TEMPLATES = Path(hotori.portal.__file__).parent / "templates"
SAID = {key for path in TEMPLATES.glob("*.html") for key in re.findall(r'say\("([a-z-]+)"', path.read_text())}


def test_every_phrase_that_a_template_says_is_there() -> None:
    assert PHRASES.keys() >= SAID


def test_both_languages_of_a_phrase_ask_for_the_same_values() -> None:
    for key, words in PHRASES.items():
        fields = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in (words.en, words.ja)]
        assert fields[0] == fields[1], key
        assert words.en, key
        assert words.ja, key
