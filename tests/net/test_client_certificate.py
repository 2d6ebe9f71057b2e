"""Asking clients for any certificate, with the Pythons that are here (contract 1.1, 1.3; ADR 15)."""

from __future__ import annotations

import ctypes
import logging
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

import hotori
from hotori.net import client_certificate
from hotori.net.authority import Authority
from hotori.net.client_certificate import OutOfReachError, ask_for_certificate, tell_openssl
from hotori.testing.certificates import Signer

HANDSHAKE = """
import ssl, sys
sys.path.insert(0, sys.argv[1])
from hotori.net.client_certificate import ask_for_certificate, certificate_chain

def shaken(show, version):
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(sys.argv[2], sys.argv[3])
    assert ask_for_certificate(server)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.minimum_version = client.maximum_version = version
    if show:
        client.load_cert_chain(sys.argv[4], sys.argv[5])
    wires = [ssl.MemoryBIO() for _ in range(4)]
    ends = [server.wrap_bio(wires[0], wires[1], server_side=True), client.wrap_bio(wires[2], wires[3])]
    for _ in range(10):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
        wires[0].write(wires[3].read())
        wires[2].write(wires[1].read())
    return len(certificate_chain(ends[0]))

for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
    print(shaken(True, version), shaken(False, version), end=" ")
"""


def pythons() -> list[str]:
    """This one, and those that are installed beside it."""
    beside = [path for minor in range(11, 20) if (path := installed(f"3.{minor}"))]
    return [sys.executable, *beside]


def installed(version: str) -> str | None:
    built = map(str, Path.home().glob(f".pyenv/versions/{version}*/bin/python"))
    for path in (shutil.which(f"python{version}"), *built):
        if path and not subprocess.run([path, "-c", "import ssl"], capture_output=True, check=False).returncode:
            return path
    return None


@pytest.mark.parametrize("python", pythons())
def test_any_certificate_is_taken_and_none_is_demanded(python: str, tmp_path: Path) -> None:
    """1.1: asked for, not required; in both versions of TLS, whoever signed it"""
    issued = Authority.open(tmp_path / "authority").issue_server(["127.0.0.1"])
    shown = Signer.self_signed("dev-1").write(tmp_path, "client")
    here = str(Path(hotori.__file__).parent.parent)
    files = [str(path) for path in (issued.cert_path, issued.key_path, *shown)]
    done = subprocess.run([python, "-c", HANDSHAKE, here, *files], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 0 1 0 ", "")


def test_a_python_that_is_not_known_is_tried_out_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_certificate, "KNOWN", ())
    assert ask_for_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


def test_a_trial_that_crashes_is_said_and_nobody_is_asked(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """1.1: devices with keys are served all the same"""
    monkeypatch.setattr(client_certificate, "KNOWN", ())
    monkeypatch.setattr(client_certificate, "_TRIAL", "import ctypes; ctypes.string_at(1)")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with caplog.at_level(logging.WARNING):
        assert not ask_for_certificate(context)
    assert context.verify_mode is ssl.CERT_NONE
    assert "Devices cannot use certificates: a trial with Python" in caplog.text
    assert "ended with -11" in caplog.text


def test_another_openssl_than_that_of_the_contexts_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssl, "OPENSSL_VERSION", "OpenSSL 9.9.9")
    with pytest.raises(OutOfReachError, match=r"this Python uses OpenSSL 9\.9\.9, and OpenSSL"):
        tell_openssl(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


def test_an_openssl_without_the_functions_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    with pytest.raises(OutOfReachError, match="out of reach"):
        tell_openssl(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


def test_a_context_that_is_kept_otherwise_is_left_as_it_was() -> None:
    """Here: one whose first member is another context's"""

    class Wrapped(ssl.SSLContext):
        verify_mode = ssl.CERT_REQUIRED  # what Python says of it and what OpenSSL has differ

    context = Wrapped(ssl.PROTOCOL_TLS_SERVER)
    with pytest.raises(OutOfReachError, match="in another way"):
        tell_openssl(context)
