"""Run the benchmarks, print the table, write docs/benchmarks.md and build/bench.jsonl."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import agent, cloud, flat, fleet, hub, main_job, objects
from benchmarks.row import Benchmark, Row, table

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS: Mapping[str, Benchmark] = {
    "main-job": main_job.measure,
    "hub": hub.measure,
    "agent": agent.measure,
    "flat": flat.measure,
    "fleet": fleet.measure,
    "cloud": cloud.measure,
    "objects": objects.measure,
}


def _machine() -> str:
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return f"{os.cpu_count()} processors ({cpu}), Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}"


def _write(rows: list[Row], *, everything: bool) -> None:
    (ROOT / "build").mkdir(exist_ok=True)
    lines = "".join(f"{row.json_line()}\n" for row in rows)
    (ROOT / "build" / "bench.jsonl").write_text(lines, encoding="utf-8")
    if everything:
        reading = (ROOT / "benchmarks" / "reading.md").read_text(encoding="utf-8")
        text = (
            "# Benchmarks\n\nWritten by `make bench`. Each row was measured beside its peer in the same run; "
            f"trust the ratio more than the figures.\n\nMachine: {_machine()}.\n\n{table(rows)}\n\n{reading}"
        )
        (ROOT / "docs" / "benchmarks.md").write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", choices=sorted(BENCHMARKS), help="run one benchmark; docs/benchmarks.md stays as it is"
    )
    only = parser.parse_args().only
    rows: list[Row] = []
    for name, measure in BENCHMARKS.items():
        if only in (None, name):
            print(f"measuring {name} …", flush=True)
            rows.extend(asyncio.run(measure()))
    print(table(rows))
    _write(rows, everything=only is None)


if __name__ == "__main__":
    main()
