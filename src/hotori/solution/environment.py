"""The `.env` file beside a template: `NAME=value` lines, `#` for remarks, quotes where a value has spaces."""

from __future__ import annotations

import shlex


def parse_environment(text: str) -> dict[str, str]:
    """The variables of a `.env` file. Lines that are not `NAME=value` are passed over, as other tools do."""
    variables = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and name and not name.startswith("#"):
            variables[name.strip()] = _unquote(value.strip())
    return variables


def _unquote(value: str) -> str:
    if value[:1] in ("'", '"'):
        return "".join(shlex.split(value, comments=True))
    return value.partition(" #")[0].rstrip()
