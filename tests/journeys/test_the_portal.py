"""The portal beside the real main job, in a real browser; its picture in the README is taken here."""

import re
from pathlib import Path

import pytest
from playwright.async_api import async_playwright, expect

SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.mark.parametrize(
    ("name", "viewport", "language"),
    [
        ("portal", {"width": 1200, "height": 900}, "en-GB"),
        ("portal-phone-ja", {"width": 390, "height": 844}, "ja-JP"),
    ],
)
async def test_pictures_of_the_main_job_appear_with_their_predictions(main_job, name, viewport, language):
    cloud = main_job.cloud
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = await browser.new_page(viewport=viewport, locale=language)
        await page.goto(cloud.portal_url)
        await page.get_by_label(re.compile("User name|ユーザー名")).fill(cloud.portal_username)
        await page.get_by_label(re.compile("Password|パスワード")).fill(cloud.portal_password.reveal())
        await page.keyboard.press("Enter")
        pictures = page.locator("img[src*='picture']")
        await expect(pictures.nth(5)).to_be_visible(timeout=60_000)
        await page.wait_for_function(
            "() => [...document.images].slice(0, 6).every(image => image.complete && image.naturalWidth > 0)"
        )
        await page.screenshot(path=SCREENSHOTS / f"{name}.png")
        await browser.close()
