"""A container as the engine shows it, in our words."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from hotori.runtimes.container_spec import DIGEST, FINGERPRINT, IMAGE, MODULE
from hotori.runtimes.engine_notes import Note
from hotori.runtimes.held_image import HeldImage
from hotori.runtimes.module_runtime import Health, ModuleObservation, ModuleState, ModuleUsage

_ALIVE = frozenset({"running", "paused", "stopping"})
_NEVER_RAN = frozenset({"created", "configured", "initialized"})
_LONGEST_OUTPUT = 2000
_NEVER = "0001-01-01"


def observation(document: Any, note: Note) -> ModuleObservation:
    """From `GET /containers/ID/json`, and what the engine does not remember.

    A container that the engine could not start counts as failed, with what the engine said then.
    """
    state, labels = document["State"], document["Config"]["Labels"]
    error = note.error or str(state.get("Error") or "")
    status = str(state["Status"])
    never_ran = status in _NEVER_RAN
    exit_code = int(state.get("ExitCode") or 0)
    if never_ran and error:
        exit_code = exit_code or note.exit_code
    health = state.get("Health") or {}
    started_at = _time(state.get("StartedAt")) or note.failed_at
    # Podman notes the start after the fact, so a short life seems to end before it began.
    exited_at = max(note.failed_at or _time(state.get("FinishedAt")), started_at)
    return ModuleObservation(
        name=labels[MODULE],
        state=_state(status, exit_code, note, failed=bool(error)),
        image=labels[IMAGE],
        fingerprint=labels[FINGERPRINT],
        exit_code=0 if status in _ALIVE else exit_code,
        started_at=started_at,
        exited_at=0.0 if status in _ALIVE else exited_at,
        error=error,
        image_digest=labels[DIGEST],
        health=_health(health),
        health_output=_output(health),
        out_of_memory=bool(state.get("OOMKilled") or note.out_of_memory),
    )


def usage(document: Any) -> ModuleUsage:
    """From `GET /containers/ID/stats`. Caches that the kernel can drop are no memory in use."""
    memory = document.get("memory_stats") or {}
    dropped = (memory.get("stats") or {}).get("total_inactive_file", 0)
    networks = (document.get("networks") or {}).values()
    return ModuleUsage(
        memory=int(memory.get("usage") or 0) - int(dropped),
        memory_limit=int(memory.get("limit") or 0),
        processor=document["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
        received=sum(int(network["rx_bytes"]) for network in networks),
        sent=sum(int(network["tx_bytes"]) for network in networks),
        processes=int((document.get("pids_stats") or {}).get("current") or 0),
        read=_moved(document, "read"),
        written=_moved(document, "write"),
    )


def in_container(pid: int, identifier: str) -> bool:
    """Whether a process is in the container of this id: engines name a container's control group after it."""
    try:
        groups = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return any(identifier in line for line in groups.splitlines())


def held_images(documents: Any, containers: Any) -> list[HeldImage]:
    """From `GET /images/json` and `GET /containers/json?all=true`."""
    used = {str(container["ImageID"]).removeprefix("sha256:") for container in containers}
    return [
        HeldImage(
            identifier=str(found["Id"]),
            names=tuple(
                name
                for name in (*(found.get("RepoTags") or ()), *(found.get("RepoDigests") or ()))
                if "<none>" not in name
            ),
            size=int(found.get("Size") or 0),
            created_at=float(found.get("Created") or 0),
            used=str(found["Id"]).removeprefix("sha256:") in used,
        )
        for found in documents or ()
    ]


def _state(status: str, exit_code: int, note: Note, *, failed: bool) -> ModuleState:
    if status in _ALIVE:
        return ModuleState.RUNNING
    if failed:
        return ModuleState.FAILED
    if status in _NEVER_RAN:
        return ModuleState.CREATED
    # What remains: exited, dead, restarting by a policy of createOptions, and podman's stopped.
    return ModuleState.STOPPED if note.stopped or exit_code == 0 else ModuleState.FAILED


def _health(health: Any) -> Health:
    status = health.get("Status") or "none"
    return Health(status) if status in list(Health) else Health.NONE


def _output(health: Any) -> str:
    log = health.get("Log") or []
    return str(log[-1].get("Output") or "").strip()[:_LONGEST_OUTPUT] if log else ""


def _time(text: Any) -> float:
    """Unix seconds of RFC 3339; 0.0 for the year 1, which means never."""
    if not text or str(text).startswith(_NEVER):
        return 0.0
    return datetime.fromisoformat(str(text)).timestamp()


def _moved(document: Any, way: str) -> int:
    """Bytes from or to disks."""
    moves = (document.get("blkio_stats") or {}).get("io_service_bytes_recursive") or ()
    return sum(int(move["value"]) for move in moves if str(move["op"]).lower() == way)
