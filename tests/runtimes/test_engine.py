"""An engine that cannot be used says why; what createOptions may hold is known before an engine sees them."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from hotori.model.image_reference import ImageReference
from hotori.model.json import JsonObject
from hotori.net.http import HttpServer
from hotori.net.ports import bind_unix
from hotori.problems import Problem
from hotori.runtimes.container_spec import OWNER, SPEC, ContainerHost, container_name, container_spec
from hotori.runtimes.engine import Engine
from hotori.runtimes.engine_options import check_options
from hotori.runtimes.module_runtime import ModuleLaunch

IMAGE = ImageReference.parse("127.0.0.1:5000/tiny:1.0")
HOST = ContainerHost("device", "modules", {"edgeHub": "172.31.0.1"})


async def problem_of(engine: Engine) -> Problem:
    with pytest.raises(Problem) as caught:
        await engine.identity()
    await engine.close()
    assert caught.value.evidence
    return caught.value


async def test_an_engine_that_does_not_run_is_named_with_its_address(tmp_path: Path) -> None:
    problem = await problem_of(Engine(f"unix://{tmp_path}/docker.sock"))
    assert (problem.code, problem.values["address"]) == ("engine-unreachable", f"unix://{tmp_path}/docker.sock")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else for a moment")
async def test_an_engine_that_this_user_may_not_use_is_told_from_one_that_does_not_run(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/docker.sock")
        (tmp_path / "docker.sock").chmod(0o600)
        listener.listen()
        os.seteuid(65534)
        try:
            problem = await problem_of(Engine(f"unix://{tmp_path}/docker.sock"))
        finally:
            os.seteuid(0)
    assert problem.code == "engine-forbidden"


async def test_an_engine_that_is_too_old_is_told_so_with_both_versions(tmp_path: Path) -> None:
    async def version(request: Request) -> JSONResponse:
        return JSONResponse({"Version": "1.12", "ApiVersion": "1.24", "Os": "linux", "Arch": "amd64"})

    async def info(request: Request) -> JSONResponse:
        return JSONResponse({"Architecture": "x86_64"})

    app = Starlette(routes=[Route("/{path:path}version", version), Route("/{path:path}info", info)])
    async with HttpServer(app, bind_unix(tmp_path / "docker.sock")):
        problem = await problem_of(Engine(f"unix://{tmp_path}/docker.sock"))
    assert (problem.code, problem.values["found"], problem.values["wanted"]) == ("engine-too-old", "1.24", "1.41")


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"Cmd": "python3 -V"}, "/Cmd"),
        ({"Env": {"A": "1"}}, "/Env"),
        ({"Env": ["=x"]}, "/Env"),
        ({"HostConfig": []}, "/HostConfig"),
        ({"HostConfig": {"Memory": "64m"}}, "/HostConfig/Memory"),
        ({"HostConfig": {"Privileged": "true"}}, "/HostConfig/Privileged"),
        ({"HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": 80}]}}}, "/HostConfig/PortBindings"),
        ({"HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "abc"}]}}}, "/HostConfig/PortBindings"),
        ({"HostConfig": {"PortBindings": {"80/tcp": "80"}}}, "/HostConfig/PortBindings"),
        ({"HostConfig": {"Binds": ["/a"]}}, "/HostConfig/Binds"),
        ({"HostConfig": {"RestartPolicy": {"Name": 1}}}, "/HostConfig/RestartPolicy/Name"),
        ({"HostConfig": {"LogConfig": "none"}}, "/HostConfig/LogConfig"),
        ({"HostConfig": {"LogConfig": {"Config": []}}}, "/HostConfig/LogConfig"),
        ({"HostConfig": {"LogConfig": {"Type": "json-file", "Config": {"max-file": 3}}}}, "/HostConfig/LogConfig"),
        ({"HostConfig": {"LogConfig": {"Type": "local", "Config": {"max-size": "ten"}}}}, "/HostConfig/LogConfig"),
        ({"Healthcheck": {"Interval": "1s"}}, "/Healthcheck/Interval"),
        ({"NetworkingConfig": {"EndpointsConfig": []}}, "/NetworkingConfig/EndpointsConfig"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_its_place(options: JsonObject, pointer: str) -> None:
    with pytest.raises(Problem) as caught:
        check_options("camera", options)
    assert (caught.value.code, caught.value.values["pointer"]) == ("create-options-invalid", pointer)


def test_names_that_are_not_known_pass() -> None:
    check_options("camera", {"New": 1, "HostConfig": {"Newer": {}, "PortBindings": {"80/tcp": None}, "Memory": None}})


@pytest.mark.parametrize(
    ("options", "network", "more", "hosts"),
    [
        ({}, "modules", [], True),
        ({"HostConfig": {"NetworkMode": "host"}}, "host", [], True),
        ({"HostConfig": {"NetworkMode": "none"}}, "none", [], False),
        ({"HostConfig": {"NetworkMode": "container:other"}}, "container:other", [], False),
        ({"NetworkingConfig": {"EndpointsConfig": {"mine": {}, "yours": {}}}}, "mine", ["yours"], True),
    ],
)
def test_the_network_is_that_of_the_options_or_the_modules_own(
    options: JsonObject, network: str, more: list[str], hosts: bool
) -> None:
    spec = container_spec(ModuleLaunch("camera", IMAGE, {}, options), str(IMAGE), "sha256:1", HOST)
    settings = spec.body["HostConfig"]
    assert isinstance(settings, dict)
    assert (settings["NetworkMode"], list(spec.more_networks)) == (network, more)
    assert ("edgeHub:172.31.0.1" in (settings.get("ExtraHosts") or [])) == hosts


def test_the_options_variables_go_before_all_others_and_bound_ports_are_exposed() -> None:
    options: JsonObject = {"Env": ["A=options"], "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}}}
    spec = container_spec(ModuleLaunch("camera", IMAGE, {"A": "1", "B": "2"}, options), "image", "digest", HOST)
    assert spec.body["Env"] == ["A=options", "B=2"]
    assert spec.body["ExposedPorts"] == {"80/tcp": {}}
    assert options["Env"] == ["A=options"]


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5)))
def test_the_same_is_made_from_the_same_and_another_from_another(env: dict[str, str]) -> None:
    def mark(variables: dict[str, str]) -> str:
        return container_spec(ModuleLaunch("camera", IMAGE, variables), "image", "digest", HOST).mark

    assert mark(env) == mark(dict(env))
    assert mark({**env, "another": "x" * 6}) != mark(env)


def test_every_container_carries_its_owner_and_what_it_was_made_from() -> None:
    spec = container_spec(ModuleLaunch("camera", IMAGE, {}, {"Labels": {OWNER: "me"}}), "image", "digest", HOST)
    labels = spec.body["Labels"]
    assert isinstance(labels, dict)
    assert labels[OWNER] == "device"
    assert labels[SPEC] == spec.mark


@pytest.mark.parametrize(
    ("module", "name"), [("camera", "camera"), ("a", "module-a"), ("_x", "module-_x"), ("x-1", "x-1")]
)
def test_a_container_is_named_as_its_module_where_engines_take_the_name(module: str, name: str) -> None:
    assert container_name(module) == name
