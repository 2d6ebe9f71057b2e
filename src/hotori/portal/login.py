"""Logging in and out."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hotori.portal import session
from hotori.portal.dependencies import PortalDependencies
from hotori.portal.pages import Pages


class Login:
    """The form, the link that works once, and the way out."""

    def __init__(self, cloud: PortalDependencies, pages: Pages) -> None:
        self._cloud, self._pages = cloud, pages
        self._tickets = session.Tickets(cloud.signing_key)

    async def show(self, request: Request) -> Response:
        """The form; or, with a good ticket in the address, straight in."""
        ticket = request.query_params.get("ticket")
        if ticket is None:
            return self._form(request)
        user = self._tickets.redeem(ticket, self._cloud.clock())
        return self._form(request, "ticket-failed", 403) if user is None else self._welcome(request, user)

    async def submit(self, request: Request) -> Response:
        """Check user name and password; both are compared in any case."""
        form = await request.form(max_files=0, max_fields=10)
        user_right = session.same_text(str(form.get("user", "")), self._cloud.user)
        password_right = session.same_text(str(form.get("password", "")), self._cloud.password.reveal())
        if not (user_right and password_right):
            return self._form(request, "log-in-failed", 403)
        return self._welcome(request, self._cloud.user)

    async def leave(self, request: Request) -> Response:
        response = RedirectResponse("/login", 303)
        response.delete_cookie(session.COOKIE)
        return response

    def _form(self, request: Request, fault: str = "", status: int = 200) -> Response:
        return self._pages.page(request, "login.html", status, fault=fault)

    def _welcome(self, request: Request, user: str) -> Response:
        response = RedirectResponse(_inside(request.query_params.get("next", "/")), 303)
        response.set_cookie(
            session.COOKIE,
            session.session_cookie(user, self._cloud.signing_key, self._cloud.clock()),
            max_age=session.SESSION_LIFE,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return response


def _inside(address: str) -> str:
    """The address, if it stays on this site; else the overview."""
    parts = urlsplit(address)
    stays = address.startswith("/") and not address.startswith(("//", "/\\")) and not parts.netloc
    return address if stays else "/"
