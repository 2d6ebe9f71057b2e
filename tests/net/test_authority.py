from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from hotori.net.authority import LEAF_LIFE, ROOT_LIFE, Authority

START = datetime(2027, 1, 1, tzinfo=UTC).timestamp()


class Clock:
    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def pass_by(self, time: timedelta) -> None:
        self.now += time.total_seconds()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authority(tmp_path: Path, clock: Clock) -> Authority:
    return Authority.open(tmp_path / "authority", clock)


def leaf(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_the_root_is_made_once_and_its_key_is_for_its_owner_only(tmp_path: Path, clock: Clock) -> None:
    first = Authority.open(tmp_path, clock).pem
    assert Authority.open(tmp_path, clock).pem == first
    assert stat.S_IMODE((tmp_path / "root.key").stat().st_mode) == 0o600


def test_names_and_addresses_become_entries_of_their_own_kind(authority: Authority) -> None:
    issued = authority.issue_server(["edge.example", "127.0.0.1", "::1"])
    names = leaf(issued.cert_path).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["edge.example"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


def test_the_chain_file_holds_the_leaf_and_then_the_root(authority: Authority) -> None:
    issued = authority.issue_server(["hub"])
    chain = x509.load_pem_x509_certificates(issued.cert_path.read_bytes())
    root = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
    assert chain[1] == root
    chain[0].verify_directly_issued_by(root)
    assert stat.S_IMODE(issued.key_path.stat().st_mode) == 0o600


def test_the_same_names_get_the_same_certificate_again(tmp_path: Path, clock: Clock) -> None:
    first = leaf(Authority.open(tmp_path, clock).issue_server(["hub", "127.0.0.1"]).cert_path)
    again = leaf(Authority.open(tmp_path, clock).issue_server(["hub", "127.0.0.1"]).cert_path)
    assert first == again


def test_other_names_get_another_certificate(authority: Authority) -> None:
    assert leaf(authority.issue_server(["hub"]).cert_path) != leaf(authority.issue_server(["hub", "cloud"]).cert_path)


def test_a_certificate_near_its_end_is_issued_anew(authority: Authority, clock: Clock) -> None:
    first = leaf(authority.issue_server(["hub"]).cert_path)
    clock.pass_by(LEAF_LIFE / 2)
    assert leaf(authority.issue_server(["hub"]).cert_path) == first
    clock.pass_by(LEAF_LIFE / 4)
    renewed = leaf(authority.issue_server(["hub"]).cert_path)
    assert renewed.not_valid_after_utc > first.not_valid_after_utc


def test_no_certificate_outlives_its_issuer(authority: Authority, clock: Clock) -> None:
    clock.pass_by(ROOT_LIFE - timedelta(days=30))
    issued = authority.issue_server(["hub"])
    root = leaf(authority.certificate)
    assert leaf(issued.cert_path).not_valid_after_utc == root.not_valid_after_utc
    assert leaf(authority.issue_server(["hub"]).cert_path) == leaf(issued.cert_path)


def test_a_key_that_does_not_belong_to_its_certificate_is_replaced(authority: Authority) -> None:
    issued, other = authority.issue_server(["hub"]), authority.issue_server(["other"])
    issued.key_path.write_bytes(other.key_path.read_bytes())
    before = leaf(issued.cert_path)
    assert leaf(authority.issue_server(["hub"]).cert_path) != before
