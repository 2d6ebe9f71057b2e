"""`createOptions` as the Docker Engine API takes them: types are checked here, since engines answer a wrong one with
status 500 (contract 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from hotori.model.json import Json, JsonObject
from hotori.model.log_config import option_fault
from hotori.problems import Problem
from hotori.problems.modules import CREATE_OPTIONS_INVALID

_Check: TypeAlias = Callable[[Json], str | None]


def check_options(module: str, options: JsonObject) -> None:
    """Raise `create-options-invalid`, with the place, where a value has another type than the engine's API has.

    Names that are not known here pass: engines learn new ones.
    """
    for pointer, reason in _faults(options, _CONTAINER, ""):
        raise Problem(CREATE_OPTIONS_INVALID, module=module, pointer=pointer, reason=reason)


def _faults(value: JsonObject, shape: Mapping[str, Any], at: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, wanted in shape.items():
        inner = value.get(name)
        if inner is None:
            continue
        place = f"{at}/{name}"
        if isinstance(wanted, Mapping):
            if isinstance(inner, dict):
                found += _faults(inner, wanted, place)
            else:
                found.append((place, f"an object is needed, found {_type(inner)}"))
        elif reason := wanted(inner):
            found.append((place, reason))
    return found


def _text(value: Json) -> str | None:
    return None if isinstance(value, str) else f"a text is needed, found {_type(value)}"


def _whole(value: Json) -> str | None:
    right = isinstance(value, int) and not isinstance(value, bool)
    return None if right else f"a whole number is needed, found {_type(value)}"


def _flag(value: Json) -> str | None:
    return None if isinstance(value, bool) else f"true or false is needed, found {_type(value)}"


def _texts(value: Json) -> str | None:
    right = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return None if right else f"a list of texts is needed, found {_type(value)}"


def _command(value: Json) -> str | None:
    """The API takes one text too, and runs it as one word; nobody means that."""
    return _texts(value)


def _objects(value: Json) -> str | None:
    right = isinstance(value, list) and all(isinstance(item, dict) for item in value)
    return None if right else f"a list of objects is needed, found {_type(value)}"


def _object(value: Json) -> str | None:
    return None if isinstance(value, dict) else f"an object is needed, found {_type(value)}"


def _env(value: Json) -> str | None:
    if reason := _texts(value):
        return reason
    entries = value if isinstance(value, list) else []
    bad = next((str(entry) for entry in entries if str(entry).startswith("=") or not entry), None)
    return None if bad is None else f"NAME=value is needed, found {bad!r}"


def _ports(value: Json) -> str | None:
    """`{"80/tcp": [{"HostPort": "8080"}]}`: the port is a text."""
    if not isinstance(value, dict):
        return _object(value)
    for port, bindings in value.items():
        if bindings is None:
            continue
        if not isinstance(bindings, list) or not all(isinstance(binding, dict) for binding in bindings):
            return f'{port} needs a list such as [{{"HostPort": "8080"}}]'
        for binding in bindings:
            host_port = binding.get("HostPort", "") if isinstance(binding, dict) else ""
            if not isinstance(host_port, str) or (not host_port.replace("-", "").isdigit() and host_port):
                return f'the HostPort of {port} must be a number written as a text, as "8080"'
    return None


def _binds(value: Json) -> str | None:
    if reason := _texts(value):
        return reason
    entries = value if isinstance(value, list) else []
    bad = next((entry for entry in entries if not _is_bind(str(entry))), None)
    return None if bad is None else f"SOURCE:/path/in/container is needed, found {bad!r}"


def _log_config(value: Json) -> str | None:
    if not isinstance(value, dict):
        return _object(value)
    driver, options = value.get("Type") or "", value.get("Config")
    if not isinstance(driver, str) or not isinstance(options, dict | None):
        return "Type is to be a text, and Config an object of texts"
    return option_fault(driver, options or {})


def _is_bind(entry: str) -> bool:
    source, colon, rest = entry.partition(":")
    return bool(source and colon and rest.startswith("/"))


def _type(value: Json) -> str:
    names = {str: "a text", dict: "an object", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "a list of something else")


_RESTART = MappingProxyType({"Name": _text, "MaximumRetryCount": _whole})
_HEALTH = MappingProxyType(
    {"Test": _texts, "Interval": _whole, "Timeout": _whole, "Retries": _whole, "StartPeriod": _whole}
)
_HOST = MappingProxyType(
    {
        "Binds": _binds,
        "CapAdd": _texts,
        "CapDrop": _texts,
        "CpuPeriod": _whole,
        "CpuQuota": _whole,
        "CpuShares": _whole,
        "CpusetCpus": _text,
        "DeviceCgroupRules": _texts,
        "DeviceRequests": _objects,
        "Devices": _objects,
        "Dns": _texts,
        "DnsSearch": _texts,
        "ExtraHosts": _texts,
        "GroupAdd": _texts,
        "Init": _flag,
        "IpcMode": _text,
        "LogConfig": _log_config,
        "Memory": _whole,
        "MemorySwap": _whole,
        "Mounts": _objects,
        "NanoCpus": _whole,
        "NetworkMode": _text,
        "OomScoreAdj": _whole,
        "PidMode": _text,
        "PidsLimit": _whole,
        "PortBindings": _ports,
        "Privileged": _flag,
        "ReadonlyRootfs": _flag,
        "RestartPolicy": _RESTART,
        "Runtime": _text,
        "SecurityOpt": _texts,
        "ShmSize": _whole,
        "Sysctls": _object,
        "Tmpfs": _object,
        "Ulimits": _objects,
    }
)
_CONTAINER = MappingProxyType(
    {
        "Cmd": _command,
        "Domainname": _text,
        "Entrypoint": _command,
        "Env": _env,
        "ExposedPorts": _object,
        "Healthcheck": _HEALTH,
        "HostConfig": _HOST,
        "Hostname": _text,
        "Labels": _object,
        "NetworkingConfig": MappingProxyType({"EndpointsConfig": _object}),
        "OpenStdin": _flag,
        "StopSignal": _text,
        "StopTimeout": _whole,
        "Tty": _flag,
        "User": _text,
        "Volumes": _object,
        "WorkingDir": _text,
    }
)
"""Docker Engine API 1.41, `ContainerConfig`, `HostConfig`, `NetworkingConfig`."""
