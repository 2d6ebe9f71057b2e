"""`hotori metrics`: samples as text and as JSON, from a real listener."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator

import pytest

from hotori.cli.main import main
from hotori.edge.metrics import metrics_app
from hotori.hub.metrics import Family, Kind
from hotori.net.http import HttpServer
from hotori.net.ports import bind


@pytest.fixture
def url() -> Iterator[str]:
    """A device's metrics, served in a thread of its own: the command has its own loop."""
    listener = bind("127.0.0.1", 0, "metrics")
    one, two = Family("one_total", Kind.COUNTER, "x").add(1, id='a"b'), Family("two", Kind.GAUGE, "y").add(2.5)
    ready, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def families() -> list[Family]:
        return [one, two]

    async def serve() -> None:
        async with HttpServer(metrics_app(families, {"edge_device": "edge-1"}), listener):
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(10)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/metrics"
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()


def test_metrics_are_shown_as_text_or_json(capsys, url):
    assert main(["metrics", "--url", url, "--only", "two"]) == 0
    assert capsys.readouterr().out == '# HELP two y\n# TYPE two gauge\ntwo{edge_device="edge-1"} 2.5\n'
    assert main(["metrics", "--url", url, "--json"]) == 0
    first = json.loads(capsys.readouterr().out)[0]
    assert first == {"name": "one_total", "labels": {"edge_device": "edge-1", "id": 'a"b'}, "value": 1.0}


def test_metrics_that_cannot_be_had_are_a_problem(capsys):
    with bind("127.0.0.1", 0, "nobody") as taken:
        port = taken.getsockname()[1]
    assert main(["metrics", "--url", f"http://127.0.0.1:{port}/metrics", "--json"]) == 1
    assert "problem" in json.loads(capsys.readouterr().err)
