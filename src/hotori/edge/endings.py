"""Why modules ended: each ending is looked into once, with the last of the log as evidence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hotori.diagnosis.evidence import ExitEvidence
from hotori.diagnosis.findings import findings
from hotori.problems import Problem
from hotori.runtimes.module_runtime import ModuleObservation, ModuleRuntime, ModuleState

_TAIL = 40


@dataclass(frozen=True, slots=True)
class Ending:
    """What was found of the ending at `exited_at`."""

    exited_at: float
    problems: tuple[Problem, ...]


class Endings:
    """Remembers the last ending of each module, until the module has run for `settled` seconds since, in `found`."""

    def __init__(self, runtime: ModuleRuntime, settled: float, found: dict[str, Ending]) -> None:
        self._runtime, self._settled, self._found = runtime, settled, found

    def problems(self, module: str) -> tuple[Problem, ...]:
        ending = self._found.get(module)
        return ending.problems if ending else ()

    async def look(self, observations: Iterable[ModuleObservation], now: float) -> None:
        """Look into the endings that are new, and forget those that no longer matter."""
        observations = list(observations)
        for module in self._found.keys() - {observation.name for observation in observations}:
            del self._found[module]
        for seen in observations:
            if seen.state is ModuleState.RUNNING and now - seen.started_at >= self._settled:
                self._found.pop(seen.name, None)
            elif seen.state is ModuleState.FAILED and self._is_new(seen):
                self._found[seen.name] = Ending(seen.exited_at, await self._find(seen))

    def _is_new(self, seen: ModuleObservation) -> bool:
        known = self._found.get(seen.name)
        return known is None or known.exited_at != seen.exited_at

    async def _find(self, seen: ModuleObservation) -> tuple[Problem, ...]:
        """A log that is not to be had is a trouble of this module, and of no other."""
        log: bytes = b""
        troubles: tuple[Problem, ...] = ()
        try:
            log = await self._runtime.logs(seen.name, _TAIL)
        except Problem as problem:
            troubles = (problem,)
        text = log.decode("utf-8", errors="replace")
        return *findings(ExitEvidence(seen.name, seen.exit_code, seen.out_of_memory, seen.error, text)), *troubles
