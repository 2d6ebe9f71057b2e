"""The portal in a real browser: live rows, phone width, keyboard, and no complaint in its console."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from hotori.model.identity import Identity
from hotori.net.http import HttpServer
from hotori.net.ports import bind
from hotori.portal.site import portal_site
from hotori.problems import Problem
from hotori.problems.service import DEVICE_OFFLINE
from hotori.sdk.stream_frames import Frame, FrameKind
from tests.portal.world import PASSWORD, Cloud

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
CAMERA = Identity("edge-1", "camera")
PHONE = {"width": 360, "height": 740}

pytestmark = [
    # One browser for the whole file: it takes longer to start than to do all of this.
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def portal(cloud: Cloud) -> AsyncIterator[str]:
    """The address of a running portal."""
    async with HttpServer(portal_site(cloud.dependencies()), bind("127.0.0.1", 0, "portal")) as server:
        yield f"http://127.0.0.1:{server.port}"
    await cloud.events.close()


@pytest_asyncio.fixture(loop_scope="module")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(viewport={"width": 1200, "height": 900}, locale="en-GB")
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(context: BrowserContext, portal: str) -> AsyncIterator[Page]:
    """A page after logging in; the test fails if the browser had anything to complain about."""
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await log_in(page, portal)
    yield page
    assert complaints == []


async def log_in(page: Page, portal: str) -> None:
    await page.goto(portal)
    await page.get_by_label(re.compile("User name|ユーザー名")).fill("hotori")
    await page.get_by_label(re.compile("Password|パスワード")).fill(PASSWORD.reveal())
    await page.keyboard.press("Enter")
    await expect(page.locator(".tiles")).to_be_visible()


async def furnish(cloud: Cloud) -> None:
    cloud.logs[CAMERA] = [Frame(FrameKind.DATA, b"a long line " * 40 + b"\n")]
    await cloud.add_device("edge-1")
    await cloud.add_device("greenhouse", connected=False)
    cloud.report_problem("greenhouse", "uploader")
    for number, (label, expected) in enumerate([("cat", "cat"), ("dog", "dog"), ("heron", "heron"), ("cat", "dog")]):
        await cloud.predict(f"edge-1/camera/{number:06}.jpg", label, expected, 0.7 + number / 12)


async def fits(page: Page) -> bool:
    """Whether nothing has to be scrolled sideways."""
    return bool(await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


async def test_a_new_picture_appears_by_itself(cloud: Cloud, page: Page) -> None:
    await furnish(cloud)
    await page.reload()
    rows = page.locator("#results tr")
    await expect(rows).to_have_count(4)
    await expect(page.locator("#flow-state")).to_have_text("Live")
    await cloud.predict("edge-1/camera/fresh.jpg", "kingfisher", "kingfisher", 0.98)
    await expect(rows.first).to_contain_text("kingfisher")
    await expect(rows).to_have_count(5)
    await expect(page.locator(".tile").nth(1)).to_contain_text("80.0%")
    picture = rows.first.locator("img")
    await expect(picture).to_have_js_property("complete", True)
    assert await picture.evaluate("image => image.naturalWidth") == 320
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=SCREENSHOTS / "overview.png", full_page=True)


async def test_a_paused_page_stands_still(cloud: Cloud, page: Page) -> None:
    await furnish(cloud)
    await page.reload()
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator("#flow-state")).to_have_text("Paused")
    await cloud.predict("edge-1/camera/fresh.jpg")
    await page.wait_for_timeout(500)
    await expect(page.locator("#results tr")).to_have_count(4)
    await page.get_by_role("button", name="Resume").click()
    await expect(page.locator("#results tr")).to_have_count(5)


async def test_a_modules_log_is_followed_to_its_problem(cloud: Cloud, page: Page, portal: str) -> None:
    await furnish(cloud)
    text = "<b>not markup</b> カメラ\n".encode()
    cloud.logs[CAMERA] = [
        Frame(FrameKind.DATA, text[:20]),
        Frame(FrameKind.DATA, text[20:]),
        Frame.of(FrameKind.NOTE, {"event": "waiting", "state": "stopped"}),
        Frame.of(FrameKind.NOTE, {"event": "started"}),
        Problem(DEVICE_OFFLINE, identity="edge-1/$edgeAgent"),
    ]
    await page.goto(f"{portal}/devices/edge-1?lang=ja")
    await page.get_by_role("link", name="camera").click()
    waiting = "--- モジュールは動いていません（停止）。起動を待っています\n--- モジュールが起動しました\n"
    await expect(page.locator("#log")).to_have_text(f"{text.decode()}{waiting}", use_inner_text=True)
    await expect(page.locator("#log-state")).to_have_text("終了しました")
    await expect(page.get_by_role("alert")).to_contain_text("edge-1/$edgeAgent")


@pytest.mark.parametrize("language", ["en", "ja"])
async def test_every_page_fits_a_phone(cloud: Cloud, page: Page, portal: str, language: str) -> None:
    await furnish(cloud)
    await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    picture = "edge-1/camera/000003.jpg"
    for path in (
        "/",
        "/devices",
        "/devices/edge-1",
        "/devices/greenhouse",
        "/devices/edge-1/modules/camera",
        "/problems",
        f"/pictures/{picture}",
        "/login",
    ):
        await page.goto(f"{portal}{path}?lang={language}")
        assert await fits(page), path
    await page.goto(f"{portal}/?lang={language}")
    await expect(page.locator("#results tr")).to_have_count(4)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=SCREENSHOTS / f"phone-{language}.png", full_page=True)


async def test_everything_can_be_reached_by_keyboard(cloud: Cloud, page: Page) -> None:
    await furnish(cloud)
    await page.reload()
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    reached = set()
    while await page.evaluate("document.activeElement !== document.body"):
        reached.add(await page.evaluate("document.activeElement.textContent.trim().split('\\n')[0]"))
        assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        await page.keyboard.press("Tab")
    assert {"Overview", "Devices", "Problems", "Log out", "edge-1", "greenhouse", "Pause", "Show", "cat"} <= reached


async def test_a_picture_that_comes_late_is_shown_when_it_is_there(
    cloud: Cloud, portal: str, context: BrowserContext
) -> None:
    page = await context.new_page()
    await log_in(page, portal)
    await cloud.predict("late.jpg")
    data = cloud.pictures.pop("late.jpg")
    picture = page.locator("#results img").first
    await expect(picture).to_have_attribute("data-tries", re.compile("[1-9]"))
    cloud.pictures["late.jpg"] = data
    await expect(picture).to_have_js_property("naturalWidth", 320)


async def test_the_pages_in_the_dark(cloud: Cloud, page: Page, portal: str) -> None:
    await furnish(cloud)
    await page.emulate_media(color_scheme="dark")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for name, path in (
        ("device", "/devices/greenhouse"),
        ("picture", "/pictures/edge-1/camera/000003.jpg"),
        ("overview", "/"),
    ):
        await page.goto(portal + path)
        background = await page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert background == "rgb(12, 26, 31)"
        await page.screenshot(path=SCREENSHOTS / f"{name}-dark.png", full_page=True)
