"""The closing table of a run: what each layer is, what took how long, what stood in for what; then the stack's outputs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rehearsal.engine import Outcome
from rehearsal.events import PROVIDERS, Operation, layer_of

RELEASE = "kubernetes:helm.sh/v3:Release"
AZURE = "azure-native:"
"""What the types of resources in Azure begin with."""
_WIDTH = 130
"""Columns of the table where the output is no terminal."""


@dataclass(frozen=True)
class Row:
    """One layer of the stack."""

    layer: str
    releases: tuple[str, ...]
    """Each Helm release as `name: chart version`."""
    objects: int
    """Objects in the cluster that the layer's resources and releases declare."""
    seconds: float | None
    """From the first change to the last in this run; None where nothing changed."""
    failed: int = 0
    azure: int = 0
    """Resources in Azure that the layer declares."""


@dataclass(frozen=True)
class Surroundings:
    """What a run ran on and with; each pair is a word and what there is to say."""

    facts: Sequence[tuple[str, str]] = ()
    chart_stands_in: bool = False
    azure_stands_in: bool = False
    outputs: Mapping[str, Any] = field(default_factory=dict)


def rows(outcome: Outcome, resources: Sequence[Mapping[str, Any]]) -> list[Row]:
    """One row for each layer, in the order in which the run came to them. `resources` is the stack's state after the run."""
    parents = {resource["urn"]: resource.get("parent", "") for resource in resources}
    by_layer: dict[str, list[Mapping[str, Any]]] = {}
    for resource in resources:
        if resource.get("custom") and not resource.get("delete") and not resource["type"].startswith(PROVIDERS):
            by_layer.setdefault(layer_of(resource["urn"], parents), []).append(resource)
    operations: dict[str, list[Operation]] = {}
    for operation in outcome.operations:
        if operation.changes and operation.concrete:
            operations.setdefault(outcome.layers[operation.urn], []).append(operation)
    names = dict.fromkeys([*(outcome.layers[op.urn] for op in outcome.operations if op.concrete), *by_layer])
    return [_row(name, by_layer.get(name, []), operations.get(name, [])) for name in names if name in by_layer or name in operations]


def _row(name: str, resources: Sequence[Mapping[str, Any]], operations: Sequence[Operation]) -> Row:
    releases = [resource for resource in resources if resource["type"] == RELEASE]
    azure = [resource for resource in resources if resource["type"].startswith(AZURE)]
    objects = sum(_objects_in(resource) for resource in releases) + len(resources) - len(releases) - len(azure)
    ended = [operation.ended for operation in operations if operation.ended is not None]
    seconds = max(ended) - min(operation.started for operation in operations) if ended else None
    return Row(
        name, tuple(sorted(_release(resource) for resource in releases)), objects, seconds, sum(op.failed for op in operations), len(azure)
    )


def _objects_in(release: Mapping[str, Any]) -> int:
    names = (release.get("outputs") or {}).get("resourceNames") or {}
    return sum(len(kind) for kind in names.values() if isinstance(kind, list))


def _release(resource: Mapping[str, Any]) -> str:
    outputs, inputs = resource.get("outputs") or {}, resource.get("inputs") or {}
    status = outputs.get("status") or {}
    name = inputs.get("name") or resource["urn"].rpartition("::")[2]
    chart = status.get("chart") or str(inputs.get("chart", "")).rpartition("/")[2].removesuffix(".tgz")
    version = str(status.get("version") or inputs.get("version") or "")
    return f"{name}: {chart.removesuffix(f'-{version}')} {version}".strip()


def show(outcome: Outcome, resources: Sequence[Mapping[str, Any]], surroundings: Surroundings, console: Console | None = None) -> None:
    """Prints the table, what stood in for what, and the outputs."""
    console = console or _console()
    console.print(_table(rows(outcome, resources), surroundings, outcome.seconds))
    facts = Table.grid(padding=(0, 2))
    for word, text in surroundings.facts:
        facts.add_row(Text(word, style="bold"), Text(text))
    console.print(facts)
    if surroundings.outputs:
        outputs = Table(title="Outputs", title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
        for key, value in sorted(surroundings.outputs.items()):
            outputs.add_row(key, Text(value if isinstance(value, str) else json.dumps(value)))
        console.print()
        console.print(outputs)


def show_plan(outcome: Outcome, console: Console | None = None) -> None:
    """Prints what a preview found: one line for each resource that would change."""
    console = console or _console()
    signs = {"create": "+", "delete": "-", "update": "~"}
    for operation in outcome.operations:
        if operation.changes and operation.concrete:
            sign = signs.get(operation.op, "±")
            console.print(Text(f"{sign} {outcome.layers[operation.urn]}: {operation.kind} {operation.name}"))


def _table(layers: Sequence[Row], surroundings: Surroundings, seconds: float) -> Table:
    table = Table(title_justify="left", show_footer=True)
    table.add_column("Layer", f"{len(layers)} layers", no_wrap=True)
    table.add_column("Release: chart and version")
    table.add_column("Which is", no_wrap=True)
    table.add_column("Objects", str(sum(row.objects for row in layers)), justify="right", no_wrap=True)
    table.add_column("Seconds", f"{seconds:.1f}", justify="right", no_wrap=True)
    chart = "bundle (stands in)" if surroundings.chart_stands_in else "real"
    azure = "double (stands in)" if surroundings.azure_stands_in else "real"
    for row in layers:
        took = "unchanged" if row.seconds is None else f"{row.seconds:.1f}"
        table.add_row(
            row.layer,
            "\n".join([*row.releases, *([f"{row.azure} resources in Azure"] if row.azure else [])]) or "objects of ours",
            "\n".join([*(chart for _ in row.releases), *([azure] if row.azure else [])]) or "-",
            str(row.objects),
            f"{took} ({row.failed} failed)" if row.failed else took,
        )
    return table


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH)
