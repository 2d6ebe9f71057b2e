"""The image registry as an ASGI application: the OCI distribution API over a folder.

Names contain slashes, so paths are read from the right end (contract 1). Authentication is Basic; who has a
password may do everything. The registry will not rewrite what it is given: manifests come back byte for byte.
"""

from __future__ import annotations

import base64
import binascii
import errno
import logging
import re
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from hotori.images import registry_blobs, registry_lists, registry_manifests, registry_uploads
from hotori.images.image_files import ImageFiles, is_repository_name
from hotori.images.registry_error import RegistryError
from hotori.model.secret import Secret

Handler = Callable[..., Awaitable[Response]]

_API_VERSION = {"Docker-Distribution-Api-Version": "registry/2.0"}
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="Hotori images"'}
_log = logging.getLogger(__name__)


async def _base(files: ImageFiles, request: Request) -> Response:
    return JSONResponse({})


ROUTES: tuple[tuple[re.Pattern[str], Mapping[str, Handler]], ...] = (
    (re.compile(r"/v2/"), {"GET": _base, "HEAD": _base}),
    (re.compile(r"/v2/_catalog"), {"GET": registry_lists.list_repositories}),
    (re.compile(r"/v2/(.+)/blobs/uploads/?"), {"POST": registry_uploads.begin}),
    (
        re.compile(r"/v2/(.+)/blobs/uploads/([^/]+)"),
        {
            "PATCH": registry_uploads.append,
            "PUT": registry_uploads.finish,
            "GET": registry_uploads.status,
            "DELETE": registry_uploads.cancel,
        },
    ),
    (
        re.compile(r"/v2/(.+)/blobs/([^/]+)"),
        {"GET": registry_blobs.get_blob, "HEAD": registry_blobs.get_blob, "DELETE": registry_blobs.delete_blob},
    ),
    (
        re.compile(r"/v2/(.+)/manifests/([^/]+)"),
        {
            "GET": registry_manifests.get_manifest,
            "HEAD": registry_manifests.get_manifest,
            "PUT": registry_manifests.put_manifest,
            "DELETE": registry_manifests.delete_manifest,
        },
    ),
    (re.compile(r"/v2/(.+)/tags/list"), {"GET": registry_lists.list_tags}),
    (re.compile(r"/v2/(.+)/referrers/([^/]+)"), {"GET": registry_lists.list_referrers}),
)


def registry_app(files: ImageFiles, credentials: Mapping[str, Secret] | None = None) -> ASGIApp:
    """The application. `credentials` are passwords by user name; None lets everyone in."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        response = await _answer(files, credentials, request)
        if response is not None:
            response.headers.update(_API_VERSION)
            await response(scope, receive, send)

    return app


def authorized(header: str, credentials: Mapping[str, Secret]) -> bool:
    """Whether an Authorization header carries a known user's password (contract 4: also `Basic Og==`)."""
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        user, _, password = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    known = credentials.get(user, Secret(""))
    return known == Secret(password) and bool(known)


async def _answer(files: ImageFiles, credentials: Mapping[str, Secret] | None, request: Request) -> Response | None:
    try:
        if credentials is not None and not authorized(request.headers.get("authorization", ""), credentials):
            raise RegistryError("UNAUTHORIZED", "a user name and password are needed", headers=_CHALLENGE)
        return await _dispatch(files, request)
    except RegistryError as error:
        return error.response()
    except ClientDisconnect:
        _log.info("%s %s: the client went away", request.method, request.url.path)
        return None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _log.error("%s %s: %s", request.method, request.url.path, error)
        body = {"errors": [{"code": "UNKNOWN", "message": "the registry's disk is full", "detail": error.strerror}]}
        return JSONResponse(body, 507)


async def _dispatch(files: ImageFiles, request: Request) -> Response:
    path = request.scope["path"]
    if path == "/v2":
        return RedirectResponse("/v2/", 301)
    for pattern, handlers in ROUTES:
        if match := pattern.fullmatch(path):
            return await _handler(handlers, request, match)(files, request, *match.groups())
    raise RegistryError("NOT_FOUND", "the registry has no such address", {"path": path})


def _handler(handlers: Mapping[str, Handler], request: Request, match: re.Match[str]) -> Handler:
    if match.groups() and not is_repository_name(match[1]):
        raise RegistryError(
            "NAME_INVALID", "a name has lower-case letters, digits and . _ - / only", {"name": match[1]}
        )
    if request.method not in handlers:
        raise RegistryError("UNSUPPORTED", f"{request.method} is not done here", headers={"Allow": ", ".join(handlers)})
    return handlers[request.method]
