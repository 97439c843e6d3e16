"""An upgrade for people: the steps in order, then what was found, then what was not looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.text import Text

from review import report
from review.helm import KUBE_VERSION
from review.report import shown
from review.upgrade import Checked, Values, Wish
from review.upgrades import Upgrade, moved

DEFAULTS_SHOWN = 20


def plan(wanted: Wish, console: Console) -> None:
    """What to do, in order."""
    console.print(Text(f"Chart {wanted.chart}: from {wanted.start} to {wanted.to}", style="bold"))
    if not wanted.steps and not wanted.missing:
        console.print(Text("No step of its own on the way: raise the version in charts.yaml, `make lock`, and look at `make diff`."))
    for step in wanted.steps:
        console.print(Text(f"\n{step.start} to {step.to}: {step.summary}", style="bold"))
        for line in _step(step):
            console.print(Text(line))
    for file in wanted.missing:
        console.print(Text(f"missing: {file}; take its steps from the chart's release notes before anything else", style="bold red"))
    console.print()


def _step(step: Upgrade) -> Iterator[str]:
    values = [moved(value) for value in step.values]
    for title, lines in (("before", step.before), ("values", values), ("objects", step.objects), ("after", step.after)):
        yield from _listed(title, lines)
    seen = step.verified
    yield f"  ({seen.how} by {seen.by}, {seen.when}; {seen.source})"


def _listed(title: str, lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield f"  {title if not number else '':<8}{line}"


def findings(wanted: Wish, checked: Checked, console: Console) -> None:
    """What was held against the new chart, and what was not."""
    if checked.chart is not None:
        needs = f"Kubernetes {checked.chart.kube_version}" if checked.chart.kube_version else "any Kubernetes"
        about = f"{wanted.chart} {wanted.to}: appVersion {checked.chart.app_version}; for {needs} (rendered for {KUBE_VERSION})"
        console.print(Text(about, style="bold"))
        if not checked.values:
            console.print(Text("none of these stacks installs it"))
    for found in checked.values:
        for style, line in _values(found):
            console.print(Text(line, style=style))
    for line in checked.refusals:
        console.print(Text(f"refused: {line}", style="bold red"))
    if checked.objects:
        console.print(Text("\nObjects, with today's values and both charts", style="bold"))
        report.text(checked.objects, console)
    for line in checked.not_run:
        console.print(Text(f"not run: {line}", style="yellow"))


def _values(found: Values) -> Iterator[tuple[str, str]]:
    yield "bold", f"\nStack {found.stack}, release {found.release}"
    for title, style, lines in (
        ("moved", "red", found.moved),
        ("unknown to the new chart", "red", found.unknown),
        ("against its schema", "red", found.violations),
    ):
        for line in lines:
            yield style, f"  {title}: {line}"
    if not (found.moved or found.unknown or found.violations):
        yield "green", "  every value that is set is known to the new chart" + (" and fits its schema" if found.has_schema else "")
    for path, before, after in found.defaults[:DEFAULTS_SHOWN]:
        yield "cyan", f"  default beside what is set: {path}: {shown(before)} -> {shown(after)}"
    more = len(found.defaults) - DEFAULTS_SHOWN
    if more > 0:
        yield "cyan", f"  and {more} more of these"
    if found.elsewhere:
        yield "dim", f"  {found.elsewhere} other defaults are others, in parts of the chart where nothing is set"
