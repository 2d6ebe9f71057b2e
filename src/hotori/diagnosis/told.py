"""A problem that a program told of itself, in a line of JSON in its log.

Our modules write such lines, and so may anybody's: `{"code": …, "values": {…}, "evidence": […], "level": "error"}`
with a code of the catalogue and the values that its words speak of.
"""

from __future__ import annotations

import json

from hotori.diagnosis.evidence import blot
from hotori.problems import Problem
from hotori.problems.catalogue import CATALOGUE


def told(text: str) -> Problem | None:
    """The last problem of level `error` in a log, or None. Lines that are not such a problem are passed over."""
    for line in reversed(text.splitlines()):
        if line.startswith("{") and (problem := _read(line)):
            return problem
    return None


def _read(line: str) -> Problem | None:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    kind = CATALOGUE.get(str(document.get("code")))
    values, evidence = document.get("values"), document.get("evidence", [])
    if kind is None or document.get("level") != "error":
        return None
    if not isinstance(values, dict) or not isinstance(evidence, list) or kind.fields() - values.keys():
        return None
    known = {name: blot(str(values[name])) for name in kind.fields()}
    return Problem(kind, *(blot(str(item)) for item in evidence), **known)
