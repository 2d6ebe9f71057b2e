"""A row of network namespaces, each joined to the next by one wire: nobody reaches anyone but the neighbours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest


class Row:
    """Namespaces by name, in the order of the row. `above` and `below` are each one's addresses on its two wires."""

    def __init__(self, names: Sequence[str], octet: int) -> None:
        self.names = tuple(names)
        self.above = {name: f"198.18.{octet}.{4 * number + 2}" for number, name in enumerate(names)}
        self.below = {name: f"198.18.{octet}.{4 * number + 5}" for number, name in enumerate(names)}

    def inside(self, name: str) -> tuple[str, ...]:
        """What a command is to begin with that runs there."""
        return ("ip", "netns", "exec", self._space(name))

    def hotori(self, name: str, *arguments: object) -> list[Any]:
        """A command of ours in a namespace: the values that it answered."""
        return self.python(name, "-m", "hotori.cli", *arguments, "--json")

    def python(self, name: str, *arguments: object) -> list[Any]:
        """A program in a namespace: the lines of JSON that it wrote."""
        command = [*self.inside(name), sys.executable, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def cut(self, name: str) -> None:
        """Take down the wire from a namespace upwards: packets vanish, nothing is refused."""
        self._ip(name, "link", "set", "up0", "down")

    def mend(self, name: str) -> None:
        self._ip(name, "link", "set", "up0", "up")

    def make(self) -> None:
        """Skips, saying why, where namespaces are not allowed."""
        for name in self.names:
            made = subprocess.run(
                ["ip", "netns", "add", self._space(name)], capture_output=True, text=True, check=False
            )
            if made.returncode:
                pytest.skip(f"no network namespace can be made here: {made.stderr.strip()}")
            self._ip(name, "link", "set", "lo", "up")
        for upper, lower in zip(self.names, self.names[1:], strict=False):
            peer = ("peer", "name", "up0", "netns", self._space(lower))
            self._ip(upper, "link", "add", "down0", "type", "veth", *peer)
            self._ip(upper, "address", "add", f"{self.below[upper]}/30", "dev", "down0")
            self._ip(lower, "address", "add", f"{self.above[lower]}/30", "dev", "up0")
            self._ip(upper, "link", "set", "down0", "up")
            self._ip(lower, "link", "set", "up0", "up")

    def remove(self) -> None:
        for name in self.names:
            subprocess.run(["ip", "netns", "del", self._space(name)], capture_output=True, check=False)

    def _space(self, name: str) -> str:
        return f"hotori-{os.getpid()}-{name}"

    def _ip(self, name: str, *arguments: str) -> None:
        subprocess.run([*self.inside(name), "ip", *arguments], check=True)


@contextmanager
def a_row(names: Sequence[str], octet: int) -> Iterator[Row]:
    """The row, while the block runs."""
    row = Row(names, octet)
    try:
        row.make()
        yield row
    finally:
        row.remove()
