"""The real client (azure-storage-blob) at work on object stores, in a process of its own.

`python -m benchmarks.blob_load ORDER`, where ORDER is the JSON of `Order`, prints the figures of each store as JSON.
The stores take turns, so that whatever else the machine does meets them alike; a figure is the median of its rounds.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from io import BytesIO

import msgspec
from azure.storage.blob import BlobServiceClient, ContainerClient

from hotori.sdk.program import cpu_seconds

MIB = 1024**2


class Effort(msgspec.Struct, frozen=True):
    """How much: rounds of each figure, and what one round moves."""

    rounds: int = 5
    large: int = 16
    """Blobs of 8 MiB in a round."""
    by_blocks: int = 2
    """Blobs of 64 MiB in a round."""
    small: int = 100
    """Blobs of 100 KiB in a round."""
    listed: int = 5000
    """Blobs in the container that is listed."""


class Store(msgspec.Struct, frozen=True):
    """Where a store is, and the process whose time is taken."""

    connection: str
    pid: int


class Order(msgspec.Struct, frozen=True):
    stores: tuple[Store, ...]
    effort: Effort


class Figures(msgspec.Struct, frozen=True):
    """Megabytes a second; processor milliseconds of the server for one upload or listing; seconds of a listing."""

    upload: float
    upload_by_4: float
    upload_by_blocks: float
    download: float
    small_a_second: float
    small_cpu_ms: float
    large_cpu_ms: float
    list_seconds: float
    list_cpu_ms: float


@dataclass(slots=True)
class Seen:
    """What rounds came to."""

    amount: list[float] = field(default_factory=list)
    """Operations a second."""
    cpu: list[float] = field(default_factory=list)
    """Processor seconds of the server for one operation."""

    @property
    def rate(self) -> float:
        return statistics.median(self.amount)

    @property
    def cpu_ms(self) -> float:
        return statistics.median(self.cpu) * 1000

    @contextmanager
    def taking(self, pid: int, count: int) -> Iterator[None]:
        began, used = time.perf_counter(), cpu_seconds(pid)
        yield
        self.amount.append(count / (time.perf_counter() - began))
        self.cpu.append((cpu_seconds(pid) - used) / count)


class Bench:
    """One store, with a container of its own and what was seen of it so far."""

    def __init__(self, store: Store, effort: Effort, stack: ExitStack) -> None:
        self._pid, self._effort = store.pid, effort
        self._large, self._small = os.urandom(8 * MIB), os.urandom(100 * 1024)
        self._huge = os.urandom(64 * MIB)
        # Blocks of 4 MiB for what is larger than the limit, which is 64 MiB by default.
        service = stack.enter_context(
            BlobServiceClient.from_connection_string(store.connection, max_single_put_size=32 * MIB)
        )
        self._container = service.create_container(f"load-{uuid.uuid4().hex}")
        self._listed = service.create_container(f"list-{uuid.uuid4().hex}")
        self._threads = stack.enter_context(ThreadPoolExecutor(4))
        self.seen = {name: Seen() for name in ("upload", "upload_by_4", "by_blocks", "download", "small", "list")}

    def prepare(self) -> None:
        """Fill the container that is listed, and let connections and caches come to be."""
        names = [f"cameras/line-{number % 7}/picture-{number:06}.jpg" for number in range(self._effort.listed)]
        list(self._threads.map(lambda name: self._put(self._listed, name, b"x" * 100), names))
        self._put(self._container, "warm-up", self._large)

    def rounds(self) -> Sequence[Callable[[], None]]:
        """Each figure's round, in order."""
        return (self._upload, self._upload_by_4, self._by_blocks, self._download, self._uploads_small, self._list)

    def figures(self) -> Figures:
        seen = self.seen
        return Figures(
            upload=seen["upload"].rate * 8 * MIB / 1e6,
            upload_by_4=seen["upload_by_4"].rate * 8 * MIB / 1e6,
            upload_by_blocks=seen["by_blocks"].rate * 64 * MIB / 1e6,
            download=seen["download"].rate * 8 * MIB / 1e6,
            small_a_second=seen["small"].rate,
            small_cpu_ms=seen["small"].cpu_ms,
            large_cpu_ms=seen["upload"].cpu_ms,
            list_seconds=1 / seen["list"].rate,
            list_cpu_ms=seen["list"].cpu_ms,
        )

    def _upload(self) -> None:
        names = self._names(self._effort.large)
        with self.seen["upload"].taking(self._pid, len(names)):
            for name in names:
                self._put(self._container, name, self._large)
        self._drop(names)

    def _upload_by_4(self) -> None:
        names = self._names(self._effort.large)
        with self.seen["upload_by_4"].taking(self._pid, len(names)):
            list(self._threads.map(lambda name: self._put(self._container, name, self._large), names))
        self._drop(names)

    def _by_blocks(self) -> None:
        names = self._names(self._effort.by_blocks)
        with self.seen["by_blocks"].taking(self._pid, len(names)):
            for name in names:
                self._container.upload_blob(name, BytesIO(self._huge), length=len(self._huge), max_concurrency=4)
        self._drop(names)

    def _download(self) -> None:
        with self.seen["download"].taking(self._pid, self._effort.large):
            for _ in range(self._effort.large):
                assert self._container.download_blob("warm-up").readall() == self._large

    def _uploads_small(self) -> None:
        names = self._names(self._effort.small)
        with self.seen["small"].taking(self._pid, len(names)):
            for name in names:
                self._put(self._container, name, self._small)
        self._drop(names)

    def _list(self) -> None:
        with self.seen["list"].taking(self._pid, 1):
            assert sum(1 for _ in self._listed.list_blobs()) == self._effort.listed

    def _put(self, container: ContainerClient, name: str, data: bytes) -> None:
        container.upload_blob(name, data)

    def _names(self, count: int) -> list[str]:
        """Names that nobody had before, as those of pictures are."""
        return [uuid.uuid4().hex for _ in range(count)]

    def _drop(self, names: Sequence[str]) -> None:
        for name in names:
            self._container.delete_blob(name)


def main() -> None:
    order = msgspec.json.decode(sys.argv[1], type=Order)
    with ExitStack() as stack:
        benches = [Bench(store, order.effort, stack) for store in order.stores]
        for bench in benches:
            bench.prepare()
        for _ in range(order.effort.rounds):
            for turns in zip(*(bench.rounds() for bench in benches), strict=True):
                for turn in turns:
                    turn()
        sys.stdout.buffer.write(msgspec.json.encode([bench.figures() for bench in benches]))


if __name__ == "__main__":
    main()
