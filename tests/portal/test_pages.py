"""Every page, in both languages, over real HTTP."""

from __future__ import annotations

import asyncio
import html
import time

import httpx
import pytest

from hotori.model.identity import Identity
from hotori.portal.site import login_link
from hotori.problems import Language, Problem
from hotori.problems.plain_clients import IDENTITY_SHARED
from hotori.sdk.stream_frames import Frame, FrameKind
from tests.portal.world import KEY, PASSWORD, Cloud


async def shown(client: httpx.AsyncClient, path: str, text: str) -> str:
    """The page, once it says `text`: the portal follows the cloud's messages a moment behind."""
    async with asyncio.timeout(30):
        while text not in (page := (await client.get(path)).text):
            await asyncio.sleep(0.01)
    return page


@pytest.mark.parametrize(
    "path", ["/", "/devices", "/devices/edge-1", "/pictures/a.jpg", "/problems?device=edge-1", "/nowhere"]
)
async def test_a_visitor_is_asked_to_log_in_and_then_led_on(visitor: httpx.AsyncClient, path: str) -> None:
    answer = await visitor.get(path)
    assert answer.status_code == 303
    form = await visitor.get(answer.headers["location"])
    assert "Log in" in form.text
    answer = await visitor.post(form.url.raw_path.decode(), data={"user": "hotori", "password": PASSWORD.reveal()})
    assert (answer.status_code, answer.headers["location"]) == (303, path)


@pytest.mark.parametrize("path", ["/live", "/picture-files/a.jpg"])
async def test_parts_of_pages_are_refused_without_a_session(visitor: httpx.AsyncClient, path: str) -> None:
    assert (await visitor.get(path)).status_code == 401


@pytest.mark.parametrize(
    "form", [{"user": "hotori", "password": "wrong"}, {"user": "x", "password": PASSWORD.reveal()}, {}]
)
async def test_a_wrong_password_is_refused_in_words(visitor: httpx.AsyncClient, form: dict[str, str]) -> None:
    answer = await visitor.post("/login?lang=ja", data=form)
    assert answer.status_code == 403
    assert "ユーザー名またはパスワードが違います" in answer.text
    assert "hotori_session" not in answer.headers.get("set-cookie", "")


@pytest.mark.parametrize("target", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", "x"])
async def test_logging_in_leads_nowhere_else(visitor: httpx.AsyncClient, target: str) -> None:
    credentials = {"user": "hotori", "password": PASSWORD.reveal()}
    answer = await visitor.post("/login", params={"next": target}, data=credentials)
    assert answer.headers["location"] == "/"


async def test_the_session_cookie_is_kept_from_scripts_and_other_sites(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.post("/login", data={"user": "hotori", "password": PASSWORD.reveal()})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()


async def test_a_form_of_another_site_is_refused(reader: httpx.AsyncClient) -> None:
    answer = await reader.post("/logout", headers={"Origin": "https://elsewhere.example"})
    assert answer.status_code == 403


async def test_a_login_link_works_once(visitor: httpx.AsyncClient, portal: str) -> None:
    link = login_link(portal, "hotori", KEY, time.time(), "nonce")
    assert (await visitor.get(link)).headers["location"] == "/"
    assert (await visitor.get("/")).status_code == 200
    again = await visitor.get(link)
    assert again.status_code == 403
    assert "used already" in again.text


async def test_logging_out_ends_the_session(reader: httpx.AsyncClient) -> None:
    await reader.post("/logout")
    assert (await reader.get("/")).status_code == 303


async def test_every_page_forbids_what_it_does_not_need(reader: httpx.AsyncClient) -> None:
    for path in ("/", "/login", "/nowhere", "/static/portal.js"):
        policy = (await reader.get(path)).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


async def test_the_language_follows_the_browser_and_is_remembered_when_chosen(reader: httpx.AsyncClient) -> None:
    assert '<html lang="en">' in (await reader.get("/")).text
    japanese = await reader.get("/", headers={"Accept-Language": "ja"})
    assert '<html lang="ja">' in japanese.text
    await reader.get("/?lang=ja")
    assert '<html lang="ja">' in (await reader.get("/devices")).text


async def test_the_overview_shows_numbers_devices_and_pictures(cloud: Cloud, reader: httpx.AsyncClient) -> None:
    await cloud.add_device("edge-1")
    await cloud.predict("edge-1/1.jpg", "cat", "cat")
    await cloud.predict("edge-1/2.jpg", "dog", "cat", 0.51)
    page = await shown(reader, "/", "edge-1/2.jpg")
    assert "50.0%" in page
    assert "2 of 2 modules running" in page
    assert page.index("edge-1/2.jpg") < page.index("edge-1/1.jpg")
    assert "2 of 2" in page
    japanese = (await reader.get("/?lang=ja")).text
    assert "これまでの正解率" in japanese
    assert "モジュール 2 個中 2 個が動作中" in japanese


async def test_results_are_chosen_sorted_and_paged_by_address(cloud: Cloud, reader: httpx.AsyncClient) -> None:
    for number in range(30):
        await cloud.predict(f"p{number:02}.jpg", "cat" if number % 2 else "dog", "cat", 0.51 + number / 100)
    await shown(reader, "/", "p29.jpg")
    dogs = (await reader.get("/?label=dog&sort=oldest")).text
    assert "p00.jpg" in dogs
    assert "p01.jpg" not in dogs
    second = (await reader.get("/?page=2")).text
    assert "Page 2 of 2" in second
    assert "p05.jpg" in second
    assert "p06.jpg" not in second
    assert "No picture fits" in (await reader.get("/?verdict=unknown")).text
    assert (await reader.get("/?page=x&sort=y&verdict=z")).status_code == 200


async def test_the_device_page_shows_modules_and_problems_with_remedies(
    cloud: Cloud, reader: httpx.AsyncClient
) -> None:
    await cloud.add_device("edge-1")
    problem = cloud.report_problem("edge-1", "uploader")
    page = (await reader.get("/devices/edge-1")).text
    assert "camera" in page
    assert "127.0.0.1:5000/classifier:1.0" in page
    for text in (problem.code, problem.title(), problem.remedy(), *problem.commands()):
        assert text in page
    assert "OSError: &lt;refused&gt;" in page
    assert problem.remedy(Language.JA) in (await reader.get("/devices/edge-1?lang=ja")).text


async def test_the_problems_page_gathers_all_devices(cloud: Cloud, reader: httpx.AsyncClient) -> None:
    await cloud.add_device("edge-1")
    await cloud.add_device("edge-2")
    problem = cloud.report_problem("edge-2", "uploader")
    page = (await reader.get("/problems")).text
    assert problem.cause() in page
    assert "edge-2" in page
    assert "No problems" in (await reader.get("/problems?device=edge-1")).text
    assert "報告されている問題はありません" in (await reader.get("/problems?severity=warning&lang=ja")).text


async def test_devices_are_chosen_by_name_and_state(cloud: Cloud, reader: httpx.AsyncClient) -> None:
    await cloud.add_device("north")
    await cloud.add_device("south", connected=False)
    assert "south" not in (await reader.get("/devices?name=NOR")).text
    assert "north" not in (await reader.get("/devices?state=not-connected")).text
    assert "未接続" in (await reader.get("/devices?sort=state&lang=ja")).text


async def test_the_picture_page_shows_every_prediction_and_the_trace(cloud: Cloud, reader: httpx.AsyncClient) -> None:
    await cloud.predict("edge-1/camera/1 &.jpg", "cat", "dog", 0.75)
    await shown(reader, "/", "camera")
    page = (await reader.get("/pictures/edge-1/camera/1 &.jpg")).text
    assert "75.0%" in page
    assert "25.0%" in page
    assert "0123456789abcdef0123456789abcdef" in page
    assert "edge-1/camera/1 &amp;.jpg" in page
    assert "正解ラベル" not in page
    file = await reader.get("/picture-files/edge-1/camera/1 &.jpg")
    assert (file.headers["content-type"], file.content[:3]) == ("image/jpeg", b"\xff\xd8\xff")


async def test_a_picture_that_has_not_arrived_is_said_to_be_missing(cloud: Cloud, reader: httpx.AsyncClient) -> None:
    await cloud.predict("late.jpg")
    await shown(reader, "/", "late.jpg")
    cloud.pictures.clear()
    assert "has not arrived" in (await reader.get("/pictures/late.jpg")).text
    assert (await reader.get("/picture-files/late.jpg")).status_code == 404


async def test_only_pictures_are_given_out(cloud: Cloud, reader: httpx.AsyncClient) -> None:
    cloud.pictures["page.jpg"] = b"<html><script>alert(1)</script>"
    assert (await reader.get("/picture-files/page.jpg")).status_code == 404


@pytest.mark.parametrize("path", ["/nowhere", "/devices/none", "/devices/a b", "/pictures/none.jpg"])
async def test_what_is_not_there_says_so_in_the_reader_s_language(reader: httpx.AsyncClient, path: str) -> None:
    answer = await reader.get(path, headers={"Accept-Language": "ja"})
    assert answer.status_code == 404
    assert "ページが見つかりません" in answer.text


async def test_what_devices_say_is_escaped(cloud: Cloud, reader: httpx.AsyncClient) -> None:
    await cloud.predict("p.jpg", "<script>alert(1)</script>", '"><img src=x>')
    page = await shown(reader, "/", "p.jpg")
    assert "<script>alert" not in page
    assert "<img src=x>" not in page


async def test_the_stream_sends_rows_that_the_page_does_not_have(cloud: Cloud, reader: httpx.AsyncClient) -> None:
    await cloud.add_device("edge-1")
    await cloud.predict("old.jpg")
    await cloud.predict("missed.jpg")
    await shown(reader, "/", "missed.jpg")
    async with reader.stream("GET", "/live?after=0&label=cat") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.aiter_lines()
        seen = ""
        async with asyncio.timeout(30):
            while "modules running" not in seen:
                seen += await anext(lines)
            await cloud.predict("other.jpg", "dog")
            await cloud.predict("fresh.jpg", "cat")
            while "fresh.jpg" not in seen:
                seen += await anext(lines)
    assert "missed.jpg" in seen
    assert "old.jpg" not in seen
    assert "other.jpg" not in seen
    assert "event: summary" in seen


async def test_problems_of_the_hub_itself_stand_on_the_overview(reader: httpx.AsyncClient, cloud: Cloud) -> None:
    assert "Problems of the cloud itself" not in (await reader.get("/?lang=en")).text
    problem = Problem(IDENTITY_SHARED, identity="dev-1", first="192.0.2.7:1", second="192.0.2.8:2")
    cloud.problems.append(problem)
    for language, title in ((Language.EN, "Problems of the cloud itself"), (Language.JA, "クラウド自身の問題")):
        page = html.unescape((await reader.get(f"/?lang={language.value}")).text)
        assert title in page
        assert problem.title(language) in page
        assert problem.remedy(language) in page


async def test_a_modules_log_comes_as_events_and_an_unknown_device_has_none(
    cloud: Cloud, reader: httpx.AsyncClient
) -> None:
    await cloud.add_device("edge-1")
    cloud.logs[Identity("edge-1", "camera")] = [Frame(FrameKind.DATA, b"one\ntwo\n")]
    page = await reader.get("/devices/edge-1/modules/camera")
    assert "hotori logs edge-1 camera --follow" in page.text
    async with asyncio.timeout(30), reader.stream("GET", "/devices/edge-1/modules/camera/log") as answer:
        lines = answer.aiter_lines()
        while not (line := await anext(lines)).startswith("data:"):
            pass
    assert line == r'data: "one\ntwo\n"'
    for path in ("/devices/ghost/modules/camera", "/devices/ghost/modules/camera/log"):
        assert (await reader.get(path)).status_code == 404
