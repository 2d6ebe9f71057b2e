"""The portal's addresses, put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from hotori.model.secret import Secret
from hotori.portal.dependencies import PortalDependencies
from hotori.portal.feed import Feed
from hotori.portal.frame import Frame
from hotori.portal.live import Live
from hotori.portal.login import Login
from hotori.portal.module_log import ModuleLog
from hotori.portal.pages import Pages
from hotori.portal.session import login_ticket

_STATIC = Path(__file__).parent / "static"


def portal_site(cloud: PortalDependencies) -> Starlette:
    """The portal over a cloud. It follows the cloud's messages from its start-up to its shutdown."""
    feed = Feed(cloud.events)
    pages = Pages(cloud, feed)
    login, live, log = Login(cloud, pages), Live(pages), ModuleLog(cloud, pages)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        following = asyncio.create_task(feed.run(), name="portal-feed")
        yield
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following

    async def not_found(request: Request, _: Exception) -> Response:
        return pages.not_found(request)

    return Starlette(
        routes=[
            Route("/", pages.overview),
            Route("/devices", pages.devices),
            Route("/devices/{device}", pages.device),
            Route("/devices/{device}/modules/{module}", log.page),
            Route("/devices/{device}/modules/{module}/log", log.stream),
            Route("/pictures/{name:path}", pages.picture),
            Route("/picture-files/{name:path}", pages.picture_file),
            Route("/problems", pages.problems),
            Route("/live", live.stream),
            Route("/login", login.show),
            Route("/login", login.submit, methods=["POST"]),
            Route("/logout", login.leave, methods=["POST"]),
            Mount("/static", StaticFiles(directory=_STATIC)),
        ],
        middleware=[Middleware(Frame, cloud=cloud)],
        exception_handlers={404: not_found},
        lifespan=lifespan,
    )


def login_link(portal_url: str, user: str, signing_key: Secret, now: float, nonce: str) -> str:
    """An address that logs whoever opens it first in, within five minutes; `nonce` is random text."""
    return f"{portal_url.rstrip('/')}/login?ticket={login_ticket(user, signing_key, now, nonce)}"
