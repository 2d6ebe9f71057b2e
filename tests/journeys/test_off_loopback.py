"""Cloud and device at two addresses that are not loopback: the main job, with everything encrypted."""

import json
import os
import subprocess
import sys
import time

import pytest

from hotori.sdk.program import Program
from tests.journeys.conftest import EXAMPLES

CLOUD, EDGE = "198.18.7.1", "198.18.7.2"


@pytest.fixture(scope="module")
def namespace():
    """A network of its own with two addresses, reachable from nowhere else."""
    name = f"hotori-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no network namespace can be made here: {made.stderr.strip()}")
    inside = ("ip", "netns", "exec", name)
    for arguments in (
        ["link", "set", "lo", "up"],
        *(["address", "add", f"{own}/32", "dev", "lo"] for own in (CLOUD, EDGE)),
    ):
        subprocess.run([*inside, "ip", *arguments], check=True)
    yield inside
    subprocess.run(["ip", "netns", "del", name], check=True)


def hotori(inside, *arguments):
    """A command of ours inside the namespace: the values that it answered."""
    command = [*inside, sys.executable, "-m", "hotori.cli", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def wait_for_a_file(folder, within=60.0):
    """Until something was stored below the folder: a picture that came over HTTPS."""
    deadline = time.monotonic() + within
    while not any(path.is_file() for path in folder.rglob("*")):
        assert time.monotonic() < deadline, "no picture was stored"
        time.sleep(0.2)


def test_the_main_job_runs_between_two_addresses_with_everything_encrypted(namespace, main_job, trained, tmp_path):
    """Beside `main_job`, for which the packages of the images were fetched: from inside the namespace none can be."""
    cloud, edge, ticket = tmp_path / "cloud", tmp_path / "edge-1", tmp_path / "edge-1.json"
    with Program(cloud, "cloud", "serve", "--listen", CLOUD, wrapper=namespace) as program:
        connect = json.loads(program.connect_file.read_text())
        assert connect["portal"]["url"].startswith("https://")
        assert "BlobEndpoint=https://" in connect["storage_connection_string"]
        hotori(namespace, "device", "add", "edge-1", "--edge", "--write", ticket, "--cloud", cloud)
        with Program(edge, "edge", "run", "--enrolment", str(ticket), "--listen", EDGE, wrapper=namespace):
            settings = ("--set", f"MODEL={trained.model}", "--set", f"PICTURES={trained.shown}")
            hotori(namespace, "deploy", EXAMPLES / "main-job", "--device", "edge-1", *settings, "--cloud", cloud)
            arrived = hotori(namespace, "monitor", "--from", "earliest", "--count", "3", "--cloud", cloud)
            assert all(event["body"]["predictions"] for event in arrived)
            wait_for_a_file(cloud / "objects")
