"""Every metric that the code names is on the page about metrics, in both languages."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = (
    "hub/hub_metrics.py",
    "hub/upstream_metrics.py",
    "hub/process_metrics.py",
    "hub/service_api/metrics.py",
    "edge/agent_metrics.py",
)
NAME = re.compile(r'"((?:hotori|edgehub|edgeAgent|edgeagent|process)_[A-Za-z_]+)"')


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_metric_is_on_the_page(language: str) -> None:
    named = {name for source in SOURCES for name in NAME.findall((ROOT / "src/hotori" / source).read_text("utf-8"))}
    assert len(named) > 30
    page = (ROOT / f"docs/{language}/metrics.md").read_text("utf-8")
    assert named <= set(re.findall(r"`(\w+)`", page))
