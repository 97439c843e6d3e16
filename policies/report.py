"""What the gate found, as a table for people."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from policies.gate import Checked
from policies.waivers import Finding


def show(checked: Checked, out: Console, *, whole: bool) -> int:
    """Prints the tables; 1 where something is broken that no waiver names or, over the whole, a waiver is needless."""
    table = Table(title="Policies", title_justify="left")
    table.add_column("Tool")
    for column in ("Objects", "Passed", "Waived", "Broken"):
        table.add_column(column, justify="right")
    for tool, objects, passed, judged in checked.tools:
        table.add_row(tool, str(objects), str(passed), str(len(judged.waived)), str(len(judged.failures)))
    out.print(table)
    failures = [finding for *_, judged in checked.tools for finding in judged.failures]
    if failures:
        out.print(_list("Broken, and no waiver says why", failures))
    unused = [waiver for waiver in checked.unused if whole and not waiver.when]
    for waiver in unused:
        out.print(f"needless waiver: {waiver} ({waiver.reason})", markup=False)
    return 1 if failures or unused else 0


def _list(title: str, findings: Iterable[Finding]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in ("Check", "Object", "Where", "What"):
        table.add_column(column, overflow="fold")
    for finding in dict.fromkeys(findings):
        table.add_row(f"{finding.tool} {finding.check}", finding.target, finding.where, finding.what)
    return table
