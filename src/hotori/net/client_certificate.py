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
import sys
from typing import Any

logger = logging.getLogger(__name__)

_Verdict = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p)


_ACCEPT = _Verdict(lambda _verified, _store: 1)


def ask_for_certificate(context: ssl.SSLContext) -> bool:
    """Let a listener's context ask for certificates and take any; whether this OpenSSL can be told so.

    Whoever reads `certificate_chain` must judge it. Where it cannot be told, nobody is asked, and a log line says so.
    """
    if sys.implementation.name != "cpython":
        logger.warning(
            "Devices cannot use certificates: how %s keeps its contexts is not known", sys.implementation.name
        )
        return False
    try:
        library = ctypes.CDLL(getattr(_ssl, "__file__", None))
        set_verify = library.SSL_CTX_set_verify
    except (OSError, AttributeError) as error:
        logger.warning("Devices cannot use certificates: this Python's OpenSSL is out of reach (%s)", error)
        return False
    context.verify_mode = ssl.CERT_OPTIONAL
    set_verify.argtypes, set_verify.restype = [ctypes.c_void_p, ctypes.c_int, _Verdict], None
    # The first member of CPython's context object, behind the object's own head, is OpenSSL's context.
    inner = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
    set_verify(inner, int(ssl.CERT_OPTIONAL), _ACCEPT)
    return True


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
