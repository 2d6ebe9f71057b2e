"""A module's settings, read from its environment once. A value of no use is a problem, not a default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hotori.problems import Problem
from hotori.problems.vision import SETTING_INVALID

_TRUE, _FALSE = ("true", "1", "yes", "y", "on"), ("false", "0", "no", "n", "off")


@dataclass(frozen=True, slots=True)
class Settings:
    """The environment of the module called `module`. Every reader raises `module-setting-invalid`."""

    module: str
    environ: Mapping[str, str]

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Settings:
        """The module's name is the one that the agent gave it."""
        return cls(environ.get("IOTEDGE_MODULEID", "module"), environ)

    def text(self, name: str, default: str) -> str:
        """The value without space around it; the default where it is not set or empty."""
        return self.environ.get(name, "").strip() or default

    def number(self, name: str, default: float, least: float = 0.0) -> float:
        text = self.text(name, str(default))
        try:
            value = float(text)
        except ValueError:
            raise self.invalid(name, text, "It must be a number") from None
        if not least <= value < float("inf"):
            raise self.invalid(name, text, f"It must be {least:g} or more")
        return value

    def whole(self, name: str, default: int, least: int = 0) -> int:
        text = self.text(name, str(default))
        if not text.isdecimal() or int(text) < least:
            raise self.invalid(name, text, f"It must be a whole number, {least} or more")
        return int(text)

    def flag(self, name: str, default: bool) -> bool:
        text = self.text(name, str(default)).lower()
        if text not in _TRUE + _FALSE:
            raise self.invalid(name, text, "It must be true or false")
        return text in _TRUE

    def invalid(self, name: str, value: object, reason: str) -> Problem:
        """The problem of a setting, to be raised or logged."""
        return Problem(SETTING_INVALID, name=name, module=self.module, value=value, reason=reason)
