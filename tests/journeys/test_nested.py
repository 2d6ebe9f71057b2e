"""Edge devices three levels deep, each in a network that reaches only its neighbours; then a wire is cut."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from hotori.sdk.program import Program
from tests.journeys import leaf_device, nested_cloud
from tests.journeys.namespaces import Row, a_row

CUT_SECONDS = 25.0


@dataclass
class House:
    """A cloud at the top of the row, and the edge devices below it."""

    row: Row
    folder: Path
    programs: dict[str, Program]

    def hotori(self, *arguments):
        """A command of ours beside the cloud."""
        return self.row.hotori("cloud", *arguments, "--cloud", self.folder / "cloud")

    def numbers(self, count):
        """The first messages of the lowest module, as many as asked for: run and number of each."""
        events = self.hotori("monitor", "--from", "earliest", "--device", "bottom", "--count", count)
        assert {(event["moduleId"], event["output"]) for event in events} == {("sender", "numbers")}
        return [(event["body"]["run"], event["body"]["number"]) for event in events]

    def until(self, question, within=60.0):
        deadline = time.monotonic() + within
        while not (answer := question()):
            assert time.monotonic() < deadline, "it did not come in time"
            time.sleep(1.0)
        return answer


@pytest.fixture(scope="module")
def nested(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nested")
    with a_row(("cloud", "top", "middle", "bottom", "leaf"), 77) as row, ExitStack() as stack:
        listen = ("--listen", row.below["cloud"])
        cloud = Program(folder / "cloud", "cloud", "serve", *listen, wrapper=row.inside("cloud"))
        programs = {"cloud": stack.enter_context(cloud)}
        row.python("cloud", nested_cloud.__file__, folder / "cloud", folder)
        parent = None
        for name, _ in nested_cloud.DEVICES:
            listen = ("--enrolment", str(folder / f"{name}.json"), "--listen", row.below[name])
            above = ("--parent", row.below[parent], "--parent-ca", root(folder, parent)) if parent else ()
            program = Program(folder / name, "edge", "run", *listen, *above, wrapper=row.inside(name))
            programs[name] = stack.enter_context(program)
            parent = name
        yield House(row, folder, programs)


def agent_report(nested):
    return nested.hotori("twin", "bottom/$edgeAgent")[0]["properties"]["reported"]


def root(folder, device):
    """The certificate that those behind a device trust."""
    return str(folder / device / "authority" / "root.pem")


def test_the_lowest_modules_messages_twin_and_methods_go_through_all_levels(nested):
    assert len(nested.numbers(5)) == 5
    (answer,) = nested.hotori("invoke", "bottom/sender", "echo", '{"n": 1}')
    assert answer == {"status": 200, "payload": {"echo": {"n": 1}, "parent": nested.row.below["middle"]}}
    (ping,) = nested.hotori("invoke", "bottom/$edgeAgent", "ping")
    assert ping["status"] == 200
    script = r'echo "{\"deep\": $((6*7))}"'
    shell = nested.row.hotori(
        "cloud", "shell", "--cloud", nested.folder / "cloud", "bottom", "sender", "--", "sh", "-c", script
    )
    assert shell == [{"deep": 42}]
    nested.hotori("twin", "bottom/sender", "--desired", '{"interval": 2}')
    nested.until(lambda: nested.hotori("twin", "bottom/sender")[0]["properties"]["reported"].get("interval") == 2)
    nested.until(lambda: agent_report(nested)["lastDesiredStatus"]["code"] == 200)
    report = agent_report(nested)
    assert report["modules"]["sender"]["settings"]["image"].startswith(f"{nested.row.below['middle']}:443/sender")


def test_an_unmodified_leaf_device_works_behind_the_lowest(nested):
    nested.hotori("twin", "leaf", "--desired", '{"wanted": 3}')
    connection = f"{(nested.folder / 'leaf.txt').read_text()};GatewayHostName={nested.row.below['bottom']}"
    command = [
        *nested.row.inside("leaf"),
        sys.executable,
        leaf_device.__file__,
        connection,
        root(nested.folder, "bottom"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as leaf:
        assert json.loads(leaf.stdout.readline()) == {"ready": True}
        (answer,) = nested.hotori("invoke", "leaf", "shine", "7")
        assert answer == {"status": 200, "payload": {"leaf": 7}}
        assert json.loads(leaf.stdout.readline()) == {"method": "shine"}
        leaf.terminate()
    (event,) = nested.hotori("monitor", "--from", "earliest", "--device", "leaf", "--count", "1")
    assert event["body"] == {"leaf": 1}
    nested.until(lambda: nested.hotori("twin", "leaf")[0]["properties"]["reported"].get("seen") == 3)


def test_a_cut_wire_loses_nothing_though_the_lowest_device_starts_again_meanwhile(nested):
    before = len(nested.numbers(10))
    nested.row.cut("middle")
    since = time.monotonic()
    nested.programs["bottom"].stop()
    nested.programs["bottom"].start()
    time.sleep(max(0.0, CUT_SECONDS - (time.monotonic() - since)))
    nested.row.mend("middle")

    numbers = nested.numbers(before + 200)

    runs = list(dict.fromkeys(run for run, _ in numbers))
    assert len(runs) >= 2, "the module of the second life was heard"
    for run in runs:
        found = list(dict.fromkeys(number for each, number in numbers if each == run))
        assert found == list(range(len(found))), "in order, and none is missing"
