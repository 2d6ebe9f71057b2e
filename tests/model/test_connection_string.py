"""Connection strings: one line that says where and as whom."""

import pytest

from hotori.model.connection_string import IdentityConnection, ServiceConnection, StorageConnection
from hotori.model.identity import Identity
from hotori.problems import Problem


def test_a_devices_line() -> None:
    found = IdentityConnection.parse("HostName=hub.example.net;DeviceId=edge-1;SharedAccessKey=YWJj=")
    assert (found.host, found.identity, found.gateway) == ("hub.example.net", Identity("edge-1"), None)
    assert found.key.reveal() == "YWJj="


def test_a_modules_line_through_a_gateway() -> None:
    line = "HostName=h;DeviceId=d;ModuleId=m;SharedAccessKey=YWJj;GatewayHostName=edge.local"
    found = IdentityConnection.parse(line)
    assert (found.identity, found.gateway) == (Identity("d", "m"), "edge.local")
    assert IdentityConnection.parse(found.format()) == found


def test_a_services_line() -> None:
    line = "HostName=127.0.0.1:8443;SharedAccessKeyName=iothubowner;SharedAccessKey=YWJj"
    found = ServiceConnection.parse(line)
    assert (found.host, found.policy) == ("127.0.0.1:8443", "iothubowner")
    assert found.format() == line


def test_a_storages_line_with_its_address() -> None:
    line = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5==;BlobEndpoint=http://127.0.0.1:10000/a/;"
    found = StorageConnection.parse(line)
    assert (found.account, found.endpoint, found.key.reveal()) == ("a", "http://127.0.0.1:10000/a", "a2V5==")
    assert StorageConnection.parse(found.format()) == found


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        ("", "HostName and DeviceId and SharedAccessKey must be there"),
        ("HostName=h;DeviceId=d", "SharedAccessKey must be there"),
        ("HostName=h;DeviceId;SharedAccessKey=k", "One part has no name or no value"),
        ("HostName=;DeviceId=d;SharedAccessKey=k", "One part has no name or no value"),
        ("hunter2", "One part has no name or no value"),
    ],
)
def test_a_line_that_cannot_be_read_is_a_problem_that_does_not_repeat_it(line: str, detail: str) -> None:
    with pytest.raises(Problem) as met:
        IdentityConnection.parse(line)
    assert met.value.code == "connection-string-malformed"
    assert detail in met.value.cause()
    assert "hunter2" not in str(met.value.document())


def test_spaces_and_a_line_end_around_it_do_no_harm() -> None:
    assert IdentityConnection.parse(" HostName=h;DeviceId=d;SharedAccessKey=k;\n").key.reveal() == "k"
