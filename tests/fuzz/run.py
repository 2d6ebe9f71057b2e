"""The coverage-guided fuzzer over every target in turn: `python -m tests.fuzz.run --seconds 60 [--only NAME]`.

Runs in an environment of its own (`make fuzz`). What breaks a target is left in build/fuzz-findings/TARGET; put it
into tests/fuzz/corpus/TARGET as NAME.bin once it is mended, and it is tried in every run of the tests.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FINDINGS = ROOT / "build" / "fuzz-findings"
CORPUS = ROOT / "build" / "fuzz-corpus"
KEPT = Path(__file__).parent / "corpus"
SEEDS = Path(__file__).parent / "seeds"
"""Good input to begin with, where a fuzzer that begins with nothing would take long to find any."""


def fuzz_one(name: str, seconds: int) -> None:
    """Never returns: the engine ends the process, with 0 where nothing was found."""
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["hotori"]):
        targets = importlib.import_module("tests.fuzz.targets").TARGETS
    findings, corpus = FINDINGS / name, CORPUS / name
    for folder in (findings, corpus):
        folder.mkdir(parents=True, exist_ok=True)
    limits = [f"-max_total_time={seconds}", "-max_len=8192", "-timeout=10", "-rss_limit_mb=1024", "-verbosity=0"]
    folders = [str(corpus), *(str(each / name) for each in (KEPT, SEEDS) if (each / name).is_dir())]
    options = [*limits, "-print_final_stats=1", f"-artifact_prefix={findings}/"]
    atheris.Setup([sys.argv[0], *options, *folders], targets[name])
    atheris.Fuzz()


def names() -> list[str]:
    """The targets, in the order of their file, without importing what is to be instrumented."""
    text = (Path(__file__).parent / "targets.py").read_text(encoding="utf-8")
    return [
        line.strip(" ,") for line in text.rpartition("for target in (")[2].splitlines()[1:] if line.startswith("  ")
    ][:-1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--only", help="one target, in this process")
    asked = parser.parse_args()
    if asked.only:
        fuzz_one(asked.only, asked.seconds)
    broken = []
    for name in names():
        command = [sys.executable, "-m", "tests.fuzz.run", "--only", name, "--seconds", str(asked.seconds)]
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, errors="replace")
        executed = next((line for line in done.stderr.splitlines() if "number_of_executed_units" in line), "")
        sys.stdout.write(
            f"{name}: {'BROKEN' if done.returncode else 'ok'} {executed.rpartition(':')[2].strip()} runs\n"
        )
        if done.returncode:
            broken.append(name)
            sys.stdout.write(done.stderr[-3000:] + done.stdout[-3000:])
        sys.stdout.flush()
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
