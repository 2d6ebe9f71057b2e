"""Which events a reader wants: of a device, a module, an output, or those for which a condition holds."""

from __future__ import annotations

from dataclasses import dataclass

from hotori.model.message import Message
from hotori.problems import Problem
from hotori.problems.events import FILTER_INVALID
from hotori.routing.condition import Condition, parse_condition
from hotori.routing.facts import Facts
from hotori.routing.fault import RouteFaultError


@dataclass(frozen=True, slots=True)
class EventFilter:
    """All that is given must fit; an empty filter takes everything."""

    device: str | None = None
    module: str | None = None
    output: str | None = None
    condition: Condition | None = None

    @property
    def takes_all(self) -> bool:
        return all(each is None for each in (self.device, self.module, self.output, self.condition))

    def takes(self, message: Message) -> bool:
        sender = message.sender
        return (
            (self.device is None or (sender is not None and sender.device == self.device))
            and (self.module is None or (sender is not None and sender.module == self.module))
            and (self.output is None or message.output == self.output)
            and (self.condition is None or self.condition.holds(Facts(message)))
        )


def read_condition(text: str) -> Condition:
    """A condition in the language of routes (contract 5.2). Raises `filter-invalid`."""
    try:
        return parse_condition(text)
    except RouteFaultError as fault:
        line = text.replace("\n", " ")
        raise Problem(FILTER_INVALID, line, " " * fault.at + "^", column=fault.at + 1, reason=fault.reason) from fault
