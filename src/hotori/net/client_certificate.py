"""Asking clients for a certificate without judging it (see docs/adr, "Certificates of devices").

A device may be known by the hash of a certificate that it signed itself. TLS as Python offers it either asks
nobody, or ends the handshake of everybody whose certificate no authority vouches for. OpenSSL can do what is
needed here: ask, let the client prove that it holds the key, and leave the rest to the program.
"""

from __future__ import annotations

import _ssl
import ctypes
import logging
import ssl
import subprocess
import sys
import sysconfig
from typing import Any

KNOWN = ((3, 11), (3, 12), (3, 13))
"""Versions of CPython whose contexts begin as is assumed here: handshakes were seen. Others are tried out in a process
of its own first, which may crash."""
_TRIAL_SECONDS = 20.0
_TRIAL = "import ssl, hotori.net.client_certificate as c; c.tell_openssl(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))"

logger = logging.getLogger(__name__)

_Verdict = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p)


_ACCEPT = _Verdict(lambda _verified, _store: 1)


class OutOfReachError(Exception):
    """OpenSSL cannot be told to take any certificate; the text says why."""


def ask_for_certificate(context: ssl.SSLContext) -> bool:
    """Let a listener's context ask for certificates and take any; whether this OpenSSL can be told so.

    Whoever reads `certificate_chain` must judge it. Where it cannot be told, nobody is asked, and a log line says so.
    """
    try:
        if not _known():
            _try_out()
        tell_openssl(context)
    except OutOfReachError as error:
        logger.warning("Devices cannot use certificates: %s", error)
        return False
    return True


def tell_openssl(context: ssl.SSLContext) -> None:
    """Set it, once it is sure that we talk to the OpenSSL that the context is of. Raises OutOfReachError."""
    if sys.implementation.name != "cpython":
        raise OutOfReachError(f"how {sys.implementation.name} keeps its contexts is not known")
    library = _library()
    # The first member of CPython's context object, behind the object's own head, is OpenSSL's context.
    inner = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
    before = context.verify_mode
    for mode in (ssl.CERT_NONE, ssl.CERT_OPTIONAL):
        context.verify_mode = mode
        if library.SSL_CTX_get_verify_mode(inner) != int(mode):
            context.verify_mode = before
            raise OutOfReachError("this Python keeps its contexts in another way than is known")
    library.SSL_CTX_set_verify(inner, int(ssl.CERT_OPTIONAL), _ACCEPT)


def _library() -> ctypes.CDLL:
    """The OpenSSL that `ssl` uses: there may be others in the process."""
    try:
        library = ctypes.CDLL(getattr(_ssl, "__file__", None))
        version, get, tell = library.OpenSSL_version, library.SSL_CTX_get_verify_mode, library.SSL_CTX_set_verify
    except (OSError, AttributeError) as error:
        raise OutOfReachError(f"this Python's OpenSSL is out of reach ({error})") from error
    version.argtypes, version.restype = [ctypes.c_int], ctypes.c_char_p
    if (found := version(0).decode()) != ssl.OPENSSL_VERSION:
        raise OutOfReachError(f"this Python uses {ssl.OPENSSL_VERSION}, and {found} is within reach")
    get.argtypes, get.restype = [ctypes.c_void_p], ctypes.c_int
    tell.argtypes, tell.restype = [ctypes.c_void_p, ctypes.c_int, _Verdict], None
    return library


def _known() -> bool:
    return sys.version_info[:2] in KNOWN and not sysconfig.get_config_var("Py_GIL_DISABLED")


def _try_out() -> None:
    """Do it in another process. Raises OutOfReachError where that one does not end well."""
    command = [sys.executable, "-c", _TRIAL]
    try:
        tried = subprocess.run(command, capture_output=True, timeout=_TRIAL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OutOfReachError(f"it could not be tried out with this Python ({error})") from error
    if tried.returncode:
        said = tried.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise OutOfReachError(
            f"a trial with Python {sys.version.split()[0]} ended with {tried.returncode} ({said or 'no words'})"
        )


def certificate_chain(ssl_object: Any) -> tuple[bytes, ...]:
    """What a client showed in the handshake, in DER, its own certificate first; empty where it showed none.

    That it holds the key of the first is proven; nothing else is. Takes `get_extra_info("ssl_object")`, or None.
    """
    own = ssl_object.getpeercert(True) if ssl_object is not None else None
    if own is None:
        return ()
    others = [item for item in _sent_chain(ssl_object) if item != own]
    return (own, *others)


def _sent_chain(ssl_object: Any) -> list[bytes]:
    if hasattr(ssl_object, "get_unverified_chain"):  # public from Python 3.13 on
        return list(ssl_object.get_unverified_chain())
    chain = ssl_object._sslobj.get_unverified_chain() or []  # noqa: SLF001 - there is no other way before that
    return [item.public_bytes(_ssl.ENCODING_DER) for item in chain if item is not None]
