"""What an edge device's program is made of: it has to be small."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hotori.sdk.program import Program
from hotori.testing.addresses import loopback_address
from tests.edge.test_main import an_enrolment

HEAVY = (
    "cryptography",
    "rich",
    "pygments",
    "aiohttp",
    "hotori.hub.rollouts",
    "hotori.hub.provisioning",
    "hotori.cloud",
)
"""What a device that stands idle has no use for; together they are 20 MB."""


def test_the_program_of_an_edge_device_loads_nothing_that_it_rarely_needs() -> None:
    script = (
        "import sys, hotori.cli.main, hotori.cli.edge, hotori.edge.main, hotori.edge.metrics\n"
        f"print(*[name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_device_that_has_made_its_certificates_has_not_loaded_what_makes_them(tmp_path: Path) -> None:
    ticket = tmp_path / "edge-1.json"
    an_enrolment(tmp_path).write(ticket)
    run = ("edge", "run", "--enrolment", str(ticket), "--listen", loopback_address(), "--no-metrics")
    with Program(tmp_path / "edge-1", *run) as program:
        loaded = Path(f"/proc/{program.pid}/maps").read_text()
        made = {path.suffix for path in (tmp_path / "edge-1" / "authority").glob("server-*")}
    assert made == {".pem", ".key"}
    assert "uvloop" in loaded
    assert "cryptography" not in loaded
