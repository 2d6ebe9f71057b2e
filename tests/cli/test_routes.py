"""`hotori routes`: offline, against files."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from hotori.cli.main import main

MANIFEST: dict[str, Any] = {
    "modulesContent": {
        "$edgeAgent": {"properties.desired": {"schemaVersion": "1.1", "modules": {"${NOT_FILLED}": {}}}},
        "$edgeHub": {
            "properties.desired": {
                "schemaVersion": "1.1",
                "routes": {
                    "cats": {
                        "route": "FROM /messages/modules/camera/* WHERE label = 'cat' INTO $upstream",
                        "priority": 1,
                    },
                    "hot": "FROM /messages/* WHERE $body.temp > 20 INTO BrokeredEndpoint('/modules/fan/inputs/in')",
                },
            }
        },
    }
}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "deployment.template.json"
    path.write_text(json.dumps(MANIFEST), encoding="utf-8")
    return path


def answered(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def problem(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == 1
    found: dict[str, Any] = json.loads(capsys.readouterr().err.splitlines()[0])["problem"]
    return found


def test_the_routes_of_a_template_are_checked_where_they_stand(capsys, manifest):
    assert answered(capsys, "routes", "check", str(manifest)) == {"right": ["cats", "hot"], "wrong": []}


def test_a_wrong_route_is_told_with_its_pointer_and_column_and_the_others_are_right(capsys, manifest):
    document = json.loads(manifest.read_text(encoding="utf-8"))
    document["modulesContent"]["$edgeHub"]["properties.desired"]["routes"]["bad"] = "FROM /messages/* INTO nowhere"
    manifest.write_text(json.dumps(document), encoding="utf-8")
    assert main(["routes", "check", str(manifest), "--json"]) == 1
    out, err = capsys.readouterr()
    told = json.loads(err)["problem"]
    assert told["code"] == "route-invalid"
    assert "/modulesContent/$edgeHub/properties.desired/routes/bad, column 23" in told["cause"]["en"]
    assert json.loads(out) == {"right": ["cats", "hot"], "wrong": ["bad"]}


def test_a_text_with_one_route_is_checked_for_a_device_or_for_the_cloud(capsys, tmp_path):
    path = tmp_path / "archive.route"
    path.write_text("FROM /messages/*\nINTO Endpoint('archive')\n", encoding="utf-8")
    assert problem(capsys, "routes", "check", str(path))["code"] == "route-invalid"
    assert answered(capsys, "routes", "check", str(path), "--cloud-routes")["right"] == ["archive"]


@pytest.mark.parametrize("text", ["{}", "{broken", '{"modulesContent": {"$edgeHub": {}}}', "[]"])
def test_a_file_without_routes_is_a_problem(capsys, tmp_path, text):
    path = tmp_path / "routes.json"
    path.write_text(text, encoding="utf-8")
    assert problem(capsys, "routes", "check", str(path))["code"] == "routes-missing"


def test_a_message_that_options_describe_is_explained(capsys, manifest):
    document = answered(
        capsys, "routes", "explain", "--manifest", str(manifest), "--sender", "edge-1/camera", "--output", "pictures",
        "--property", "label=cat", "--body", '{"temp": 21}',
    )  # fmt: skip
    assert document["source"] == "/messages/modules/camera/outputs/pictures/"
    assert [endpoint["endpoint"] for endpoint in document["endpoints"]] == ["$upstream", "modules/fan/inputs/in"]
    assert document["routes"][1]["condition"] == {
        "text": "$body.temp > 20",
        "value": "true",
        "parts": [{"text": "$body.temp", "value": "21"}],
    }


def test_a_message_in_a_file_or_on_standard_input_is_explained(capsys, manifest, tmp_path, monkeypatch):
    message = {"deviceId": "leaf", "system": {"contentType": "text/plain"}, "body": {"temp": 30}}
    path = tmp_path / "message.json"
    path.write_text(json.dumps(message), encoding="utf-8")
    from_file = answered(capsys, "routes", "explain", str(path), "--manifest", str(manifest))
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(message)))
    assert answered(capsys, "routes", "explain", "-", "--manifest", str(manifest)) == from_file
    assert from_file["routes"][1]["condition"]["value"] == "undefined"
    assert from_file["endpoints"] == []


@pytest.mark.parametrize(("language", "words"), [("en", "another one"), ("ja", "送信元が異なる")])
def test_a_person_reads_which_routes_match_and_why(capsys, manifest, language, words):
    arguments = ["routes", "explain", "--manifest", str(manifest), "--sender", "leaf", "--body", '{"temp": 21}']
    assert main([*arguments, "--lang", language]) == 0
    shown = capsys.readouterr().out
    assert words in shown
    assert "✓ hot" in shown
    assert "✗ cats" in shown
    assert "$body.temp → 21" in shown
    assert "modules/fan/inputs/in" in shown


@pytest.mark.parametrize("text", ["[]", '{"properties": {"a": 1}}', '{"body": {"base64": "?"}}', "{"])
def test_a_message_that_is_none_is_a_problem(capsys, manifest, tmp_path, text):
    path = tmp_path / "message.json"
    path.write_text(text, encoding="utf-8")
    arguments = ("routes", "explain", str(path), "--manifest", str(manifest))
    assert problem(capsys, *arguments)["code"] == "message-unreadable"


def test_the_noun_may_be_said_in_the_singular(capsys, manifest):
    assert answered(capsys, "route", "check", str(manifest))["wrong"] == []
