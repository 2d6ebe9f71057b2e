"""The enrolment file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hotori.edge.enrolment import EnrolmentFile
from hotori.model.connection_string import IdentityConnection
from hotori.model.manifest import RegistryCredential
from hotori.model.secret import Secret
from hotori.problems import Problem
from hotori.sdk.connection_file import HubAddress
from tests.edge.parts import DEVICE, KEY

FILE = EnrolmentFile(
    IdentityConnection("hub.example.net", DEVICE, KEY),
    "PEM",
    HubAddress("127.0.0.9", 8883, 443),
    RegistryCredential("127.0.0.9:5000", "u", Secret("p")),
)


def test_what_is_written_is_read_again_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "edge-1.json"

    FILE.write(path)

    assert EnrolmentFile.read(path) == FILE
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_registry_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "edge-1.json"
    document = FILE.document()
    del document["registry"]
    path.write_text(json.dumps(document))

    assert EnrolmentFile.read(path).registry is None


@pytest.mark.parametrize("text", ["[]", "{}", '{"hub": 1}', '{"hub": {"host": "h"}}', "not json"])
def test_another_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)

    with pytest.raises(Problem) as refusal:
        EnrolmentFile.read(path)
    assert refusal.value.code == "file-unreadable"
    assert refusal.value.values["path"] == str(path)
