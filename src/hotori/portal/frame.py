"""What goes around every request: the language, the lock on the door, and the headers that keep a page safe."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hotori.portal.dependencies import PortalDependencies
from hotori.portal.language import COOKIE as LANGUAGE_COOKIE
from hotori.portal.language import choose_language
from hotori.portal.session import COOKIE as SESSION_COOKIE
from hotori.portal.session import session_user

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_YEAR = 365 * 24 * 3600
_OPEN = "/static/"
_PARTS = ("/live", "/picture-files/")
"""Addresses that only a page of ours asks for: they answer 401 instead of showing the form."""


class Frame:
    """ASGI middleware around the whole site."""

    def __init__(self, app: ASGIApp, cloud: PortalDependencies) -> None:
        self._app, self._cloud = app, cloud

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        asked = request.query_params.get("lang")
        language = choose_language(
            asked, request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language", "")
        )
        request.state.language = language

        async def send_framed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if asked == language.value:
                    cookie = f"{LANGUAGE_COOKIE}={language.value}; Path=/; Max-Age={_YEAR}; SameSite=Lax"
                    headers.append("Set-Cookie", cookie)
            await send(message)

        await (self._refusal(request) or self._app)(scope, receive, send_framed)

    def _refusal(self, request: Request) -> Response | None:
        """An answer for who may not go on; None for who may."""
        path = request.url.path
        if request.method == "POST" and _from_elsewhere(request):
            return PlainTextResponse("A form of another site may not be sent here.", 403)
        if path == "/login" or path.startswith(_OPEN):
            return None
        cookie = request.cookies.get(SESSION_COOKIE, "")
        if session_user(cookie, self._cloud.signing_key, self._cloud.clock()) == self._cloud.user:
            return None
        if path.startswith(_PARTS):
            return PlainTextResponse("Log in first.", 401)
        target = path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse("/login" if target == "/" else f"/login?next={quote(target, safe='')}", 303)


def _from_elsewhere(request: Request) -> bool:
    """Whether a browser says that the form stood on another site."""
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")
