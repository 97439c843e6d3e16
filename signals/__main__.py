"""`python -m signals`: brings the path of a signal up on this machine, follows one request through it, and takes it down."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from rehearsal import console, processes, run_lock
from rehearsal.cli import change
from rehearsal.errors import RehearsalError
from signals import places
from signals.rendering import read_stack
from signals.run import Signals, running
from verify.__main__ import BAD_INPUT, report, seconds, write_junit
from verify.checks import verify
from verify.results import WIDTH

FOLDER = Path(".rehearsal-signals")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs it; the exit code is that of the proof."""
    made = argparse.ArgumentParser(prog="python -m signals", description="One request through real processes with a stack's configuration.")
    made.add_argument("--stack", default="local", help="the stack, by its Pulumi.<stack>.yaml (default: local)")
    made.add_argument("--wait", default=40.0, type=seconds, metavar="SECONDS", help="how long signals may take (default: 40)")
    made.add_argument("--junit", type=Path, metavar="FILE", help="write the results as a JUnit file, too")
    made.add_argument("--tempo", type=program, metavar="FILE", help="a Tempo to run, in the place of the sink")
    made.add_argument("--set", type=change, action="append", default=[], metavar="KEY=VALUE", help="try another value of a key, in YAML")
    chosen = made.parse_args(arguments)
    try:
        stack = read_stack(chosen.stack, changes=dict(chosen.set))
        with run_lock.held(FOLDER.absolute()):
            processes.remove(FOLDER / "run")
            with running(stack, FOLDER.absolute() / "run", tempo_binary=chosen.tempo) as signals:
                show_table(signals)
                found = {way: verify(here, places.subject(signals), chosen.wait) for way, here in places.entrances(signals).items()}
        title = f"signals of stack {chosen.stack}, on this machine"
        codes = [report(results, f"{title}, {way}") for way, results in found.items()]
        if chosen.junit is not None:
            write_junit([replace(r, name=f"{r.name}, {way}") for way, results in found.items() for r in results], chosen.junit, title)
        return max(codes)
    except RehearsalError as error:
        console.error(str(error))
        return BAD_INPUT


def program(text: str) -> Path:
    """A program given as an argument."""
    found = Path(text).absolute()
    if not (found.is_file() and os.access(found, os.X_OK)):
        raise argparse.ArgumentTypeError(f"{text} is no program: there must be a file that may be executed")
    return found


def show_table(signals: Signals) -> None:
    """Prints which address of the cluster is which of this machine, and what of the configuration does not run here."""
    target = Console(highlight=False)
    if not target.is_terminal:
        target.width = WIDTH
    table = Table(title="addresses", title_justify="left", header_style="bold")
    for column in ("in the cluster", "here", ""):
        table.add_column(column, overflow="fold")
    for row in signals.table.rows:
        table.add_row(row.cluster, row.local, row.note)
    target.print(table)
    for note in signals.notes:
        target.print(f"not here: {note}", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
