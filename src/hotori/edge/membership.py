"""Whose device this is: the enrolment, given once and kept in the data folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hotori.edge.enrolment import EnrolmentFile, ParentEdge
from hotori.net.own_certificate import OwnCertificate
from hotori.problems import Problem
from hotori.problems.identity import DEVICE_DIFFERS, ENROLMENT_MISSING

ENROLMENT = "enrolment.json"
"""The file in the data folder."""


def settle(data: Path, given: EnrolmentFile | None, parent: ParentEdge | None = None) -> EnrolmentFile:
    """The enrolment in force. What is given is kept for the next start; without it, what was kept is used.

    `parent` is the edge device to go through; it is kept with the enrolment. Of two certificates the younger one is
    in force: a service gives the same file at every start, and the device may have renewed its certificate since.
    Raises `enrolment-missing` where there is no enrolment, `device-differs` where the folder is another device's,
    `certificate-unusable` where a certificate is needed and there is none.
    """
    path = data / ENROLMENT
    kept = EnrolmentFile.read(path) if path.exists() else None
    if given is None:
        if kept is None:
            raise Problem(ENROLMENT_MISSING, path=data)
        given = kept
    if kept and kept.connection.identity != given.connection.identity:
        raise Problem(DEVICE_DIFFERS, path=data, kept=kept.connection.identity, given=given.connection.identity)
    given = replace(given, parent=parent) if parent else given
    given = replace(given, certificate=_younger(given.certificate, kept.certificate if kept else None)).checked()
    if given != kept:
        given.write(path)
    return given


def keep(data: Path, enrolment: EnrolmentFile) -> None:
    """Let it be in force from the next start on. Raises the problems of the disk."""
    enrolment.write(data / ENROLMENT)


def _younger(given: OwnCertificate | None, kept: OwnCertificate | None) -> OwnCertificate | None:
    if given is None or kept is None:
        return given or kept
    return kept if (kept.begins, kept.ends) > (given.begins, given.ends) else given
