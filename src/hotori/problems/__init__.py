"""What can go wrong, said once: a code, a cause and a remedy, in English and Japanese.

Each area has a file that declares its kinds of problem; `catalogue` gathers them. Code raises `Problem`
with a kind, the evidence it saw and the values that the words speak of. This package imports nothing of
ours, and it will not decide which problem applies: that is for whoever saw the evidence.
"""

from hotori.problems.kind import Kind, Language, Severity, Words
from hotori.problems.problem import Problem

__all__ = ["Kind", "Language", "Problem", "Severity", "Words"]
