"""Time and memory of `make render` and `make diff` for all stacks: `python -m bench.review [--rounds 3] [--base HEAD] [--json FILE]`.

Memory is the greatest sum of what the process and all that it started hold at once. Exit code 1 where an aim is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
SECONDS, MEGABYTES = 15.0, 400.0
"""The aims, for all stacks with charts at hand."""
_INTERVAL = 0.02
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Measured(NamedTuple):
    """One run."""

    seconds: float
    cpu_seconds: float
    megabytes: float


def measure(command: Sequence[str], cwd: Path = ROOT, environment: Mapping[str, str] | None = None) -> Measured:
    """Runs a command to its end and looks at it and its descendants all the while. RuntimeError where it fails."""
    began, cpu, most = time.monotonic(), _cpu(), 0
    with tempfile.TemporaryFile("w+") as said:
        with subprocess.Popen(command, cwd=cwd, env={**os.environ, **(environment or {})}, stdout=said, stderr=said) as process:
            while process.poll() is None:
                most = max(most, _resident(process.pid))
                time.sleep(_INTERVAL)
        seconds = time.monotonic() - began
        if process.returncode:
            said.seek(0)
            raise RuntimeError(f"{' '.join(command)} ended with code {process.returncode}: {said.read()[-500:]}")
    return Measured(seconds, _cpu() - cpu, most / 1e6)


def _cpu() -> float:
    """Processor seconds of all that ended so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _resident(root: int) -> int:
    """Bytes that a process and its descendants hold."""
    parents: dict[int, int] = {}
    pages: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        parents[int(entry.name)], pages[int(entry.name)] = int(fields[1]), int(fields[21])
    found, todo = 0, [root]
    while todo:
        process = todo.pop()
        found += pages.get(process, 0) * _PAGE
        todo += [child for child, parent in parents.items() if parent == process]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints, judges."""
    parser = argparse.ArgumentParser(prog="python -m bench.review", description="Time and memory of render and diff for all stacks.")
    parser.add_argument("--rounds", type=int, default=3, help="of which the middle counts (default: 3)")
    parser.add_argument("--base", default="HEAD", metavar="REF", help="what diff compares with (default: HEAD)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures")
    chosen = parser.parse_args(arguments)
    if chosen.rounds < 1:
        parser.error(f"--rounds is {chosen.rounds}: must be 1 or more")
    with tempfile.TemporaryDirectory(prefix="istio-stack-bench-") as folder:
        commands = {"render": ["render", "--into", folder], "diff": ["diff", "--base", chosen.base]}
        runs = {name: [measure([sys.executable, "-m", "review", *words]) for _ in range(chosen.rounds)] for name, words in commands.items()}
    figures = {
        name: {
            "seconds": round(statistics.median(run.seconds for run in found), 1),
            "cpuSeconds": round(statistics.median(run.cpu_seconds for run in found), 1),
            "megabytes": round(max(run.megabytes for run in found)),
        }
        for name, found in runs.items()
    }
    table = Table("all stacks", "seconds", f"aim {SECONDS:g}", "CPU seconds", "MB", f"aim {MEGABYTES:g}", box=None)
    for name, figure in figures.items():
        verdicts = [_verdict(figure["seconds"], SECONDS), _verdict(figure["megabytes"], MEGABYTES)]
        table.add_row(
            name, f"{figure['seconds']:.1f}", verdicts[0], f"{figure['cpuSeconds']:.1f}", f"{figure['megabytes']:.0f}", verdicts[1]
        )
    Console().print(table)
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n")
    return int(any(figure["seconds"] > SECONDS or figure["megabytes"] > MEGABYTES for figure in figures.values()))


def _verdict(value: float, aim: float) -> str:
    return "met" if value <= aim else "missed"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RuntimeError as error:
        sys.exit(f"error: {error}")
