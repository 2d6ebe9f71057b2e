"""Secrets do not show."""

import pytest

from hotori.model.connection_string import IdentityConnection, ServiceConnection, StorageConnection
from hotori.model.manifest import RegistryCredential
from hotori.model.sas import SasToken
from hotori.model.secret import Secret


def test_a_secret_hides_in_repr_str_and_format() -> None:
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {secret!s}"
    assert secret.reveal() == "hunter2"


@pytest.mark.parametrize(
    "holder",
    [
        IdentityConnection.parse("HostName=h;DeviceId=d;SharedAccessKey=hunter2"),
        ServiceConnection.parse("HostName=h;SharedAccessKeyName=p;SharedAccessKey=hunter2"),
        StorageConnection.parse("AccountName=a;AccountKey=hunter2;BlobEndpoint=http://h/a"),
        RegistryCredential("h", "u", Secret("hunter2")),
        SasToken.parse("SharedAccessSignature sr=a&sig=hunter2&se=1"),
    ],
)
def test_whatever_holds_a_secret_hides_it_too(holder: object) -> None:
    assert "hunter2" not in repr(holder)
    assert "hunter2" not in str(holder)


def test_secrets_compare_by_their_text() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert {Secret("a"), Secret("a")} == {Secret("a")}
    assert bool(Secret("a"))
    assert not Secret("")
