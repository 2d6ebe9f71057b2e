"""From an HTTP request that got no answer to the problem that a person can act on."""

from __future__ import annotations

import httpx

from hotori.diagnosis.evidence import ConnectEvidence
from hotori.diagnosis.findings import findings
from hotori.problems import Problem


def transport_problem(address: str, error: httpx.HTTPError) -> Problem:
    """`cloud-unreachable`, `certificate-untrusted` or what else the system's own words mean."""
    return findings(ConnectEvidence(address, innermost(error)))[0]


def innermost(error: BaseException) -> str:
    """The words of the first cause: libraries wrap what the system said in layers of their own."""
    while True:
        inner = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__ or error.__context__
        if inner is None:
            return str(error) or type(error).__name__
        error = inner
