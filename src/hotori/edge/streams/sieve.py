"""Lets the chosen lines of a log through, whatever pieces it comes in. A core."""

from __future__ import annotations

from hotori.edge.log_request import LogFilter

LONGEST = 64 * 1024
"""Bytes of a line after which it is judged as it is: what never ends a line must not be gathered for ever."""


class Sieve:
    def __init__(self, chosen: LogFilter) -> None:
        self._chosen = chosen
        self._part = b""

    def feed(self, piece: bytes) -> bytes:
        """The chosen lines that are complete now; where every line is chosen, the piece itself."""
        if not self._chosen.sifts:
            return piece
        *lines, self._part = (self._part + piece).split(b"\n")
        kept = [line + b"\n" for line in lines if self._keeps(line)]
        if len(self._part) > LONGEST:
            kept.append(self.rest())
        return b"".join(kept)

    def rest(self) -> bytes:
        """What was begun and not ended."""
        part, self._part = self._part, b""
        return part if part and self._keeps(part) else b""

    def _keeps(self, line: bytes) -> bool:
        return self._chosen.keeps(line.decode("utf-8", errors="replace"))
