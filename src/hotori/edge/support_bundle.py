"""All that somebody far away needs to find out what is wrong with a device, in one zip file (contract 8.1)."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from hotori.edge.log_request import LogFilter
from hotori.model.json import Json, JsonObject
from hotori.problems import Problem
from hotori.runtimes.module_runtime import ModuleObservation, ModuleRuntime

MANY_LINES = 20_000
_SECRET = re.compile(
    r"(SharedAccess(?:Key|Signature)\s*=\s*|AccountKey\s*=\s*|[?&]sig=|\bsig=)[^\s;&\"']+", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class BundleSources:
    """Where the content is from; each of `documents` becomes NAME.json."""

    runtime: ModuleRuntime
    documents: Mapping[str, Callable[[], Json]]


async def support_bundle(sources: BundleSources, chosen: LogFilter, *, runtime_only: bool = False) -> bytes:
    """The zip. What cannot be collected is there by name with `_err`, and says why; keys are blotted out."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, document in sources.documents.items():
            bundle.writestr(f"{name}.json", without_secrets(json.dumps(document(), indent=1, ensure_ascii=False)))
        for seen in [] if runtime_only else await sources.runtime.observe():
            await _add_module(bundle, sources.runtime, seen, chosen)
    return buffer.getvalue()


def without_secrets(text: str) -> str:
    """The text with keys, signatures and tokens blotted out, wherever a module may have written them."""
    return _SECRET.sub(r"\1***", text)


async def _add_module(
    bundle: zipfile.ZipFile, runtime: ModuleRuntime, seen: ModuleObservation, chosen: LogFilter
) -> None:
    bundle.writestr(f"inspect/{seen.name}.json", json.dumps(_document(seen), indent=1))
    try:
        log = await runtime.logs(seen.name, MANY_LINES)
    except Problem as problem:
        bundle.writestr(f"logs/{seen.name}_log_err.txt", str(problem))
        return
    lines = chosen.lines(log.decode("utf-8", errors="replace"))
    bundle.writestr(f"logs/{seen.name}_log.txt", without_secrets("".join(f"{line}\n" for line in lines)))


def _document(seen: ModuleObservation) -> JsonObject:
    return asdict(seen)
