"""The authority in a process of its own: the same files, and nothing loaded for them here."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from hotori.net.authority import LEAF_LIFE, Authority
from hotori.net.authority_apart import AuthorityApart, serves
from hotori.net.certificates import ServerCertificate
from hotori.problems import Problem

NAMES = ("127.0.0.1", "localhost")


def leaf(issued: ServerCertificate) -> x509.Certificate:
    return x509.load_pem_x509_certificate(issued.cert_path.read_bytes())


def test_what_is_made_apart_is_what_the_authority_itself_has(tmp_path: Path) -> None:
    apart = AuthorityApart.open(tmp_path)
    issued = apart.issue_server(NAMES)
    here = Authority.open(tmp_path)

    assert apart.pem == here.pem
    assert here.issue_server(NAMES) == issued
    assert serves(issued, apart.certificate, NAMES[0])


def test_a_certificate_that_serves_is_left_as_it_is(tmp_path: Path) -> None:
    apart = AuthorityApart.open(tmp_path)
    before = leaf(apart.issue_server(NAMES))
    assert leaf(apart.issue_server(NAMES)) == before


def test_a_certificate_that_ends_soon_is_renewed(tmp_path: Path) -> None:
    two_thirds_ago = time.time() - (LEAF_LIFE * 2 / 3 + timedelta(days=1)).total_seconds()
    before = leaf(Authority.open(tmp_path, lambda: two_thirds_ago).issue_server(NAMES))
    assert leaf(AuthorityApart.open(tmp_path).issue_server(NAMES)) != before


@pytest.mark.parametrize("spoilt", ["the key of another", "another root", "no certificate", "another name"])
def test_a_certificate_that_no_client_would_take_does_not_serve(tmp_path: Path, spoilt: str) -> None:
    authority, other = Authority.open(tmp_path / "a"), Authority.open(tmp_path / "b")
    issued, root, name = authority.issue_server(NAMES), authority.certificate, NAMES[0]
    match spoilt:
        case "the key of another":
            issued.key_path.write_bytes(other.issue_server(NAMES).key_path.read_bytes())
        case "another root":
            root = other.certificate
        case "no certificate":
            issued.cert_path.write_text("nothing")
        case _:
            name = "192.0.2.1"
    assert not serves(issued, root, name)


def test_what_keeps_a_certificate_from_being_made_is_told_as_the_authority_tells_it(tmp_path: Path) -> None:
    apart = AuthorityApart.open(tmp_path)
    (tmp_path / "root.key").write_text("nothing")
    with pytest.raises(ValueError, match="PEM"):
        apart.issue_server(NAMES)


def test_a_disk_that_takes_nothing_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "root.key").mkdir()  # where the root's key is to be put
    with pytest.raises(Problem) as raised:
        AuthorityApart.open(tmp_path)
    assert raised.value.code == "disk-failed"
