"""The pages that a reader sees, put together from the cloud and rendered in the reader's language."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from hotori.hub.registration import Registration
from hotori.hub.sessions import Presence
from hotori.model.identity import EDGE_AGENT, EDGE_HUB, Identity
from hotori.model.trace import Trace
from hotori.portal.dependencies import PortalDependencies
from hotori.portal.device_view import DeviceView, ProblemView, device_view, problem_of_hub
from hotori.portal.feed import Feed
from hotori.portal.gallery import Choice, Order, Result, Tally, Verdict
from hotori.portal.listing import page_of
from hotori.portal.words import Phrases
from hotori.problems import Language, Problem

RESULTS_A_PAGE = 24
_DEVICES_A_PAGE = 24
_PROBLEMS_A_PAGE = 20
_TYPES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png", b"RIFF": "image/webp"}


@dataclass(frozen=True, slots=True)
class Summary:
    """The numbers at the top of the overview."""

    tally: Tally
    devices: int
    connected: int
    problems: int


class Pages:
    """Renders pages and the live parts of them."""

    def __init__(self, cloud: PortalDependencies, feed: Feed) -> None:
        self._cloud, self.feed = cloud, feed
        self._templates = _environment()

    async def overview(self, request: Request) -> Response:
        """Devices, numbers and the latest pictures."""
        query, language = request.query_params, language_of(request)
        choice, order = read_choice(query), read_order(query)
        position = self.feed.gallery.position
        results = page_of(self.feed.gallery.results(choice, order), "/", query, RESULTS_A_PAGE)
        devices = await self.devices_in(language)
        # Rows arrive by themselves only where they belong at the top.
        live = order is Order.NEWEST and results.number == 1
        return self.page(
            request,
            "overview.html",
            results=results,
            choice=choice,
            order=order,
            summary=self.summary(devices),
            devices=devices[:6],
            device_count=len(devices),
            hub_problems=[problem_of_hub(problem, language) for problem in self._cloud.problems()],
            live_address=f"/live?{urlencode({**results.query, 'after': position})}" if live else "/live?after=none",
        )

    async def devices(self, request: Request) -> Response:
        """Every device, with its connection."""
        query = request.query_params
        part, state = query.get("name", "").lower(), query.get("state", "")
        devices = [
            device
            for device in await self.devices_in(language_of(request))
            if part in device.name.lower() and (not state or device.state == state)
        ]
        if query.get("sort") == "state":
            devices.sort(key=lambda device: (device.state, device.name))
        return self.page(request, "devices.html", devices=page_of(devices, "/devices", query, _DEVICES_A_PAGE))

    async def device(self, request: Request) -> Response:
        """One device: modules, counts, problems."""
        try:
            identity = Identity(request.path_params["device"])
        except Problem:
            return self.not_found(request)
        registration = await self._cloud.devices.find(identity)
        if registration is None:
            return self.not_found(request)
        device = await self._view(registration, language_of(request))
        latest = self.feed.gallery.results(Choice(device=device.name))[:6]
        return self.page(request, "device.html", device=device, latest=latest)

    async def picture(self, request: Request) -> Response:
        """One picture with all predictions."""
        name = request.path_params["name"]
        result = self.feed.gallery.result(name)
        stored = await self._cloud.picture(name)
        if result is None and stored is None:
            return self.not_found(request)
        trace = Trace.parse(result.trace) if result and result.trace else None
        return self.page(
            request, "picture.html", name=name, result=result, stored=stored is not None, trace=trace and trace.trace_id
        )

    async def picture_file(self, request: Request) -> Response:
        """A picture's bytes; nothing but pictures is given out under this address."""
        data = await self._cloud.picture(request.path_params["name"])
        media_type = next((kind for start, kind in _TYPES.items() if data and data.startswith(start)), None)
        if data is None or media_type is None:
            return Response(status_code=404, headers={"Cache-Control": "no-store"})
        return Response(data, media_type=media_type, headers={"Cache-Control": "private, max-age=86400"})

    async def problems(self, request: Request) -> Response:
        """What devices report to be wrong, with remedies."""
        query = request.query_params
        devices = await self.devices_in(language_of(request))
        found = [
            problem
            for device in devices
            for problem in device.problems
            if query.get("device", "") in ("", problem.device) and query.get("severity", "") in ("", problem.severity)
        ]
        if query.get("sort") != "device":
            found.sort(key=lambda problem: (problem.severity, problem.device, problem.module))
        names = [device.name for device in devices if device.problems]
        problems = page_of(found, "/problems", query, _PROBLEMS_A_PAGE)
        return self.page(request, "problems.html", problems=problems, device_names=names)

    def not_found(self, request: Request) -> Response:
        return self.page(request, "not_found.html", status=404)

    def page(self, request: Request, template: str, status: int = 200, **values: object) -> HTMLResponse:
        """A whole page; every page says its language and links to itself in the other one."""
        language = language_of(request)
        other = Language.EN if language is Language.JA else Language.JA
        address = f"{quote(request.url.path)}?{urlencode({**request.query_params, 'lang': other.value})}"
        text = self.render(
            template, language, other_language=other.value, other_address=address, path=request.url.path,
            query=request.query_params, hub=self._cloud.hub_name, **values,
        )  # fmt: skip
        return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})

    def render(self, template: str, language: Language, **values: object) -> str:
        """A template in a language."""
        gallery = self.feed.gallery
        return self._templates.get_template(template).render(
            say=Phrases(language), lang=language.value, labels=gallery.labels(), sources=gallery.devices(), **values
        )

    def row(self, result: Result, language: Language) -> str:
        """One line of the table of results."""
        return self.render("_row.html", language, result=result)

    async def devices_in(self, language: Language) -> list[DeviceView]:
        """Every device, by name."""
        return [await self._view(registration, language) async for registration in self._cloud.devices.all_devices()]

    def summary(self, devices: list[DeviceView]) -> Summary:
        connected = sum(device.connected for device in devices)
        problems: list[ProblemView] = [problem for device in devices for problem in device.problems]
        return Summary(self.feed.gallery.tally(), len(devices), connected, len(problems))

    async def _view(self, registration: Registration, language: Language) -> DeviceView:
        device = registration.identity.device
        report = await self._cloud.reported(Identity(device, EDGE_AGENT)) if registration.edge else {}
        return device_view(registration, self._presence(registration), report, self.feed.gallery.messages, language)

    def _presence(self, registration: Registration) -> Presence | None:
        """An edge device is there when its agent or its hub is: they connect, it does not itself."""
        device = registration.identity.device
        modules = (None, EDGE_HUB, EDGE_AGENT) if registration.edge else (None,)
        known = [presence for module in modules if (presence := self._cloud.presence(Identity(device, module)))]
        return max(known, key=lambda presence: (presence.connected, presence.last_activity), default=None)


def language_of(request: Request) -> Language:
    """The language that the frame of every request has chosen."""
    language: Language = request.state.language
    return language


def read_choice(query: Mapping[str, str]) -> Choice:
    """Which results an address asks for; what is no choice is none."""
    verdict = query.get("verdict", "")
    return Choice(
        device=query.get("device", ""),
        label=query.get("label", ""),
        verdict=Verdict(verdict) if verdict in tuple(Verdict) else None,
    )


def read_order(query: Mapping[str, str]) -> Order:
    sort = query.get("sort", "")
    return Order(sort) if sort in tuple(Order) else Order.NEWEST


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("hotori.portal"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "moment": _moment,
        "iso": _iso,
        "percent": lambda share: f"{share:.0%}",
        "percent1": lambda share: f"{share:.1%}",
        "short": _short_number,
        "path": quote,
        "options": lambda names: [(name, name) for name in names],
    }
    return environment


def _moment(seconds: float) -> str:
    """A time for people; the browser turns it into local time where it can."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _short_number(number: float) -> str:
    """Seconds as one reads them: two decimals below ten."""
    if math.isnan(number):
        return "–"
    return f"{number:.2f}" if number < 10 else f"{number:.0f}"
