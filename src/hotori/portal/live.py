"""The event stream of the overview (HTML fragments as server-sent events)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from hotori.portal.gallery import Choice
from hotori.portal.pages import RESULTS_A_PAGE, Pages, language_of, read_choice
from hotori.problems import Language

_LOOK = 2.0
"""Seconds after which devices are looked at again, messages or none."""
_GATHER = 0.1
"""Seconds in which the messages of a burst come together."""
_BEAT_EVERY = 8


class Live:
    """Streams new rows, the numbers, and the state of the devices."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    async def stream(self, request: Request) -> Response:
        """`after` is the offset of the last message that the page knows; `none` leaves rows out."""
        after = request.query_params.get("after", "none")
        position = int(after) if after.lstrip("-").isascii() and after.lstrip("-").isdigit() else None
        events = self._events(read_choice(request.query_params), position, language_of(request))
        return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    async def _events(self, choice: Choice, position: int | None, language: Language) -> AsyncIterator[str]:
        feed = self._pages.feed
        shown: dict[str, str] = {}
        looks = 0
        while True:
            if position is not None:
                for row in self._rows(choice, position, language):
                    yield row
                position = max(position, feed.gallery.position)
            for name, fragment in (await self._fragments(language)).items():
                if shown.get(name) != fragment:
                    shown[name] = fragment
                    yield event(name, fragment)
            looks += 1
            if looks % _BEAT_EVERY == 0:
                # A comment now and then tells proxies and browsers that the stream is alive.
                yield ": beat\n\n"
            await feed.changed(_LOOK)
            await asyncio.sleep(_GATHER)

    def _rows(self, choice: Choice, position: int, language: Language) -> list[str]:
        """Rows of what is new, oldest first because each goes to the top; no more than a page shows."""
        fresh = [result for result in self._pages.feed.gallery.after(position) if choice.takes(result)]
        newest = sorted(fresh, key=lambda result: -result.offset)[:RESULTS_A_PAGE]
        return [event("result", self._pages.row(result, language)) for result in reversed(newest)]

    async def _fragments(self, language: Language) -> dict[str, str]:
        devices = await self._pages.devices_in(language)
        pages = self._pages
        return {
            "summary": pages.render("_summary.html", language, summary=pages.summary(devices)),
            "devices": pages.render("_devices.html", language, devices=devices[:6]),
        }


def event(name: str, fragment: str) -> str:
    """A server-sent event; its data has one line for each of the fragment's."""
    lines = "".join(f"data: {line}\n" for line in fragment.splitlines() if line.strip())
    return f"event: {name}\n{lines}\n"
