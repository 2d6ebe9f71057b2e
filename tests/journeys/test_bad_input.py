"""What a person may get wrong: each ends in a problem with code, cause and remedy, and nothing half-written."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from hotori.model.connection_string import ServiceConnection
from hotori.model.sas import sign
from hotori.net.tls import client_context
from hotori.problems.catalogue import CATALOGUE
from hotori.testing.addresses import loopback_address
from tests.journeys.conftest import EXAMPLES


def hotori(*arguments, within=60, **environment):
    """Run the command as a person does: its exit status, and the problem that it told in JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "hotori.cli", *map(str, arguments), "--json"],
        capture_output=True,
        text=True,
        timeout=within,
        env={**os.environ, **environment},
        check=False,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith('{"problem"')]
    return done, json.loads(lines[-1])["problem"] if lines else None


def assert_told(done, problem, code):
    assert done.returncode == 1, done.stderr
    assert problem is not None, done.stderr
    assert problem["code"] == code
    assert all(problem[part][language] for part in ("title", "cause", "remedy") for language in ("en", "ja"))
    assert "Traceback" not in done.stderr


def test_a_wrong_connection_string_is_named_and_nothing_is_kept(tmp_path):
    data = tmp_path / "edge"
    done, problem = hotori("edge", "run", "--data", data, "--connection-string", "HostName=here;Device", "--ca", "x")
    assert_told(done, problem, "connection-string-malformed")
    assert not data.exists()


def test_a_device_name_taken_twice_is_refused_with_what_to_do(installation):
    cloud = installation.cloud_program.folder
    done, problem = hotori("device", "add", "edge-1", "--edge", "--cloud", cloud)
    assert_told(done, problem, "device-exists")
    assert "hotori device show edge-1" in problem["commands"]


def test_a_device_that_is_not_there_is_named(installation):
    done, problem = hotori("device", "show", "nobody", "--cloud", installation.cloud_program.folder)
    assert_told(done, problem, "device-unknown")


def test_an_expired_token_is_told_apart_from_a_wrong_one(installation):
    connection = ServiceConnection.parse(installation.cloud.service.reveal())
    token = sign(connection.host, connection.key, int(time.time()) - 3600, connection.policy)
    url = f"https://{connection.host}/devices?api-version=2021-04-12"
    answer = httpx.get(url, headers={"Authorization": token}, verify=client_context(installation.cloud.ca))
    assert answer.status_code == 401
    assert answer.json()["problem"]["code"] == "token-expired"


def test_a_cloud_that_does_not_run_is_told_with_its_address(installation, tmp_path):
    document = json.loads(installation.cloud_program.connect_file.read_text())
    address = loopback_address()
    document["service_connection_string"] = document["service_connection_string"].replace(
        installation.cloud_address, address
    )
    (tmp_path / "connect.json").write_text(json.dumps(document))
    done, problem = hotori("device", "list", "--cloud", tmp_path, HOME=str(tmp_path))
    assert_told(done, problem, "cloud-unreachable")
    assert address in problem["title"]["en"]


def test_a_manifest_with_a_placeholder_left_in_points_at_it(tmp_path):
    template = json.loads((EXAMPLES / "main-job" / "deployment.template.json").read_text())
    manifest = tmp_path / "deployment.json"
    manifest.write_text(json.dumps(template))
    done, problem = hotori("deploy", "--check", manifest)
    assert_told(done, problem, "placeholder-left")
    assert "/modulesContent/" in problem["cause"]["en"]


def test_a_manifest_that_is_refused_by_the_cloud_changes_nothing(installation, tmp_path):
    manifest = tmp_path / "deployment.json"
    manifest.write_text(json.dumps({"modulesContent": {"$edgeAgent": {"properties.desired": {}}}}))
    cloud = installation.cloud_program.folder
    before = hotori("twin", "edge-1/$edgeAgent", "--cloud", cloud)[0].stdout
    done, problem = hotori("deploy", manifest, "--device", "edge-1", "--cloud", cloud)
    assert_told(done, problem, "manifest-malformed")
    after = hotori("twin", "edge-1/$edgeAgent", "--cloud", cloud)[0].stdout
    assert json.loads(before)["properties"]["desired"] == json.loads(after)["properties"]["desired"]


def test_a_folder_without_pictures_leaves_no_model_behind(tmp_path):
    model = tmp_path / "model.onnx"
    (tmp_path / "empty").mkdir()
    done, problem = hotori("train", tmp_path / "empty", "--out", model)
    assert_told(done, problem, "folder-without-pictures")
    assert not model.exists()


def test_a_port_in_use_is_named_with_its_owner(tmp_path):
    address = loopback_address()
    with socket.create_server((address, 8883)):
        done, problem = hotori("cloud", "serve", "--data", tmp_path / "cloud", "--listen", address)
    assert_told(done, problem, "port-in-use")
    assert str(os.getpid()) in problem["cause"]["en"]
    assert not (tmp_path / "cloud" / "connect.json").exists()


def test_two_programs_on_one_data_folder_are_kept_apart(installation):
    data, address = installation.cloud_program.folder, loopback_address()
    done, problem = hotori("cloud", "serve", "--data", data, "--listen", address)
    assert_told(done, problem, "data-folder-in-use")
    assert str(installation.cloud_program.pid) in problem["cause"]["en"]


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 200 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a disk of its own cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_told_and_nothing_half_written_stays(small_disk):
    done, problem = hotori("cloud", "serve", "--data", small_disk / "cloud", "--listen", loopback_address())
    assert_told(done, problem, "disk-full")
    assert not (small_disk / "cloud" / "connect.json").exists()


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_every_problem_can_be_looked_up_in_japanese(code, capsys):
    from hotori.cli.main import main

    assert main(["problem", code, "--lang", "ja"]) == 0
    assert CATALOGUE[code].title.ja.partition("{")[0] in capsys.readouterr().out


def test_the_readme_speaks_of_commands_that_are_there():
    from hotori.cli.main import COMMANDS

    for name in ("README.md", "README.ja.md"):
        words = (Path(__file__).resolve().parents[2] / name).read_text().split("`")
        used = {word.split()[1] for word in words if word.startswith("hotori ") and len(word.split()) > 1}
        assert used <= COMMANDS.keys()
