from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hotori.net.address import is_loopback
from hotori.net.ports import bind, bind_unix
from hotori.problems import Problem
from hotori.testing.addresses import loopback_address


def test_a_bound_port_takes_connections_at_once() -> None:
    with bind("127.0.0.1", 0, "hub") as listener, socket.create_connection(listener.getsockname()):
        pass


async def test_what_is_accepted_waits_for_no_acknowledgement_before_it_sends_on() -> None:
    """Else the second part of each answer comes 40 ms late."""
    accepted: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    listener = bind("127.0.0.1", 0, "hub")
    async with await asyncio.start_server(accept, sock=listener):
        _, writer = await asyncio.open_connection(*listener.getsockname())
        assert await asyncio.wait_for(accepted, 30)
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("other", ["127.0.0.1", "0.0.0.0"])  # noqa: S104
def test_a_taken_port_names_the_program_that_has_it(other: str) -> None:
    with bind("127.0.0.1", 0, "hub") as listener:
        with pytest.raises(Problem) as met:
            bind(other, listener.getsockname()[1], "portal")
        command = Path("/proc/self/comm").read_text().strip()
        assert met.value.code == "port-in-use"
        assert met.value.values["owner"] == f"pid {os.getpid()} ({command})"
        assert met.value.values["service"] == "portal"


def test_a_taken_port_is_found_on_ipv6_too() -> None:
    with bind("::1", 0, "hub") as listener:
        with pytest.raises(Problem) as met:
            bind("::1", listener.getsockname()[1], "hub")
        assert f"pid {os.getpid()}" in met.value.values["owner"]


def test_a_low_port_needs_a_right_that_is_named() -> None:
    """In a network of its own, where the system's usual rule holds, without the right to bind low ports."""
    inside = shutil.which("unshare"), shutil.which("setpriv")
    if os.getuid() != 0 or None in inside:
        pytest.skip("taking the right away needs root, unshare and setpriv")
    program = (
        "from hotori.net.ports import bind\n"
        "from hotori.problems import Problem\n"
        "try:\n    bind('0.0.0.0', 443, 'hub')\n"
        "except Problem as problem:\n    print(problem.code)\n"
    )
    right = "-net_bind_service"
    command = [
        "unshare",
        "--net",
        "setpriv",
        "--bounding-set",
        right,
        "--inh-caps",
        right,
        sys.executable,
        "-c",
        program,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "port-forbidden\n", done.stderr


def test_the_same_port_on_another_loopback_address_is_free() -> None:
    with bind("127.0.0.1", 0, "hub") as first, bind(loopback_address(), first.getsockname()[1], "hub"):
        pass


LOW_PORTS_BEGIN = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


WITHOUT_PRIVILEGES = """
import encodings.idna, os
from hotori.net.ports import bind
from hotori.problems import Problem
if os.geteuid() == 0:
    os.setgroups([])
    os.setuid(65534)
try:
    bind("127.0.0.1", 443, "hub")
except Problem as problem:
    print(problem.code)
"""


@pytest.mark.skipif(int(LOW_PORTS_BEGIN.read_text()) <= 443, reason="this machine opens low ports to everybody")
def test_a_low_port_needs_more_rights() -> None:
    child = subprocess.run([sys.executable, "-c", WITHOUT_PRIVILEGES], capture_output=True, text=True, check=True)
    assert child.stdout == "port-forbidden\n"


@pytest.mark.parametrize("address", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_a_problem(address: str) -> None:
    with pytest.raises(Problem) as met:
        bind(address, 0, "hub")
    assert met.value.code == "address-unavailable"


def test_a_unix_socket_takes_the_place_of_one_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "workload.sock"
    bind_unix(path).close()
    with bind_unix(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_unix_path_that_is_too_long_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(Problem) as met:
        bind_unix(tmp_path / ("x" * 120))
    assert met.value.code == "address-unavailable"


@pytest.mark.parametrize(
    ("address", "answer"),
    [("127.0.0.1", True), ("127.9.8.7", True), ("::1", True), ("localhost", True), ("192.0.2.1", False), ("x", False)],
)
def test_only_what_stays_on_the_machine_is_loopback(address: str, answer: bool) -> None:
    assert is_loopback(address) is answer
