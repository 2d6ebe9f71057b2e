"""The peer of the main job: the same work with a broker people use and nothing between.

A mosquitto broker on loopback (no TLS, nothing durable), a process that classifies what it is sent with bare ONNX
Runtime, and this process as camera and receiver, all at QoS 1.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import paho.mqtt.client as paho

from benchmarks.bare import BareClassifier

PICTURES, PREDICTIONS = "pictures", "predictions"
MOSQUITTO = "/usr/sbin/mosquitto"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def _process(*command: str) -> Iterator[None]:
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        child.terminate()
        child.wait()


def _connect(port: int) -> paho.Client:
    client = paho.Client()
    deadline = time.monotonic() + 10
    while True:
        try:
            client.connect("127.0.0.1", port)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return client


def classify(port: int, model: Path) -> None:
    """The classifier's process: for ever, a prediction for each picture."""
    classifier = BareClassifier(model)
    client = _connect(port)

    def answer(_: paho.Client, __: object, message: paho.MQTTMessage) -> None:
        client.publish(PREDICTIONS, json.dumps(classifier.probabilities(message.payload)), qos=1)

    client.on_message = answer
    client.subscribe(PICTURES, qos=1)
    client.publish(PREDICTIONS, b"ready", qos=1)
    client.loop_forever()


def _delays(pictures: Sequence[bytes], model: Path, interval: float) -> list[float]:
    port = _free_port()
    arrivals: list[float] = []
    with _process(MOSQUITTO, "-p", str(port)):
        client = _connect(port)
        client.on_message = lambda *_: arrivals.append(time.monotonic())
        client.subscribe(PREDICTIONS, qos=1)
        client.loop_start()
        with _process(sys.executable, "-m", "benchmarks.mosquitto_pipeline", str(port), str(model)):
            _await(arrivals, 1)
            delays = []
            for number, picture in enumerate(pictures, start=2):
                sent = time.monotonic()
                client.publish(PICTURES, picture, qos=1)
                _await(arrivals, number)
                delays.append(arrivals[-1] - sent)
                time.sleep(interval)
        client.disconnect()
        client.loop_stop()
    return delays


def _await(arrivals: list[float], count: int, within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while len(arrivals) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"prediction {count} did not arrive")
        time.sleep(0.0005)


async def delays(pictures: Sequence[bytes], model: Path, interval: float) -> list[float]:
    """Seconds from publishing each picture to its prediction's arrival."""
    return await asyncio.to_thread(_delays, pictures, model, interval)


if __name__ == "__main__":
    classify(int(sys.argv[1]), Path(sys.argv[2]))
