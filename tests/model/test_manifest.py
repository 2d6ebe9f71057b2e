"""Deployment manifests and their traps (contract 3)."""

import contextlib
import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.model.log_config import LogConfig
from hotori.model.manifest import (
    DEFAULT_TIME_TO_LIVE,
    LAST_IN_ORDER,
    LOWEST_PRIORITY,
    AgentConfig,
    HubConfig,
    Manifest,
    PullPolicy,
    RestartPolicy,
    RouteSpec,
    Status,
    check_placeholders,
    read_create_options,
)
from hotori.problems import Problem

CAMERA: dict[str, Any] = {
    "type": "docker",
    "status": "running",
    "restartPolicy": "always",
    "startupOrder": 4,
    "imagePullPolicy": "never",
    "version": "1.0",
    "env": {"RATE": {"value": 2}, "HALF": {"value": 0.5}, "ON": {"value": True}, "NAME": {"value": "lake"}},
    "settings": {"image": " r.example/camera:1 ", "createOptions": '{"HostConfig":{"Binds":["/dev:/dev"]}}'},
}
AGENT: dict[str, Any] = {
    "schemaVersion": "1.1",
    "runtime": {
        "type": "docker",
        "settings": {"registryCredentials": {"ours": {"address": "r.example", "username": "u", "password": "hunter2"}}},
    },
    "systemModules": {},
    "modules": {"camera": CAMERA},
}
HUB: dict[str, Any] = {
    "schemaVersion": "1.1",
    "routes": {
        "plain": "FROM /* INTO $upstream",
        "full": {"route": "FROM /* INTO $upstream", "priority": 0, "timeToLiveSecs": 60},
    },
    "storeAndForwardConfiguration": {"timeToLiveSecs": -1},
}
MANIFEST: dict[str, Any] = {
    "modulesContent": {
        "$edgeAgent": {"properties.desired": AGENT},
        "$edgeHub": {"properties.desired": HUB},
        "camera": {"properties.desired": {"seconds": 1}},
    }
}


def changed(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy with the value at a slash-separated path replaced, or removed for `...`."""
    whole = copy.deepcopy(document)
    *parents, last = path.split("/")
    place = whole
    for name in parents:
        place = place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return whole


def refused(document: object) -> Problem:
    with pytest.raises(Problem) as met:
        Manifest.parse(document)  # type: ignore[arg-type]
    return met.value


def test_a_module_is_read_with_everything_it_says() -> None:
    module = AgentConfig.parse(AGENT).modules["camera"]
    assert (module.name, module.image, module.version) == ("camera", "r.example/camera:1", "1.0")
    assert (module.status, module.restart_policy, module.pull_policy) == (
        Status.RUNNING,
        RestartPolicy.ALWAYS,
        PullPolicy.NEVER,
    )
    assert module.startup_order == 4
    assert module.create_options == {"HostConfig": {"Binds": ["/dev:/dev"]}}


def test_numbers_and_truths_in_the_environment_become_texts() -> None:
    assert AgentConfig.parse(AGENT).modules["camera"].env == {"RATE": "2", "HALF": "0.5", "ON": "true", "NAME": "lake"}


def test_what_a_module_leaves_out_has_the_defaults_of_the_contract() -> None:
    desired = changed(AGENT, "modules/camera", {"settings": {"image": "r.example/a:1"}})
    module = AgentConfig.parse(desired).modules["camera"]
    assert (module.restart_policy, module.pull_policy) == (RestartPolicy.ON_UNHEALTHY, PullPolicy.ON_CREATE)
    assert (module.startup_order, module.version, module.env, module.create_options) == (LAST_IN_ORDER, "", {}, {})


def test_credentials_are_read_and_hide() -> None:
    (credential,) = AgentConfig.parse(AGENT).credentials
    assert (credential.address, credential.username, credential.password.reveal()) == ("r.example", "u", "hunter2")
    assert "hunter2" not in repr(AgentConfig.parse(AGENT))


def test_routes_are_texts_or_objects() -> None:
    hub = HubConfig.parse(HUB)
    assert hub.time_to_live == -1
    assert hub.routes == {
        "plain": RouteSpec("plain", "FROM /* INTO $upstream", LOWEST_PRIORITY, 0),
        "full": RouteSpec("full", "FROM /* INTO $upstream", 0, 60),
    }


def test_a_hub_without_routes_or_limits_is_complete() -> None:
    assert HubConfig.parse({"schemaVersion": "1.0"}) == HubConfig({}, DEFAULT_TIME_TO_LIVE)


def test_a_blank_route_is_no_route_in_schema_one_zero_only() -> None:
    assert HubConfig.parse({"schemaVersion": "1.0", "routes": {"r": " "}}).routes == {}
    assert "r" in HubConfig.parse({"schemaVersion": "1.1", "routes": {"r": " "}}).routes


@pytest.mark.parametrize(
    "document",
    [MANIFEST, {"content": MANIFEST, "labels": {}}, {"moduleContent": MANIFEST["modulesContent"]}],
    ids=["plain", "configuration form", "old name"],
)
def test_a_manifest_may_be_wrapped(document: dict[str, Any]) -> None:
    manifest = Manifest.parse(document)
    assert list(manifest.agent.modules) == ["camera"]
    assert manifest.desired["camera"] == {"seconds": 1}


AT_AGENT = "modulesContent/$edgeAgent/properties.desired"
AT_HUB = "modulesContent/$edgeHub/properties.desired"


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("modulesContent", ..., "modulesContent is missing"),
        ("modulesContent", [], "modulesContent is missing"),
        ("modulesContent/$edgeHub", ..., "$edgeHub is missing"),
        ("modulesContent/camera", "x", "an object is needed, found str"),
        (f"{AT_AGENT}/schemaVersion", ..., 'a text such as "1.1"'),
        (f"{AT_AGENT}/schemaVersion", 1.1, 'a text such as "1.1"'),
        (f"{AT_AGENT}/runtime", ..., "an object is needed, it is missing"),
        (f"{AT_AGENT}/modules", ..., "an object is needed, it is missing"),
        (f"{AT_AGENT}/modules/camera/settings", ..., "it is missing"),
        (f"{AT_AGENT}/modules/camera/settings/image", "  ", "image's name is missing"),
        (f"{AT_AGENT}/modules/camera/status", "paused", "one of running, stopped is needed"),
        (f"{AT_AGENT}/modules/camera/restartPolicy", "sometimes", "one of never, on-failure"),
        (f"{AT_AGENT}/modules/camera/imagePullPolicy", None, "one of on-create, never"),
        (f"{AT_AGENT}/modules/camera/startupOrder", -1, "a whole number from 0"),
        (f"{AT_AGENT}/modules/camera/startupOrder", True, "a whole number from 0"),
        (f"{AT_AGENT}/modules/camera/startupOrder", 4294967296, "a whole number from 0"),
        (f"{AT_AGENT}/modules/camera/env/RATE", 2, "an object is needed, found int"),
        (f"{AT_AGENT}/modules/camera/env/RATE/value", [2], "a text, number or true/false"),
        (f"{AT_AGENT}/modules/camera/settings/createOptions", {"HostConfig": {}}, "JSON written as a text"),
        (f"{AT_AGENT}/modules/camera/settings/createOptions", "{", "the text is not JSON"),
        (f"{AT_AGENT}/modules/camera/settings/createOptions", "[]", "not a JSON object"),
        (f"{AT_AGENT}/runtime/settings/loggingOptions", {"Type": "local"}, "JSON written as a text"),
        (f"{AT_AGENT}/runtime/settings/loggingOptions", "{", "the text is not JSON"),
        (f"{AT_AGENT}/runtime/settings/loggingOptions", "[]", "not a JSON object"),
        (f"{AT_AGENT}/runtime/settings/loggingOptions", '{"Typ":"local"}', "there is no typ"),
        (f"{AT_HUB}/routes/plain", 3, "a route is a text, or an object"),
        (f"{AT_HUB}/routes/plain", None, "a route is a text, or an object"),
        (f"{AT_HUB}/routes/a b", "FROM /* INTO $upstream", "a route's name may not have"),
        (f"{AT_HUB}/routes/full/priority", 10, "a whole number from 0 to 9"),
        (f"{AT_HUB}/routes/full/timeToLiveSecs", "60", "a whole number"),
        (f"{AT_HUB}/storeAndForwardConfiguration/timeToLiveSecs", "60", "a whole number of seconds"),
    ],
)
def test_a_fault_is_told_with_its_pointer(path: str, value: object, reason: str) -> None:
    problem = refused(changed(MANIFEST, path, value))
    assert problem.code == "manifest-malformed"
    assert reason in problem.values["reason"]
    assert problem.values["pointer"] in (f"/{path}", f"/{path.rpartition('/')[0]}", "/modulesContent")


@pytest.mark.parametrize(
    ("options", "place", "reason"),
    [
        ({}, "Type", "the name of a log driver"),
        ({"Type": 1}, "Type", "the name of a log driver"),
        ({"Type": "json-file", "Config": []}, "Config", "an object of texts"),
        ({"Type": "json-file", "Config": {"max-file": 3}}, "Config", 'max-file must be a text, as "3"'),
        ({"Type": "json-file", "Config": {"max-file": "0"}}, "Config", "a number from 1"),
        ({"Type": "local", "Config": {"max-size": "ten"}}, "Config", 'a size such as "10m"'),
    ],
)
def test_faults_of_the_logging_options_are_told_with_their_place(options: object, place: str, reason: str) -> None:
    """Contract 3.2."""
    at = f"{AT_AGENT}/runtime/settings/loggingOptions"
    problem = refused(changed(MANIFEST, at, json.dumps(options)))
    assert (problem.code, problem.values["pointer"]) == ("manifest-malformed", f"/{at}/{place}")
    assert reason in problem.values["reason"]


@pytest.mark.parametrize("text", ["", "null", None])
def test_without_logging_options_the_engines_of_devices_keep_their_own(text: object) -> None:
    document = changed(MANIFEST, f"{AT_AGENT}/runtime/settings/loggingOptions", text)
    assert Manifest.parse(document).agent.logs is None


def test_logging_options_are_read_in_any_case_and_for_any_driver() -> None:
    options = '{"type":"syslog","config":{"syslog-address":"udp://198.51.100.1"}}'
    document = changed(MANIFEST, f"{AT_AGENT}/runtime/settings/loggingOptions", options)
    assert Manifest.parse(document).agent.logs == LogConfig("syslog", {"syslog-address": "udp://198.51.100.1"})


@pytest.mark.parametrize("document", [None, [], "text", 3, {}, {"content": 3}])
def test_what_is_no_manifest_at_all_is_told_so(document: object) -> None:
    assert refused(document).code == "manifest-malformed"


@pytest.mark.parametrize("name", ["ca mera", "ca.mera", "$camera", ""])
def test_a_modules_name_has_letters_digits_and_two_signs(name: str) -> None:
    document = changed(MANIFEST, f"{AT_AGENT}/modules", {name: CAMERA})
    assert "a module's name" in refused(document).values["reason"]


@pytest.mark.parametrize("version", ["2.0", "0.9", "next"])
@pytest.mark.parametrize("part", [AT_AGENT, AT_HUB])
def test_a_schema_that_is_not_understood_is_a_problem_of_its_own(version: str, part: str) -> None:
    problem = refused(changed(MANIFEST, f"{part}/schemaVersion", version))
    assert problem.code == "schema-unsupported"
    assert problem.values["version"] == version


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_schemas_of_the_first_kind_are_understood(version: str) -> None:
    assert Manifest.parse(changed(MANIFEST, f"{AT_HUB}/schemaVersion", version))


@pytest.mark.parametrize(
    ("path", "value", "placeholder"),
    [
        (f"{AT_AGENT}/modules/camera/settings/image", "${MODULES.camera.amd64}", "${MODULES.camera.amd64}"),
        (f"{AT_AGENT}/modules/camera/settings/image", "$REGISTRY/camera:1", "$REGISTRY"),
        ("modulesContent/camera/properties.desired/list", ["a", "${KEY}"], "${KEY}"),
    ],
)
def test_a_placeholder_that_was_not_filled_in_is_found(path: str, value: object, placeholder: str) -> None:
    problem = refused(changed(MANIFEST, path, value))
    assert problem.code == "placeholder-left"
    assert problem.values["placeholder"] == placeholder
    assert problem.values["pointer"].startswith(f"/{path}")


@pytest.mark.parametrize(
    "text", ["FROM /* INTO $upstream", "FROM /* INTO $UPSTREAM", "$upstream:5000/a:1", "5 $", "$body.x"]
)
def test_what_routes_and_images_say_with_a_dollar_is_no_placeholder(text: str) -> None:
    check_placeholders({"text": text}, "")


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=300) | st.integers(), max_size=5), st.integers(1, 200))
def test_create_options_cut_into_pieces_are_joined_again(options: dict[str, str | int], length: int) -> None:
    text = json.dumps(options)
    pieces = [text[at : at + length] for at in range(0, len(text), length)][:100]
    if "".join(pieces) != text:
        return
    settings = {f"createOptions{index:02}" if index else "createOptions": piece for index, piece in enumerate(pieces)}
    assert read_create_options({**settings, "image": "x"}, "") == options


@pytest.mark.parametrize("text", ["", "  ", "null", "{}"])
def test_create_options_may_say_nothing(text: str) -> None:
    assert read_create_options({"createOptions": text}, "") == {}
    assert read_create_options({}, "") == {}


def test_create_options_are_known_in_any_case_of_letters() -> None:
    assert read_create_options({"CreateOptions": '{"a"', "CREATEOPTIONS01": ":1}"}, "") == {"a": 1}


@pytest.mark.parametrize(
    "settings",
    [
        {"createOptions01": "{}"},
        {"createOptions": "{", "createOptions02": "}"},
        {"createOptions": "{", "createOptions01": "", "createOptions03": "}"},
    ],
)
def test_a_hole_between_the_pieces_is_a_fault(settings: dict[str, Any]) -> None:
    with pytest.raises(Problem) as met:
        read_create_options(settings, "/at")
    assert "not numbered one after another" in met.value.values["reason"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
PATHS = ["modulesContent", AT_AGENT, AT_HUB, f"{AT_AGENT}/modules/camera", f"{AT_HUB}/routes", f"{AT_AGENT}/runtime"]


@given(st.sampled_from(PATHS), JSON)
def test_whatever_stands_anywhere_it_is_read_or_a_problem(path: str, value: object) -> None:
    with contextlib.suppress(Problem):
        Manifest.parse(changed(MANIFEST, path, value))
