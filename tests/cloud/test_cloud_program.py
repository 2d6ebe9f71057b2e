"""The cloud as a program: what it writes, what it keeps, and how it gives way."""

import json
import socket
import stat

import httpx
import pytest

from hotori.model.connection_string import ServiceConnection
from hotori.net.tls import client_context
from hotori.sdk.connection_file import CloudConnection
from hotori.sdk.program import Program
from hotori.testing.addresses import loopback_address

KEYS = {
    "provisioning": {"id_scope", "host"},
    "hub": {"host", "mqtt_port", "https_port"},
    "registry": {"address", "username", "password"},
    "vision": {"endpoint", "training_key", "prediction_key"},
    "portal": {"url", "username", "password"},
}


@pytest.fixture
def address():
    return loopback_address()


@pytest.fixture
def program(tmp_path, address):
    return Program(tmp_path / "cloud", "cloud", "serve", "--listen", address)


def test_connect_json_has_its_keys_and_is_its_owners_alone(program):
    with program:
        document = json.loads(program.connect_file.read_text())
        mode = stat.S_IMODE(program.connect_file.stat().st_mode)
    assert mode == 0o600
    assert {name: set(document[name]) for name in KEYS} == KEYS
    assert document.keys() - KEYS.keys() == {"ca", "service_connection_string", "storage_connection_string"}


def test_connect_json_is_gone_when_the_cloud_is(program):
    with program:
        assert program.connect_file.exists()
    assert not program.connect_file.exists()


def test_keys_and_the_authority_outlive_a_restart(program):
    with program:
        before, pem = CloudConnection.read(program.connect_file), program.folder.joinpath("authority").glob("*.pem")
        kept = {path.name: path.read_bytes() for path in pem}
    with program:
        after = CloudConnection.read(program.connect_file)
        assert after == before
        assert {name: (after.ca.parent / name).read_bytes() for name in kept} == kept


def test_https_is_on_443_where_that_is_to_be_had(program):
    with program:
        assert CloudConnection.read(program.connect_file).hub.https_port == 443


def test_https_gives_way_to_8443_and_says_so(program, address):
    with socket.create_server((address, 443)), program:
        cloud = CloudConnection.read(program.connect_file)
        connection = ServiceConnection.parse(cloud.service.reveal())
        answer = httpx.get(f"https://{connection.host}/devices", verify=client_context(cloud.ca))
    assert cloud.hub.https_port == 8443
    assert connection.host == f"{address}:8443"
    assert answer.status_code == 401, "it is the service API, and wants a token"
    assert "Port 443 is not to be had" in program.log.read_text()


def test_a_port_that_was_asked_for_and_is_taken_is_not_given_way_from(tmp_path, address):
    from hotori.problems import Problem

    program = Program(tmp_path / "cloud", "cloud", "serve", "--listen", address, "--https-port", "443")
    with socket.create_server((address, 443)), pytest.raises(Problem) as met:
        program.start()
    assert met.value.code == "program-ended"
    assert any("port-in-use" in line for line in met.value.evidence)
