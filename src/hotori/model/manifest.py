"""The deployment manifest: which modules run on a device, and how messages flow between them.

The shape is that of the IOT contract, section 3; the same code refuses a manifest in the cloud, before it is
stored, and on the device. Faults are problems with a JSON pointer to the place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from hotori.model.json import Json, JsonObject
from hotori.model.log_config import LogConfig
from hotori.model.secret import Secret
from hotori.problems import Problem
from hotori.problems.manifest import MANIFEST_MALFORMED, PLACEHOLDER_LEFT, SCHEMA_UNSUPPORTED

LAST_IN_ORDER = 4294967295
LOWEST_PRIORITY = 2_000_000_000
DEFAULT_TIME_TO_LIVE = 7200
_LARGEST_STORE = 1 << 62
_MODULE_NAME = re.compile(r"[A-Za-z0-9_-]+")
_CHUNK = re.compile(r"createOptions(\d*)", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\$\{[^}]*\}|\$(?!UPSTREAM\b)[A-Z][A-Z0-9_]+")
E = TypeVar("E", bound=StrEnum)


class RestartPolicy(StrEnum):
    NEVER = "never"
    ON_FAILURE = "on-failure"
    ON_UNHEALTHY = "on-unhealthy"
    ALWAYS = "always"


class PullPolicy(StrEnum):
    ON_CREATE = "on-create"
    NEVER = "never"


class Status(StrEnum):
    RUNNING = "running"
    STOPPED = "stopped"


class WhenFull(StrEnum):
    """What becomes of a route's messages when the queues have reached their limit of bytes."""

    REFUSE = "refuse"
    """New ones wait at their senders, without an acknowledgement."""
    DROP_OLDEST = "dropOldest"
    """The oldest go, those of the lowest priority first, and new ones are taken."""


@dataclass(frozen=True, slots=True)
class ModuleSpec:
    """One module as desired. `env` values are texts; `create_options` is Docker's container-create body."""

    name: str
    image: str
    status: Status = Status.RUNNING
    restart_policy: RestartPolicy = RestartPolicy.ON_UNHEALTHY
    pull_policy: PullPolicy = PullPolicy.ON_CREATE
    startup_order: int = LAST_IN_ORDER
    version: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    create_options: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RegistryCredential:
    address: str
    username: str
    password: Secret


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """`$edgeAgent` desired: what runs. `agent_env` and `hub_env` are the system modules' own `env`; `logs` is how logs
    of modules are kept whose createOptions do not say.

    `agent_image` is the release of the edge program; `agent_version` is free text: a change asks for it again.
    """

    modules: Mapping[str, ModuleSpec]
    credentials: tuple[RegistryCredential, ...] = ()
    agent_env: Mapping[str, str] = field(default_factory=dict)
    hub_env: Mapping[str, str] = field(default_factory=dict)
    logs: LogConfig | None = None
    agent_image: str = ""
    agent_version: str = ""

    @property
    def pulls_first(self) -> bool:
        """Whether no module is touched before every image is here (contract 3.2, ModuleUpdateMode)."""
        return self.agent_env.get("ModuleUpdateMode", "").lower() == "waitforallpulls"

    @classmethod
    def parse(cls, desired: JsonObject, at: str = "") -> AgentConfig:
        """Read desired properties; `at` is the JSON pointer of where they stand, for the problem's words."""
        _check_schema(desired, "$edgeAgent", at)
        runtime = _object(desired, "runtime", at)
        settings = _object(runtime, "settings", f"{at}/runtime", required=False)
        credentials = _object(settings, "registryCredentials", f"{at}/runtime/settings", required=False)
        modules = _object(desired, "modules", at)
        own = _system(desired, "edgeAgent", at)
        image = _object(own, "settings", f"{at}/systemModules/edgeAgent", required=False).get("image")
        return cls(
            modules={name: _module(name, modules, f"{at}/modules") for name in modules},
            credentials=tuple(
                _credential(_object(credentials, name, f"{at}/runtime/settings/registryCredentials"))
                for name in credentials
            ),
            agent_env=_system_env(desired, "edgeAgent", at),
            hub_env=_system_env(desired, "edgeHub", at),
            logs=LogConfig.read(settings.get("loggingOptions"), f"{at}/runtime/settings/loggingOptions"),
            agent_image=image.strip() if isinstance(image, str) else "",
            agent_version=str(own.get("version", "")),
        )


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """One route as written. `time_to_live` is in seconds; 0 inherits the hub's. `when_full` is an addition of ours."""

    name: str
    text: str
    priority: int = LOWEST_PRIORITY
    time_to_live: int = 0
    when_full: WhenFull = WhenFull.REFUSE


@dataclass(frozen=True, slots=True)
class HubConfig:
    """`$edgeHub` desired: how messages flow. A negative `time_to_live` keeps them for ever.

    `most_bytes` is the limit of the queues on disk; 0 is the hub's own. `client_messages` and `client_bytes` are what
    one identity may say in a second; 0 is no limit.
    """

    routes: Mapping[str, RouteSpec]
    time_to_live: int = DEFAULT_TIME_TO_LIVE
    most_bytes: int = 0
    client_messages: int = 0
    client_bytes: int = 0

    @classmethod
    def parse(cls, desired: JsonObject, at: str = "") -> HubConfig:
        """Read desired properties; the routes' own grammar is the router's to judge.

        In schema 1.0 a blank route is no route (contract 3.3).
        """
        _check_schema(desired, "$edgeHub", at)
        routes = _object(desired, "routes", at, required=False)
        store = _object(desired, "storeAndForwardConfiguration", at, required=False)
        time_to_live = store.get("timeToLiveSecs", DEFAULT_TIME_TO_LIVE)
        if not isinstance(time_to_live, int):
            raise _malformed(f"{at}/storeAndForwardConfiguration/timeToLiveSecs", "a whole number of seconds is needed")
        limits_at = f"{at}/storeAndForwardConfiguration"
        limits = _object(store, "storeLimits", limits_at, required=False)
        most_bytes = _whole(limits, "maxSizeBytes", 0, _LARGEST_STORE, f"{limits_at}/storeLimits")
        rates = _object(desired, "clientRates", at, required=False)
        messages, size = (
            _whole(rates, name, 0, _LARGEST_STORE, f"{at}/clientRates")
            for name in ("messagesPerSecond", "bytesPerSecond")
        )
        blank_is_nothing = desired["schemaVersion"] == "1.0"
        specs = {
            name: _route(name, value, f"{at}/routes/{name}")
            for name, value in routes.items()
            if not (blank_is_nothing and isinstance(value, str) and not value.strip())
        }
        return cls(specs, time_to_live, most_bytes, messages, size)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A whole manifest: desired properties by module, the two system modules parsed."""

    agent: AgentConfig
    hub: HubConfig
    desired: Mapping[str, JsonObject]

    @classmethod
    def parse(cls, document: Json) -> Manifest:
        """Read `{"modulesContent": …}`, also wrapped in `{"content": …}`. Raises `manifest-malformed`,
        `placeholder-left` or `schema-unsupported`."""
        content, at = _content(document)
        check_placeholders(content, at)
        desired = {
            module: _object(_object(content, module, at), "properties.desired", f"{at}/{module}", required=False)
            for module in content
        }
        for system in ("$edgeAgent", "$edgeHub"):
            if system not in desired:
                raise _malformed(at, f"{system} is missing")
        return cls(
            agent=AgentConfig.parse(desired["$edgeAgent"], f"{at}/$edgeAgent/properties.desired"),
            hub=HubConfig.parse(desired["$edgeHub"], f"{at}/$edgeHub/properties.desired"),
            desired=desired,
        )


def check_placeholders(value: Json, at: str) -> None:
    """Raise `placeholder-left` where a text still has `${NAME}` or `$NAME` in it."""
    if isinstance(value, str):
        match = _PLACEHOLDER.search(value)
        if match and not value.startswith("$upstream"):
            raise Problem(PLACEHOLDER_LEFT, pointer=at, placeholder=match[0])
    elif isinstance(value, dict):
        for name, inner in value.items():
            check_placeholders(inner, f"{at}/{name}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            check_placeholders(inner, f"{at}/{index}")


def read_create_options(settings: JsonObject, at: str) -> JsonObject:
    """Join `createOptions`, `createOptions01`, … and parse the text (contract 3.2)."""
    chunks = {}
    for name, value in settings.items():
        if match := _CHUNK.fullmatch(name):
            if not isinstance(value, str):
                raise _malformed(f"{at}/{name}", "createOptions is JSON written as a text, not an object")
            chunks[int(match[1] or 0)] = value
    if sorted(chunks) != list(range(len(chunks))):
        raise _malformed(at, "the createOptions chunks are not numbered one after another")
    text = "".join(chunks[index] for index in sorted(chunks)).strip()
    if text in ("", "null"):
        return {}
    try:
        options = json.loads(text)
    except ValueError as error:
        raise _malformed(f"{at}/createOptions", f"the text is not JSON ({error})") from error
    if not isinstance(options, dict):
        raise _malformed(f"{at}/createOptions", "the text is not a JSON object")
    return options


def _content(document: Json) -> tuple[JsonObject, str]:
    at = ""
    if isinstance(document, dict) and isinstance(document.get("content"), dict):
        document, at = document["content"], "/content"
    for name in ("modulesContent", "moduleContent"):
        if isinstance(document, dict) and isinstance(content := document.get(name), dict):
            return content, f"{at}/{name}"
    raise _malformed(at or "/", "modulesContent is missing")


def _malformed(pointer: str, reason: str) -> Problem:
    return Problem(MANIFEST_MALFORMED, pointer=pointer, reason=reason)


def _object(parent: JsonObject, name: str, at: str, *, required: bool = True) -> JsonObject:
    value = parent.get(name)
    if isinstance(value, dict):
        return value
    if value is None and not required:
        return {}
    found = "it is missing" if value is None else f"found {type(value).__name__}"
    raise _malformed(f"{at}/{name}", f"an object is needed, {found}")


def _check_schema(desired: JsonObject, part: str, at: str) -> None:
    version = desired.get("schemaVersion")
    if not isinstance(version, str):
        raise _malformed(f"{at}/schemaVersion", 'a text such as "1.1" is needed')
    if version.partition(".")[0] != "1":
        raise Problem(SCHEMA_UNSUPPORTED, version=version, part=part)


def _module(name: str, modules: JsonObject, at: str) -> ModuleSpec:
    if not _MODULE_NAME.fullmatch(name):
        raise _malformed(f"{at}/{name}", "a module's name has letters, digits, - and _ only")
    spec = _object(modules, name, at)
    at = f"{at}/{name}"
    settings = _object(spec, "settings", at)
    image = settings.get("image")
    if not isinstance(image, str) or not image.strip():
        raise _malformed(f"{at}/settings/image", "the image's name is missing")
    return ModuleSpec(
        name=name,
        image=image.strip(),
        status=_choice(Status, spec, "status", Status.RUNNING, at),
        restart_policy=_choice(RestartPolicy, spec, "restartPolicy", RestartPolicy.ON_UNHEALTHY, at),
        pull_policy=_choice(PullPolicy, spec, "imagePullPolicy", PullPolicy.ON_CREATE, at),
        startup_order=_whole(spec, "startupOrder", LAST_IN_ORDER, LAST_IN_ORDER, at),
        version=str(spec.get("version", "")),
        env=_env(_object(spec, "env", at, required=False), f"{at}/env"),
        create_options=read_create_options(settings, f"{at}/settings"),
    )


def _system_env(desired: JsonObject, name: str, at: str) -> dict[str, str]:
    at, system = f"{at}/systemModules", _system(desired, name, at)
    return _env(_object(system, "env", f"{at}/{name}", required=False), f"{at}/{name}/env")


def _system(desired: JsonObject, name: str, at: str) -> JsonObject:
    systems = _object(desired, "systemModules", at, required=False)
    return _object(systems, name, f"{at}/systemModules", required=False)


def _env(env: JsonObject, at: str) -> dict[str, str]:
    values = {}
    for name in env:
        value = _object(env, name, at).get("value")
        if isinstance(value, bool):
            values[name] = "true" if value else "false"
        elif isinstance(value, str | int | float):
            values[name] = str(value)
        else:
            raise _malformed(f"{at}/{name}/value", "a text, number or true/false is needed")
    return values


def _credential(entry: JsonObject) -> RegistryCredential:
    return RegistryCredential(
        address=str(entry.get("address", "")),
        username=str(entry.get("username", "")),
        password=Secret(str(entry.get("password", ""))),
    )


def _route(name: str, value: Json, at: str) -> RouteSpec:
    if any(character in ".$# " for character in name):
        raise _malformed(at, "a route's name may not have . $ # or a space")
    if isinstance(value, str):
        return RouteSpec(name, value)
    if isinstance(value, dict) and isinstance(text := value.get("route"), str):
        priority = _whole(value, "priority", LOWEST_PRIORITY, 9, at)
        time_to_live = _whole(value, "timeToLiveSecs", 0, LAST_IN_ORDER, at)
        return RouteSpec(name, text, priority, time_to_live, _choice(WhenFull, value, "whenFull", WhenFull.REFUSE, at))
    raise _malformed(at, "a route is a text, or an object with the text in `route`")


def _whole(parent: JsonObject, name: str, default: int, most: int, at: str) -> int:
    value = parent.get(name, default)
    if value == default:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise _malformed(f"{at}/{name}", f"a whole number from 0 to {most} is needed")
    return value


def _choice(kind: type[E], parent: JsonObject, name: str, default: E, at: str) -> E:
    value = parent.get(name, default.value)
    if value not in list(kind):
        raise _malformed(f"{at}/{name}", f"one of {', '.join(kind)} is needed, not {json.dumps(value)}")
    return kind(value)
