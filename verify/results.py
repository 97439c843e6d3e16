"""What a check found: passed, failed with a hint, or not run with the reason; as a table, a JUnit file and an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table
from rich.text import Text

State = Literal["passed", "failed", "not run"]
_STYLES = {"passed": "green", "failed": "bold red", "not run": "yellow"}
WIDTH = 160
"""Columns where the table goes to a file or a log."""
_MARKS = {"passed": "passed", "failed": "FAILED", "not run": "not run"}


@dataclass(frozen=True)
class Result:
    """One row of the table."""

    group: str
    """What it is about: request, traces, logs, metrics, datasources, links, Grafana."""
    name: str
    state: State
    detail: str
    """What was found; why it did not run."""
    hint: str = ""
    """Where to look, if it failed."""
    seconds: float = 0.0


def exit_code(results: Sequence[Result]) -> int:
    """1 where a check failed, or none passed at all."""
    return int(any(r.state == "failed" for r in results) or not any(r.state == "passed" for r in results))


def summary(results: Sequence[Result]) -> str:
    """Counts in one line; what did not run is counted on its own."""
    counts = ((state, sum(r.state == state for r in results)) for state in _STYLES)
    return ", ".join(f"{number} {state}" for state, number in counts)


def show(results: Sequence[Result], title: str, console: Console | None = None) -> None:
    """Prints the table, and below it a hint for each failure."""
    target = console or Console(highlight=False)
    if not target.is_terminal:
        target.width = WIDTH
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in ("what", "check", "state", "found"):
        table.add_column(column, overflow="fold")
    table.add_column("s", justify="right")
    for result in results:
        state = Text(_MARKS[result.state], style=_STYLES[result.state])
        table.add_row(result.group, result.name, state, Text(result.detail), f"{result.seconds:.1f}")
    target.print(table)
    for result in results:
        if result.state == "failed":
            target.print(Text(f"{result.group}, {result.name}: {result.hint}", style="red"), soft_wrap=True)
    target.print(summary(results))


def write_junit(results: Sequence[Result], file: Path, suite: str) -> None:
    """The results as a JUnit file: `not run` is a skipped test there. Raises OSError where it cannot be written."""
    failed, skipped = (sum(r.state == state for r in results) for state in ("failed", "not run"))
    root = ElementTree.Element(
        "testsuite",
        name=suite, tests=str(len(results)), failures=str(failed), skipped=str(skipped), errors="0",
        time=f"{sum(r.seconds for r in results):.3f}",
    )  # fmt: skip
    for result in results:
        case = ElementTree.SubElement(root, "testcase", classname=result.group, name=result.name, time=f"{result.seconds:.3f}")
        if result.state == "failed":
            ElementTree.SubElement(case, "failure", message=result.detail).text = result.hint
        elif result.state == "not run":
            ElementTree.SubElement(case, "skipped", message=result.detail)
        else:
            ElementTree.SubElement(case, "system-out").text = result.detail
    ElementTree.indent(root)
    file.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)
