"""What an edge device's program is made of: it has to be small."""

from __future__ import annotations

import subprocess
import sys

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
