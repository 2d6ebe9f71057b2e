"""Renewing the certificate by which the device shows its cloud who it is, while it is in use."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from hotori.edge.enrolment import EnrolmentFile
from hotori.edge.membership import keep
from hotori.edge.times import iso_time
from hotori.model.identity import Identity
from hotori.net.own_certificate import CertificateRequest, OwnCertificate
from hotori.problems import Language, Problem, Words
from hotori.problems.certificates import DEVICE_CERTIFICATE_ENDING

_log = logging.getLogger(__name__)
_FOREIGN = Words(
    "the cloud's authority did not issue it, so that it cannot renew it",
    "クラウドの認証局が発行したものではないため、更新できません",
)
_BEHIND = Words(
    "the device stands behind another edge device, and only the cloud renews",
    "別のエッジデバイスの配下にあり、更新はクラウドでしか行えません",
)
_REST = 3600.0
"""Seconds between two attempts at most, once it is time."""


class Issuer(Protocol):
    """The cloud, as far as certificates go."""

    async def certificate(self, device: Identity, request: str) -> str: ...

    def show(self, certificate: OwnCertificate) -> None:
        """Show this one from now on."""
        ...


class CertificateRenewal:
    """Looks every `look` seconds. The new certificate is on disk before it is shown: it survives a power cut, and
    until then the cloud takes the former one too."""

    def __init__(
        self, data: Path, enrolment: EnrolmentFile, cloud: Issuer, clock: Callable[[], float], look: float
    ) -> None:
        self._data, self._enrolment, self._cloud = data, enrolment, cloud
        self._clock, self._look = clock, look
        self.problem: Problem | None = None
        """Why a certificate that ends soon was not renewed."""

    async def run(self) -> None:
        """For ever; without a certificate there is nothing to do."""
        while True:
            await self.look()
            await asyncio.sleep(min(self._look, _REST) if self.problem else self._look)

    async def look(self) -> None:
        """Renew the certificate if it is time; why it was not is in `problem`."""
        shown = self._enrolment.certificate
        if shown is None or not self._enrolment.connection.by_certificate or not shown.renewal_due(self._clock()):
            self.problem = None
            return
        reason = await self._renew(shown)
        if reason is None:
            self.problem = None
            return
        device, end = self._enrolment.connection.identity.device, iso_time(shown.ends)
        evidence = (str(reason),) if isinstance(reason, Problem) else ()
        words = _title(reason) if isinstance(reason, Problem) else reason
        found = Problem(DEVICE_CERTIFICATE_ENDING, *evidence, device=device, end=end, reason=words)
        if self.problem is None or self.problem.cause() != found.cause():
            _log.warning("%s: %s", found.title(), found.cause())
        self.problem = found

    async def _renew(self, shown: OwnCertificate) -> Words | Problem | None:
        """Why it was not renewed; None where it was."""
        enrolment, device = self._enrolment, self._enrolment.connection.identity
        if not shown.issued_by(enrolment.ca):
            return _FOREIGN
        if enrolment.parent is not None:
            return _BEHIND
        request = CertificateRequest.make(device.device)
        try:
            fresh = request.answered(await self._cloud.certificate(device, request.text))
            renewed = replace(enrolment, certificate=fresh)
            keep(self._data, renewed)
            self._cloud.show(fresh)
        except Problem as problem:
            return problem
        except (OSError, KeyError, TypeError, ValueError) as error:  # an answer that is none, or no memory for a file
            words = f"{type(error).__name__}: {error}"
            return Words(words, words)
        self._enrolment = renewed
        _log.info("the certificate of %s was renewed until %s", device, iso_time(fresh.ends))
        return None


def _title(problem: Problem) -> Words:
    return Words(problem.title(Language.EN), problem.title(Language.JA))
