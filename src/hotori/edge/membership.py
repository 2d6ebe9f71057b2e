"""Whose device this is: the enrolment, given once and kept in the data folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hotori.edge.enrolment import EnrolmentFile, ParentEdge
from hotori.problems import Problem
from hotori.problems.identity import DEVICE_DIFFERS, ENROLMENT_MISSING

ENROLMENT = "enrolment.json"
"""The file in the data folder."""


def settle(data: Path, given: EnrolmentFile | None, parent: ParentEdge | None = None) -> EnrolmentFile:
    """The enrolment in force. What is given is kept for the next start; without it, what was kept is used.

    `parent` is the edge device to go through; it is kept with the enrolment.
    Raises `enrolment-missing` where there is neither, `device-differs` where the folder is another device's.
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
    if given != kept:
        given.write(path)
    return given
