"""A registry's answer turned into the problem that it means, with the answer itself as evidence."""

from __future__ import annotations

import os
import ssl

import httpx

from hotori.problems import Problem
from hotori.problems.images import REGISTRY_REFUSED, REGISTRY_UNAUTHORIZED, REGISTRY_UNREACHABLE
from hotori.problems.network import CERTIFICATE_UNTRUSTED

_LONGEST_EVIDENCE = 400


async def evidence(response: httpx.Response) -> str:
    """The request and the answer in one line: `GET http://…/manifests/9: 404 {"errors":…}`."""
    body = " ".join((await response.aread()).decode(errors="replace").split())[:_LONGEST_EVIDENCE]
    return f"{response.request.method} {bare_url(response.request)}: {response.status_code} {body}".rstrip()


async def refusal(response: httpx.Response, address: str, user: str) -> Problem:
    """The problem of an answer that nobody expected."""
    seen = await evidence(response)
    if response.status_code in (401, 403):
        return Problem(REGISTRY_UNAUTHORIZED, seen, address=address, user=user, status=response.status_code)
    request = f"{response.request.method} {bare_url(response.request)}"
    return Problem(REGISTRY_REFUSED, seen, address=address, status=response.status_code, request=request)


def unreachable(error: httpx.TransportError, address: str) -> Problem:
    """The problem of no answer at all: nobody there, no such name, time-out, or a certificate that does not fit."""
    reason = _reason(error)
    if isinstance(_root(error), ssl.SSLCertVerificationError):
        return Problem(CERTIFICATE_UNTRUSTED, reason, address=address, reason=reason)
    return Problem(REGISTRY_UNREACHABLE, f"{type(error).__name__}: {reason}", address=address, reason=reason)


def bare_url(request: httpx.Request) -> str:
    """The address without its query: signed links of storage services are secrets."""
    return str(request.url.copy_with(query=None))


def _reason(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"no answer in time ({type(error).__name__})"
    root = _root(error)
    if isinstance(root, OSError) and root.errno and root.errno > 0:
        return os.strerror(root.errno)
    text = root.strerror if isinstance(root, OSError) and root.strerror else str(root) or str(error)
    return text or type(error).__name__


def _root(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else cause
    return error
