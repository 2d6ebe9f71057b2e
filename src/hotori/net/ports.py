"""Taking a port before anything else starts, so that a port that cannot be had is said at once and in full."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path

from hotori.problems import Problem
from hotori.problems.network import ADDRESS_UNAVAILABLE, PORT_FORBIDDEN, PORT_IN_USE

_BACKLOG = 1024
_HTTPS, _HTTPS_UNPRIVILEGED = 443, 8443
_LISTENING = "0A"
_IP_FREEBIND = 15  # ip(7); Python does not name it


def bind(address: str, port: int, service: str, *, ahead: bool = False) -> socket.socket:
    """A listening socket of ours (port 0 takes a free one); `service` names it in problems.

    `ahead` takes an address that this machine does not have yet, as that of a network whose interface comes with
    its first container.

    Raises `port-in-use` (naming the owner, where /proc tells), `port-forbidden` and `address-unavailable`.
    """
    family, target = _resolve(address, port)
    # Only where the protocol is named asyncio lets what it accepts send without waiting for acknowledgements.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ahead:
            listener.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        listener.bind(target)
        # Two sockets may be bound to one port until one of them listens: only then is it ours.
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise _problem(error, address, port, service) from error
    return listener


def bind_https(address: str, port: int | None, service: str, *, ahead: bool = False) -> socket.socket:
    """As `bind`, of the port asked for; without one it is 443, and 8443 where 443 is taken or not allowed."""
    if port is not None:
        return bind(address, port, service, ahead=ahead)
    try:
        return bind(address, _HTTPS, service, ahead=ahead)
    except Problem as problem:
        if problem.kind not in (PORT_FORBIDDEN, PORT_IN_USE):
            raise
        return bind(address, _HTTPS_UNPRIVILEGED, service, ahead=ahead)


def port_of(listener: socket.socket) -> int:
    """The port of a socket that is bound."""
    return int(listener.getsockname()[1])


def bind_unix(path: Path) -> socket.socket:
    """A listening Unix socket at `path`; what a former process left there is removed.

    Raises `address-unavailable` where the path is too long (107 bytes) or its folder cannot be written.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise Problem(ADDRESS_UNAVAILABLE, str(error), address=path) from error
    return listener


def _resolve(address: str, port: int) -> tuple[int, tuple[str, int] | tuple[str, int, int, int]]:
    try:
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise Problem(ADDRESS_UNAVAILABLE, str(error), address=address) from error
    family, _, _, _, target = found[0]
    return family, target  # type: ignore[return-value]  # the other forms are of families that TCP does not have


def _problem(error: OSError, address: str, port: int, service: str) -> Problem:
    match error.errno:
        case errno.EADDRINUSE:
            owner = port_owner(address, port)
            return Problem(PORT_IN_USE, str(error), address=address, port=port, service=service, owner=owner)
        case errno.EACCES | errno.EPERM:
            return Problem(PORT_FORBIDDEN, str(error), port=port)
        case _:
            return Problem(ADDRESS_UNAVAILABLE, str(error), address=address)


def port_owner(address: str, port: int) -> str:
    """Who listens there, as `pid 71 (nginx)`, or `unknown`: other people's processes do not show their files."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(address, port)}
    for process in Path("/proc").glob("[0-9]*"):
        if sockets & _open_files(process):
            return f"pid {process.name} ({_command_name(process)})"
    return "unknown"


def _listening_inodes(address: str, port: int) -> Iterator[str]:
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            fields = line.split()
            local, state, inode = fields[1], fields[3], fields[9]
            host, _, number = local.partition(":")
            if state == _LISTENING and int(number, 16) == port and _overlaps(_decode(host), address):
                yield inode


def _decode(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The kernel prints addresses as 32-bit words in the machine's order, which is little-endian wherever we run."""
    words = bytes.fromhex(text)
    return ipaddress.ip_address(b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4)))


def _overlaps(taken: ipaddress.IPv4Address | ipaddress.IPv6Address, wanted: str) -> bool:
    try:
        address = ipaddress.ip_address(wanted)
    except ValueError:
        return True
    return taken == address or taken.is_unspecified or address.is_unspecified


def _open_files(process: Path) -> set[str]:
    found: set[str] = set()
    try:
        for descriptor in (process / "fd").iterdir():
            found.add(str(descriptor.readlink()))
    except OSError:
        # The process ended meanwhile, or is not ours to look into.
        return found
    return found


def _command_name(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "unknown"
