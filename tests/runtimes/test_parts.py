"""The parts of the process runtime that decide over values."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.model.json import JsonObject
from hotori.model.platform import Platform
from hotori.problems import Problem
from hotori.runtimes.container_paths import ContainerPaths
from hotori.runtimes.create_options import ProcessOptions
from hotori.runtimes.host import host_platform, host_python
from hotori.runtimes.local_image import ImageConfig
from hotori.runtimes.process_mark import ProcessMark
from hotori.runtimes.program import elf_machine
from hotori.runtimes.rotated_log import LogLimits, RotatedLog
from hotori.testing.registry_server import write_files


@pytest.fixture
def paths(tmp_path: Path) -> ContainerPaths:
    rootfs = write_files(tmp_path / "rootfs", {"app/model.onnx": "x", "usr/bin/tool": "x"})
    return ContainerPaths(rootfs, {"/data": Path("/host/data"), "/data/deep": Path("/host/deep")})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/app/model.onnx", "ROOT/app/model.onnx"),
        ("--model=/app/model.onnx", "--model=ROOT/app/model.onnx"),
        ("/app:/usr/bin:/sbin", "ROOT/app:ROOT/usr/bin:/sbin"),
        ("/data", "/host/data"),
        ("/data/x.jpg", "/host/data/x.jpg"),
        ("/data/deep/x.jpg", "/host/deep/x.jpg"),
        ("/database", "/database"),
        ("unix:///data/workload.sock", "unix:///host/data/workload.sock"),
        ("https://host/app/model.onnx", "https://host/app/model.onnx"),
        ("/", "/"),
        ("//app", "//app"),
        ("", ""),
        ("HostName=hub;SharedAccessKey=a/b=", "HostName=hub;SharedAccessKey=a/b="),
    ],
)
def test_paths_of_the_container_become_paths_of_the_host(paths: ContainerPaths, text: str, expected: str) -> None:
    assert paths.translate_text(text) == expected.replace("ROOT", str(paths.rootfs))


@given(st.text(max_size=40))
def test_text_that_names_no_path_is_left_alone(text: str) -> None:
    paths = ContainerPaths(Path("/nowhere/at/all"), {})
    assert paths.translate_text(text) == text


def test_create_options_are_read_and_what_means_nothing_is_named() -> None:
    options = ProcessOptions.parse(
        "camera",
        {
            "Env": ["A=1", "B=x=y"],
            "Cmd": ["run"],
            "WorkingDir": "/work",
            "ExposedPorts": {"80/tcp": {}},
            "HostConfig": {
                "Binds": ["/host:/container:ro", "named:/data"],
                "Mounts": [{"Type": "bind", "Source": "/a", "Target": "/b/"}, {"Type": "tmpfs", "Target": "/t"}],
                "Privileged": True,
                "LogConfig": {"Type": "journald", "Config": {"tag": "x"}},
            },
        },
    )
    assert options == ProcessOptions(
        env={"A": "1", "B": "x=y"},
        command=("run",),
        working_dir="/work",
        binds={"/container": "/host", "/data": "named", "/b": "/a"},
        ignored=("ExposedPorts", "HostConfig.LogConfig", "HostConfig.Privileged"),
    )


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"Env": {"A": "1"}}, "/Env"),
        ({"Cmd": "python3 -V"}, "/Cmd"),
        ({"Entrypoint": [1]}, "/Entrypoint"),
        ({"WorkingDir": 1}, "/WorkingDir"),
        ({"HostConfig": []}, None),
        ({"HostConfig": "x"}, "/HostConfig"),
        ({"HostConfig": {"Binds": "/a:/b"}}, "/HostConfig/Binds"),
        ({"HostConfig": {"Binds": ["/a:b"]}}, "/HostConfig/Binds/0"),
        ({"HostConfig": {"Binds": ["/a"]}}, "/HostConfig/Binds/0"),
        ({"HostConfig": {"Mounts": {}}}, None),
        ({"HostConfig": {"LogConfig": "none"}}, "/HostConfig/LogConfig"),
        ({"HostConfig": {"LogConfig": {"Config": {"max-file": 3}}}}, "/HostConfig/LogConfig/Config"),
        ({"HostConfig": {"Mounts": [{"Source": "/a"}]}}, "/HostConfig/Mounts/0"),
    ],
)
def test_create_options_of_a_wrong_type_are_refused(options: JsonObject, pointer: str | None) -> None:
    if pointer is None:
        assert ProcessOptions.parse("camera", options).binds == {}
        return
    with pytest.raises(Problem) as caught:
        ProcessOptions.parse("camera", options)
    assert (caught.value.code, caught.value.values["pointer"]) == ("create-options-invalid", pointer)


def test_an_images_configuration_is_read_as_any_builder_writes_it() -> None:
    document: JsonObject = {
        "architecture": "arm",
        "variant": "v7",
        "os": "linux",
        "config": {"Entrypoint": None, "Cmd": ["python3"], "Env": ["A=1"], "WorkingDir": "", "Labels": None},
    }
    config = ImageConfig.parse(document)
    assert config == ImageConfig(Platform("arm", "v7"), command=("python3",), env={"A": "1"})
    assert ImageConfig.parse({"architecture": "amd64"}) == ImageConfig(Platform("amd64"))


def test_a_log_keeps_within_its_cap_and_forgets_the_oldest(tmp_path: Path) -> None:
    log = RotatedLog(tmp_path / "log", LogLimits(100, 3))
    for number in range(100):
        log.write(f"line {number:03}\n".encode())
    kept = log.read().decode().splitlines()
    assert kept == [f"line {number:03}" for number in range(100 - len(kept), 100)]
    assert 200 < sum(path.stat().st_size for path in tmp_path.iterdir()) <= 300
    assert log.read(tail=2) == b"line 098\nline 099\n"
    assert RotatedLog(tmp_path / "log", LogLimits(100, 3)).read(tail=1) == b"line 099\n"


def test_a_log_of_one_file_begins_anew_and_one_without_limit_never_does(tmp_path: Path) -> None:
    single, endless = (
        RotatedLog(tmp_path / "single", LogLimits(20, 1)),
        RotatedLog(tmp_path / "endless", LogLimits(0, 1)),
    )
    for log in (single, endless):
        for number in range(100):
            log.write(f"line {number:03}\n".encode())
    assert single.read() == b"line 098\nline 099\n"
    assert len(endless.read().splitlines()) == 100


@pytest.mark.parametrize(
    ("config", "limits"),
    [
        (None, LogLimits(10_000_000, 3)),
        ({}, LogLimits(10_000_000, 3)),
        ({"Type": "json-file", "Config": {"max-size": "64k"}}, LogLimits(64_000, 1)),
        ({"Type": "json-file", "Config": {"max-size": "1.5m", "max-file": "7"}}, LogLimits(1_500_000, 7)),
        ({"Type": "json-file"}, LogLimits(0, 1)),
        ({"Type": "json-file", "Config": {"max-size": "-1"}}, LogLimits(0, 1)),
        ({"Type": "local"}, LogLimits(20_000_000, 5)),
        ({"Type": "syslog", "Config": {"syslog-address": "udp://x"}}, LogLimits(10_000_000, 3)),
    ],
)
def test_a_process_keeps_as_much_of_its_log_as_a_container_would(config: JsonObject | None, limits: LogLimits) -> None:
    options = ProcessOptions.parse("camera", {"HostConfig": {"LogConfig": config}})
    assert LogLimits.of(options.logs) == limits


@given(st.lists(st.binary(max_size=60), max_size=30))
def test_what_a_log_still_has_is_the_end_of_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    log = RotatedLog(tmp_path_factory.mktemp("log") / "log", LogLimits(100, 2))
    for piece in pieces:
        log.write(piece)
    assert b"".join(pieces).endswith(log.read())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("amd64", Platform("amd64")),
        ("x86_64", Platform("amd64")),
        ("arm32v7", Platform("arm", "v7")),
        ("arm64v8", Platform("arm64")),
        ("linux/arm/v7", Platform("arm", "v7")),
        ("linux/arm64/v8", Platform("arm64", "v8")),
        ("Linux/AMD64", Platform("amd64")),
    ],
)
def test_platforms_are_known_by_the_names_that_tools_use(text: str, expected: Platform) -> None:
    assert Platform.parse(text) == expected


def test_a_platform_runs_its_own_kind_and_older_variants() -> None:
    assert Platform("arm64").runs(Platform("arm64", "v8"))
    assert Platform("arm", "v7").runs(Platform("arm", "v6"))
    assert not Platform("arm", "v6").runs(Platform("arm"))
    assert not Platform("arm64").runs(Platform("amd64"))
    assert not Platform("amd64").runs(Platform("amd64", os="windows"))


def test_this_machine_knows_what_it_is() -> None:
    with host_python().open("rb") as file:
        assert elf_machine(file.read(64)) == host_platform().architecture


def test_a_process_that_is_not_there_has_no_mark() -> None:
    assert ProcessMark.of(2**22 + 1) is None
    assert not ProcessMark(1, 1, "an earlier boot").alive()
