"""`deployment.template.json` to manifest: names filled in, images named, createOptions made to fit.

The format is that of the IOT contract, 3.5. Pure: the variables and the images are arguments. It will not
judge the result; `hotori.model.manifest` does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from hotori.model.json import Json, JsonObject

CHUNK = 512
"""Characters of createOptions that one property holds (contract 3.2)."""

_VARIABLE = re.compile(r"\$\{(?P<braced>[^}]+)\}|\$(?P<plain>[A-Za-z_][A-Za-z0-9_]*)")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Fill in `$NAME` and `${NAME}`; an unknown name stays as it is, for the manifest's check to point at."""
    return _VARIABLE.sub(lambda match: variables.get(match["braced"] or match["plain"], match[0]), text)


def image_variables(images: Mapping[str, str]) -> dict[str, str]:
    """`MODULES.camera` and so on, from module folder to image reference."""
    return {f"MODULES.{folder}": image for folder, image in images.items()}


def fill(template: JsonObject, variables: Mapping[str, str]) -> JsonObject:
    """The manifest that a template stands for."""
    filled = _fill({name: value for name, value in template.items() if name != "$schema-template"}, variables)
    assert isinstance(filled, dict)
    return filled


def _fill(value: Json, variables: Mapping[str, str]) -> Json:
    if isinstance(value, str):
        return expand(value, variables)
    if isinstance(value, list):
        return [_fill(item, variables) for item in value]
    if not isinstance(value, dict):
        return value
    filled: JsonObject = {}
    for name, inner in value.items():
        if name == "createOptions" and isinstance(inner, dict):
            filled |= chunked(_fill(inner, variables))
        else:
            filled[name] = _fill(inner, variables)
    return filled


def chunked(options: Json) -> JsonObject:
    """`createOptions`, `createOptions01`, … : the JSON text in pieces that fit."""
    text = json.dumps(options, separators=(",", ":"), ensure_ascii=False)
    pieces = [text[start : start + CHUNK] for start in range(0, len(text), CHUNK)]
    return {f"createOptions{index:02d}" if index else "createOptions": piece for index, piece in enumerate(pieces)}
