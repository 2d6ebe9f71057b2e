"""How a device that knows a cloud's id scope and a secret gets its identity: over HTTPS (contract 12.3)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from hotori.model.connection_string import IdentityConnection
from hotori.model.identity import Identity
from hotori.model.json import JsonObject
from hotori.model.sas import sign
from hotori.model.secret import Secret
from hotori.net.own_certificate import OwnCertificate
from hotori.net.tls import client_context
from hotori.problems import Problem
from hotori.problems.provisioning import PROVISIONING_FAILED
from hotori.problems.service import SERVICE_FAILED
from hotori.sdk.http_problem import transport_problem

_API_VERSION = "2021-06-01"
_TOKEN_LIFE = 3600
_TIMEOUT = 30.0
_LONGEST_WAIT = 10.0
"""Seconds between two questions at most, whatever the cloud would like."""


@dataclass(frozen=True, slots=True)
class Applicant:
    """Who asks, where: `host` may carry a port. `key` is the enrolment's, or one derived from a group's; without one
    the `certificate` is shown: the enrolment's, or one that a group's authority issued to the registration."""

    host: str
    scope: str
    registration: str
    key: Secret = field(default_factory=partial(Secret, ""))
    certificate: OwnCertificate | None = None

    @property
    def resource(self) -> str:
        return f"{self.scope}/registrations/{self.registration}"


async def provision(
    applicant: Applicant,
    ca: Path | str | None = None,
    *,
    clock: Callable[[], float] = time.time,
    patience: float = 60.0,
) -> IdentityConnection:
    """Register, and wait up to `patience` seconds for the assignment: whom to be, and where.

    `ca` is the authority to trust: a file or PEM text. The connection of who showed a certificate has no key.
    Raises `scope-foreign`, `enrolment-unknown`, `enrolment-disabled`,
    `applicant-refused`, `provisioning-failed`, and what is wrong with the way there.
    """
    context = client_context(ca)
    headers = {}
    if applicant.key:
        expiry = int(clock()) + _TOKEN_LIFE
        headers["Authorization"] = sign(applicant.resource, applicant.key, expiry, "registration")
    elif applicant.certificate is not None:
        applicant.certificate.show(context)
    async with httpx.AsyncClient(
        base_url=f"https://{applicant.host}", verify=context, timeout=_TIMEOUT, trust_env=False, headers=headers
    ) as http:
        talk = _Talk(http, applicant)
        state = await talk.assigned(patience)
    identity = Identity(str(state["deviceId"]))
    return IdentityConnection(str(state["assignedHub"]), identity, applicant.key)


class _Talk:
    """The requests of one application."""

    def __init__(self, http: httpx.AsyncClient, applicant: Applicant) -> None:
        self._http, self._applicant = http, applicant

    async def assigned(self, patience: float) -> JsonObject:
        """The registration state, once it is a good one."""
        answer = await self._ask("PUT", "register", {"registrationId": self._applicant.registration})
        deadline = asyncio.get_running_loop().time() + patience
        while (document := answer.json())["status"] == "assigning":
            if asyncio.get_running_loop().time() > deadline:
                raise self._failed(f"no answer in {patience:g} s")
            await asyncio.sleep(min(float(answer.headers.get("retry-after", 2)), _LONGEST_WAIT))
            answer = await self._ask("GET", f"operations/{quote(document['operationId'], safe='')}")
        state: JsonObject = document["registrationState"]
        if document["status"] != "assigned":
            raise self._failed(str(state.get("errorMessage") or document["status"]))
        return state

    async def _ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        scope, registration = quote(self._applicant.scope, safe=""), quote(self._applicant.registration, safe="")
        address = f"/{scope}/registrations/{registration}/{path}"
        query = {"api-version": _API_VERSION}
        try:
            response = await self._http.request(method, address, params=query, json=body)
        except httpx.TransportError as error:
            raise transport_problem(self._applicant.host, error) from error
        if not response.is_success:
            raise self._refusal(response)
        return response

    def _refusal(self, response: httpx.Response) -> Problem:
        try:
            return Problem.from_document(response.json()["problem"])
        except (ValueError, KeyError, TypeError):
            evidence = f"HTTP {response.status_code} {response.text[:300]}"
            return Problem(SERVICE_FAILED, evidence, address=self._applicant.host, status=response.status_code)

    def _failed(self, reason: str) -> Problem:
        return Problem(PROVISIONING_FAILED, registration=self._applicant.registration, reason=reason)
