"""The plan for people: tables on a terminal, and the page of the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from components.capacity import Load, coefficients
from components.charts import ROOT
from sizing.data import Environment, Prices, environments, prices
from sizing.plan import Plan, plan

PRICES = ROOT / "prices.yaml"


def show(console: Console, name: str, environment: Environment, made: Plan, costs: Prices) -> None:
    """One environment: what runs, what is stored, what it costs."""
    console.print(f"\n[bold]{name}[/bold]: {environment.why}")
    console.print(f"load: {load_text(made.load)}")
    console.print(f"settings: {settings_text(made)}; kept: {retention_text(made)}", highlight=False)
    running = Table("component", "pods", "CPU", "MiB", "needs", box=None, header_style="bold")
    for column in running.columns[1:4]:
        column.justify = "right"
    for row in made.rows:
        need = f"{row.need.what}: {row.need.cpu:.2f} CPU, {row.need.memory:,.0f} MiB" if row.need else ""
        running.add_row(row.component, f"{row.pods:,}", f"{row.cpu:.2f}", f"{row.memory:,.0f}", need)
    running.add_row("in all", f"{sum(r.pods for r in made.rows):,}", f"{made.cpu:.2f}", f"{made.memory:,.0f}", "", style="bold")
    console.print(running)
    bill = Table("per month", "", costs.currency, box=None, header_style="bold")
    bill.columns[2].justify = "right"
    for cost in made.costs:
        bill.add_row(cost.what, cost.why, f"{cost.amount:,.0f}")
    bill.add_row("in all", volumes_text(made), f"{made.total:,.0f}", style="bold")
    console.print(bill)
    for note in made.notes:
        console.print(f"note: {note}", highlight=False)


def prices_text(costs: Prices) -> str:
    """Where the prices come from, in one line."""
    return f"prices of {costs.as_of} for {costs.region} in {costs.currency}: {costs.source}"


def docs_table(prices_file: Path = PRICES, folder: Path = ROOT) -> str:
    """The page of the documentation: what each environment costs and why, as Markdown. Raises ConfigurationError."""
    costs, found = prices(prices_file), environments(folder)
    plans = {name: plan(environment, costs) for name, environment in found.items()}
    dated = prices_text(costs)
    intro = (
        "Written by `make docs` from `make size`. What the stack itself needs, per month, with the mesh's proxies in the applications' "
        "pods, without the applications. Change a load by `istio-stack:load` in the stack file, a price in `prices.yaml`."
    )
    notes = "\n".join(f"- {name}: {note}." for name, made in plans.items() for note in made.notes)
    reckoned = (
        "What is reserved is the preset's requests, or what the load needs where that is more. Nodes are filled to "
        f"{coefficients()['nodeFill'].value:.0%} of what AKS leaves of them."
    )
    parts = [
        "# What it costs",
        intro,
        f"**{dated[0].upper()}{dated[1:]}.** Replace them before you decide anything.",
        _markdown(found, plans, costs),
        "## Why",
        notes or "No documented limit is passed.",
        reckoned,
        "## Where the figures come from",
        _sources(),
    ]
    return "\n\n".join(parts) + "\n"


def _markdown(found: Mapping[str, Environment], plans: Mapping[str, Plan], costs: Prices) -> str:
    rows: list[tuple[str, list[str]]] = [
        ("promise", [found[name].why for name in plans]),
        ("load", [load_text(p.load) for p in plans.values()]),
        ("kept", [retention_text(p) for p in plans.values()]),
        ("settings", [settings_text(p) for p in plans.values()]),
        ("reserved", [f"{p.cpu:.1f} CPU, {p.memory / 1024:,.1f} GiB" for p in plans.values()]),
        ("volumes", [volumes_text(p) for p in plans.values()]),
        ("blobs", [f"{p.trace_gb:,.0f} GB of traces, {p.log_gb:,.0f} GB of logs" for p in plans.values()]),
    ]
    for index, cost in enumerate(next(iter(plans.values())).costs):
        rows.append((f"{cost.what}, {costs.currency}", [f"{p.costs[index].amount:,.0f} ({p.costs[index].why})" for p in plans.values()]))
    rows.append((f"**per month, {costs.currency}**", [f"**{p.total:,.0f}**" for p in plans.values()]))
    lines = [_line(["", *plans]), _line(["---"] * (len(plans) + 1)), *(_line([head, *cells]) for head, cells in rows)]
    return "\n".join(lines)


def _sources() -> str:
    lines = [_line(["coefficient", "value", "unit", "source"]), _line(["---"] * 4)]
    lines += [_line([f"`{name}`", f"{entry.value:g}", entry.unit, entry.source]) for name, entry in coefficients().items()]
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def load_text(load: Load) -> str:
    return (
        f"{load.pods:,} pods, {load.requests_per_second:,g} requests/s, {load.spans_per_second:,g} spans/s, "
        f"{load.log_mb_per_second:g} MB/s of logs, {load.active_series:,} series"
    )


def retention_text(made: Plan) -> str:
    kept = made.settings
    return f"metrics {kept.prometheus.retention_days} days, traces {kept.tempo.retention_days}, logs {kept.loki.retention_days}"


def settings_text(made: Plan) -> str:
    chosen = made.settings
    stores = f"Tempo {chosen.tempo.mode} x{chosen.tempo.replicas}, Loki {chosen.loki.mode} x{chosen.loki.replicas}"
    edges = f"collector x{chosen.opentelemetry.collector_replicas}, gateway x{chosen.istio.gateway_replicas}"
    return f"preset {chosen.preset}, {stores}, {edges}"


def volumes_text(made: Plan) -> str:
    return ", ".join(f"{v.store} {v.number} x {v.gibibytes:,} GiB" for v in made.volumes)
