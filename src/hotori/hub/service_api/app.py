"""The service API as one application: every address, who may use it, and what answers (contract 2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from hotori.hub.policies import Right
from hotori.hub.service_api import (
    bulk,
    configuration_content,
    configurations,
    device_messages,
    device_plane,
    devices,
    digital_twins,
    events,
    files,
    jobs,
    methods,
    metrics,
    modules,
    problems,
    query,
    registry_jobs,
    routing,
    scope,
    service_bound,
    streams,
    twins,
)
from hotori.hub.service_api.authorization import Access, authorize
from hotori.hub.service_api.call import Call
from hotori.hub.service_api.dependencies import ServiceDependencies
from hotori.hub.service_api.errors import HANDLED, on_error, on_failure, on_http_error
from hotori.hub.service_api.identity_routes import IDENTITY_ROUTES

Handler: TypeAlias = Callable[[Call], Awaitable[Response]]

_READ = frozenset({Right.REGISTRY_READ, Right.REGISTRY_WRITE})
_WRITE = frozenset({Right.REGISTRY_WRITE})
_SERVICE = frozenset({Right.SERVICE})
_READER = Access(_READ)
_WRITER = Access(_WRITE)
_SERVANT = Access(_SERVICE)
_READER_OR_DEVICE = Access(_READ, device=True)
_WRITER_OR_DEVICE = Access(_WRITE, device=True)
_SHELL_USER = Access(frozenset({Right.SHELL}))
_QUERIER = Access(_SERVICE | {Right.REGISTRY_READ})
_DEVICE_ITSELF = Access(frozenset({Right.DEVICE}), device=True)
_EDGE_HUB = Access(edge_hub=True)

_DEVICE = "/devices/{device}"
_MODULE = "/devices/{device}/modules/{module}"
_SCOPE = "/devices/{device}/modules/$edgeHub"
_TWIN = "/twins/{device}"
_MODULE_TWIN = "/twins/{device}/modules/{module}"

ROUTES: tuple[tuple[str, str, Access | None, Handler], ...] = (
    ("GET", "/devices", _READER, devices.list_devices),
    ("POST", "/devices", _WRITER, bulk.change_many),
    ("POST", "/devices/query", _QUERIER, query.query_devices),
    ("GET", _DEVICE, _READER, devices.get_device),
    ("PUT", _DEVICE, _WRITER, devices.put_device),
    ("DELETE", _DEVICE, _WRITER, devices.delete_device),
    ("DELETE", f"{_DEVICE}/commands", _SERVANT, devices.purge_commands),
    ("GET", "/statistics/devices", _READER, devices.count_devices),
    ("GET", "/statistics/service", _SERVANT, devices.count_connected),
    *(
        (method, f"{_SCOPE}/{name}", None, scope.answering(handler, _EDGE_HUB))
        for method, name, handler in (
            ("POST", "devicesAndModulesInTargetDeviceScope", scope.list_target_scope),
            ("GET", "devicesAndModulesInDeviceScope", scope.list_scope),
            ("POST", "getDeviceAndModuleOnBehalfOf", scope.get_on_behalf),
            ("GET", "deviceAndModuleInDeviceScope", scope.get_in_scope),
            ("POST", "getModulesOnTargetDevice", scope.list_modules),
            ("POST", "getModuleOnBehalfOf", scope.get_module),
            ("PUT", "putModuleOnBehalfOf", scope.put_module),
            ("POST", "deleteModuleOnBehalfOf", scope.delete_module),
        )
    ),
    ("GET", f"{_DEVICE}/modules", _READER_OR_DEVICE, modules.list_modules),
    ("GET", _MODULE, _READER_OR_DEVICE, modules.get_module),
    ("PUT", _MODULE, _WRITER_OR_DEVICE, modules.put_module),
    ("DELETE", _MODULE, _WRITER_OR_DEVICE, modules.delete_module),
    ("POST", f"{_MODULE}/logs", _SERVANT, streams.follow_log),
    ("POST", f"{_MODULE}/shell", _SHELL_USER, streams.open_shell),
    ("GET", _TWIN, _SERVANT, twins.get_twin),
    ("PATCH", _TWIN, _SERVANT, twins.patch_twin),
    ("PUT", _TWIN, _SERVANT, twins.put_twin),
    ("POST", f"{_TWIN}/methods", _SERVANT, methods.invoke),
    ("GET", _MODULE_TWIN, _SERVANT, twins.get_twin),
    ("PATCH", _MODULE_TWIN, _SERVANT, twins.patch_twin),
    ("PUT", _MODULE_TWIN, _SERVANT, twins.put_twin),
    ("POST", f"{_MODULE_TWIN}/methods", _SERVANT, methods.invoke),
    ("POST", f"{_DEVICE}/applyConfigurationContent", _SERVANT, configuration_content.apply_to_device),
    ("POST", f"{_DEVICE}/messages/devicebound", _SERVANT, device_messages.send_to_device),
    ("POST", f"{_DEVICE}/messages/deviceBound", _SERVANT, device_messages.send_to_device),
    ("POST", f"{_DEVICE}/files", _DEVICE_ITSELF, files.begin),
    ("POST", f"{_DEVICE}/files/notifications", _DEVICE_ITSELF, files.end),
    ("POST", f"{_DEVICE}/messages/events", _DEVICE_ITSELF, device_plane.send_event),
    *(
        route
        for spelling in ("deviceBound", "devicebound")
        for route in (
            ("GET", f"{_DEVICE}/messages/{spelling}", _DEVICE_ITSELF, device_plane.receive),
            ("DELETE", f"{_DEVICE}/messages/{spelling}/{{lock}}", _DEVICE_ITSELF, device_plane.settle),
            ("POST", f"{_DEVICE}/messages/{spelling}/{{lock}}/abandon", _DEVICE_ITSELF, device_plane.abandon),
        )
    ),
    *(
        route
        for spelling in ("serviceBound", "servicebound")
        for route in (
            ("GET", f"/messages/{spelling}/{{kind}}", _SERVANT, service_bound.receive),
            ("DELETE", f"/messages/{spelling}/{{kind}}/{{lock}}", _SERVANT, service_bound.complete),
            ("POST", f"/messages/{spelling}/{{kind}}/{{lock}}/abandon", _SERVANT, service_bound.abandon),
        )
    ),
    ("GET", "/configurations", _SERVANT, configurations.list_configurations),
    ("POST", "/configurations/testQueries", _SERVANT, configurations.test_queries),
    ("GET", "/configurations/{configuration}", _SERVANT, configurations.get_configuration),
    ("PUT", "/configurations/{configuration}", _SERVANT, configurations.put_configuration),
    ("DELETE", "/configurations/{configuration}", _SERVANT, configurations.delete_configuration),
    ("GET", "/configurations/{configuration}/rollout", _SERVANT, configurations.get_rollout),
    ("POST", "/configurations/{configuration}/rollout", _SERVANT, configurations.change_rollout),
    ("GET", f"{_DEVICE}/effectiveConfiguration", _SERVANT, configurations.get_effective),
    ("GET", "/digitaltwins/{device}", _SERVANT, digital_twins.get_twin),
    ("PATCH", "/digitaltwins/{device}", _SERVANT, digital_twins.patch_twin),
    ("POST", "/digitaltwins/{device}/commands/{command}", _SERVANT, digital_twins.invoke),
    ("POST", "/digitaltwins/{device}/components/{component}/commands/{command}", _SERVANT, digital_twins.invoke),
    ("POST", "/jobs/create", _WRITER, registry_jobs.create_job),
    ("GET", "/jobs", _READER, registry_jobs.list_jobs),
    ("GET", "/jobs/{job}", _READER, registry_jobs.get_job),
    ("DELETE", "/jobs/{job}", _WRITER, registry_jobs.cancel_job),
    ("GET", "/jobs/v2/query", _SERVANT, jobs.list_jobs),
    ("PUT", "/jobs/v2/{job}", _SERVANT, jobs.create_job),
    ("GET", "/jobs/v2/{job}", _SERVANT, jobs.get_job),
    ("POST", "/jobs/v2/{job}/cancel", _SERVANT, jobs.cancel_job),
    ("GET", "/messages/events", _SERVANT, events.stream_events),
    ("GET", "/messages/groups", _SERVANT, events.list_groups),
    ("POST", "/messages/groups/{group}/checkpoint", _SERVANT, events.checkpoint_group),
    ("DELETE", "/messages/groups/{group}", _SERVANT, events.delete_group),
    *IDENTITY_ROUTES,
    ("GET", "/messages/events/{offset}", _SERVANT, events.get_event),
    ("GET", "/metrics", _SERVANT, metrics.get_metrics),
    ("GET", "/problems", _SERVANT, problems.list_problems),
    ("GET", "/routing", _SERVANT, routing.get_routing),
    ("PATCH", "/routing", _SERVANT, routing.patch_routing),
    ("POST", "/routing/explain", _SERVANT, routing.explain_message),
    ("PUT", "/routing/routes/{name}", _SERVANT, routing.put_route),
    ("DELETE", "/routing/routes/{name}", _SERVANT, routing.delete_route),
    ("GET", "/routing/endpoints/{name}/deadletters", _SERVANT, routing.list_dead_letters),
    ("POST", "/routing/endpoints/{name}/deadletters/retry", _SERVANT, routing.retry_dead_letters),
    ("PUT", "/routing/endpoints/{name}", _SERVANT, routing.put_endpoint),
    ("DELETE", "/routing/endpoints/{name}", _SERVANT, routing.delete_endpoint),
)


def service_app(deps: ServiceDependencies) -> Starlette:
    """The application. `deps` are somebody else's to start and close."""
    app = Starlette(
        routes=[
            Route(path, _endpoint(deps, access, handler), methods=[method]) for method, path, access, handler in ROUTES
        ],
        exception_handlers={HTTPException: on_http_error, Exception: on_failure, **dict.fromkeys(HANDLED, on_error)},
        middleware=[Middleware(_TrailingSlash)],
    )
    app.router.redirect_slashes = False
    return app


def _endpoint(
    deps: ServiceDependencies, access: Access | None, handler: Handler
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        if access is not None:  # else the handler lets in by itself
            await authorize(request, deps, access)
        return await handler(Call(request, deps))

    return endpoint


class _TrailingSlash:
    """`/devices/` means `/devices`: some clients write collections so (contract 2.1)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if len(path) > 1 and path.endswith("/"):
            scope = {**scope, "path": path.rstrip("/") or "/"}
        await self._app(scope, receive, send)
