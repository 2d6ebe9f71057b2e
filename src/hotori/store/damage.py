"""What was wrong with a segment, as problems with the places as evidence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hotori.problems import Problem
from hotori.problems.storage import LOG_DAMAGED, LOG_OVERWRITTEN, LOG_TORN
from hotori.store.segment import Findings


def damage_problems(path: Path, findings: Findings) -> list[Problem]:
    """A problem for every stretch of a segment that could not be read, and for a beginning that is not its own."""
    kept = f"kept as {findings.kept.name}" if findings.kept else "left as it is"
    problems = [
        _damaged(path, hole.first, hole.end, f"{hole.size} bytes from byte {hole.at} on; the file is {kept}")
        for hole in findings.holes
    ]
    if findings.overwritten:
        problems.append(Problem(LOG_OVERWRITTEN, f"the file is {kept}", path=path, folder=path.parent))
    return problems


def spoiled_problem(path: Path, offsets: Sequence[int]) -> Problem:
    """The same for entries that were whole when the log was opened."""
    return _damaged(path, offsets[0], offsets[-1] + 1, "they were whole when the log was opened")


def torn_problem(path: Path, size: int, first: int, end: int) -> Problem:
    """`log-torn`: the entries from `first` to before `end` are whole, and so many bytes behind them were not."""
    return Problem(LOG_TORN, f"{path.name}: {size} bytes", size=size, path=path, first=first, last=end - 1)


def _damaged(path: Path, first: int, end: int, evidence: str) -> Problem:
    return Problem(LOG_DAMAGED, evidence, path=path, folder=path.parent, first=first, last=end - 1, count=end - first)
