"""What a plain process can take from `createOptions`, Docker's container-create body (contract 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hotori.model.json import Json, JsonObject
from hotori.model.log_config import ROTATED, LogConfig, option_fault
from hotori.problems import Problem
from hotori.problems.modules import CREATE_OPTIONS_INVALID
from hotori.runtimes.local_image import split_env


@dataclass(frozen=True, slots=True)
class ProcessOptions:
    """`None` keeps what the image says. `binds` are host paths or volume names by path in the container."""

    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    working_dir: str | None = None
    binds: Mapping[str, str] = field(default_factory=dict)
    logs: LogConfig = ROTATED
    ignored: tuple[str, ...] = ()

    @classmethod
    def parse(cls, module: str, options: JsonObject) -> ProcessOptions:
        """Read the options; keys that mean nothing without a container engine are named in `ignored`.

        Raises `create-options-invalid` where a value has another type than the engine's API takes.
        """
        reader = _Reader(module)
        host = options.get("HostConfig") or {}
        if not isinstance(host, dict):
            raise reader.fault("/HostConfig", "an object is needed")
        working_dir = options.get("WorkingDir")
        if working_dir is not None and not isinstance(working_dir, str):
            raise reader.fault("/WorkingDir", "a text is needed")
        logs = reader.logs(host)
        return cls(
            env=split_env(reader.texts(options, "Env") or ()),
            entrypoint=reader.texts(options, "Entrypoint"),
            command=reader.texts(options, "Cmd"),
            working_dir=working_dir or None,
            binds=reader.binds(host),
            logs=logs if logs.in_files else ROTATED,
            ignored=_ignored(options, host, logs),
        )


class _Reader:
    def __init__(self, module: str) -> None:
        self._module = module

    def fault(self, pointer: str, reason: str) -> Problem:
        return Problem(CREATE_OPTIONS_INVALID, module=self._module, pointer=pointer, reason=reason)

    def texts(self, parent: JsonObject, name: str, at: str = "") -> tuple[str, ...] | None:
        value = parent.get(name)
        if value is None:
            return None
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(str(item) for item in value)
        raise self.fault(f"{at}/{name}", f"a list of texts is needed, found {_type(value)}")

    def logs(self, host: JsonObject) -> LogConfig:
        """How the log is kept. Drivers that send it elsewhere need an engine."""
        value = host.get("LogConfig") or {}
        options = value.get("Config") or {} if isinstance(value, dict) else None
        if not isinstance(value, dict) or not isinstance(options, dict):
            raise self.fault("/HostConfig/LogConfig", "an object with Type and Config is needed")
        driver = str(value.get("Type") or ROTATED.driver)
        if reason := option_fault(driver, options):
            raise self.fault("/HostConfig/LogConfig/Config", reason)
        return LogConfig(driver, {name: str(each) for name, each in options.items()}) if value else ROTATED

    def binds(self, host: JsonObject) -> dict[str, str]:
        found = {}
        for index, bind in enumerate(self.texts(host, "Binds", "/HostConfig") or ()):
            source, colon, rest = bind.partition(":")
            target = rest.partition(":")[0]
            if not (source and colon and target.startswith("/")):
                raise self.fault(f"/HostConfig/Binds/{index}", "SOURCE:/path/in/container is needed")
            found[target.rstrip("/") or "/"] = source
        mounts = host.get("Mounts") or []
        if not isinstance(mounts, list):
            raise self.fault("/HostConfig/Mounts", f"a list is needed, found {_type(mounts)}")
        for index, mount in enumerate(mounts):
            if not isinstance(mount, dict) or not str(mount.get("Target", "")).startswith("/"):
                raise self.fault(f"/HostConfig/Mounts/{index}", "an object with Source and Target is needed")
            if mount.get("Type") in ("bind", "volume") and mount.get("Source"):
                found[str(mount["Target"]).rstrip("/") or "/"] = str(mount["Source"])
        return found


def _ignored(options: JsonObject, host: JsonObject, logs: LogConfig) -> tuple[str, ...]:
    known = {"Env", "Entrypoint", "Cmd", "WorkingDir", "HostConfig"}
    outer = [name for name in options if name not in known]
    taken = {"Binds", "Mounts", "LogConfig"} if logs.in_files else {"Binds", "Mounts"}
    inner = [f"HostConfig.{name}" for name in host if name not in taken]
    return tuple(sorted((*outer, *inner)))


def _type(value: Json) -> str:
    names = {str: "a text", dict: "an object", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "a list of something else")
