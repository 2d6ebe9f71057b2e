"""From evidence to findings."""

from __future__ import annotations

from hotori.diagnosis.clues import read
from hotori.diagnosis.evidence import ConnectEvidence, EngineEvidence, Evidence, ExitEvidence, PullEvidence, blot
from hotori.diagnosis.tables import CONNECT, ENGINE, LOG, PULL
from hotori.diagnosis.told import told
from hotori.problems import Problem, Words
from hotori.problems.engines import ENGINE_REFUSED
from hotori.problems.images import REGISTRY_REFUSED
from hotori.problems.module_ends import (
    MODULE_CRASHED,
    MODULE_ILLEGAL_INSTRUCTION,
    MODULE_KILLED,
    MODULE_OUT_OF_MEMORY,
    MODULE_SEGFAULT,
)

_TAIL_LINES = 12


def findings(evidence: Evidence) -> tuple[Problem, ...]:
    """What the evidence means: one problem, or none where nothing is wrong (exit status 0 without an error)."""
    match evidence:
        case ExitEvidence():
            found = _of_exit(evidence)
        case PullEvidence():
            found = _of_pull(evidence)
        case EngineEvidence(module, action, text):
            unknown = Problem(ENGINE_REFUSED, blot(text), module=module, action=action, reason=blot(text))
            found = read(text, ENGINE, module=module) or unknown
        case ConnectEvidence(address, text):
            found = read(text or "no reason was given", CONNECT, address=address)
    return (found,) if found else ()


def _of_exit(evidence: ExitEvidence) -> Problem | None:
    module = evidence.module
    if evidence.out_of_memory:
        return Problem(MODULE_OUT_OF_MEMORY, f"exit status {evidence.status}, killed for memory", module=module)
    if found := read(evidence.error, ENGINE, module=module):
        return found
    if evidence.status == 0 and not evidence.error:
        return None
    return told(evidence.log_tail) or read(evidence.log_tail, LOG, module=module) or _of_status(evidence)


def _of_status(evidence: ExitEvidence) -> Problem:
    lines = tuple(blot(line) for line in evidence.log_tail.splitlines()[-_TAIL_LINES:] if line.strip())
    seen = ((blot(evidence.error),) if evidence.error else ()) + (f"exit status {evidence.status}", *lines)
    match evidence.status:
        case 132:
            return Problem(MODULE_ILLEGAL_INSTRUCTION, *seen, module=evidence.module)
        case 134 | 135 | 136 | 139:
            return Problem(MODULE_SEGFAULT, *seen, module=evidence.module, signal=_SIGNALS[evidence.status])
        case 137:
            return Problem(MODULE_KILLED, *seen, module=evidence.module)
        case status:
            return Problem(MODULE_CRASHED, *seen, module=evidence.module, status=status)


_SIGNALS = {134: "SIGABRT", 135: "SIGBUS", 136: "SIGFPE", 139: "SIGSEGV"}


def _of_pull(evidence: PullEvidence) -> Problem:
    address, _, rest = evidence.image.partition("/")
    name, _, tag = rest.partition("@")[0].rpartition(":") if ":" in rest else (rest, "", "latest")
    known: dict[str, str | Words] = {
        "module": evidence.module,
        "image": evidence.image,
        "reference": evidence.image,
        "address": address,
        "name": name,
        "missing": Words(f"tag {tag}", f"タグ {tag}"),
        "tags": Words("unknown", "不明"),
        "user": evidence.username or Words("this device, which gave no user name", "ユーザー名を示さないデバイス"),
    }
    found = read(evidence.text, PULL, **known)
    return found or Problem(
        REGISTRY_REFUSED, blot(evidence.text), address=address, status="unknown", request=f"fetch {evidence.image}"
    )
