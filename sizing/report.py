"""The plan for people: tables on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from components.capacity import Load
from sizing.data import Environment, Prices
from sizing.plan import Plan, changes


def show(console: Console, name: str, environment: Environment, made: Plan, costs: Prices) -> None:
    """One environment: what runs, what is stored, what it costs."""
    _say(console, f"\n{name}: {environment.why}", style="bold")
    _say(console, f"load: {load_text(made.load)}")
    _say(console, f"settings: {settings_text(made)}; kept: {retention_text(made)}")
    running = Table("component", "pods", "CPU", "MiB", "what the load alone takes of it", box=None, header_style="bold")
    for column in running.columns[1:4]:
        column.justify = "right"
    for row in made.rows:
        need = f"{row.need.what}: {row.need.cpu:.2f} CPU, {row.need.memory:,.0f} MiB" if row.need else ""
        running.add_row(row.component, f"{row.pods:,}", f"{row.cpu:.2f}", f"{row.memory:,.0f}", need)
    running.add_row("reserved", f"{sum(r.pods for r in made.rows):,}", f"{made.cpu:.2f}", f"{made.memory:,.0f}", "", style="bold")
    console.print(running)
    bill = Table("per month", "", costs.currency, box=None, header_style="bold")
    bill.columns[2].justify = "right"
    for cost in made.costs:
        bill.add_row(cost.what, cost.why, money(cost.amount))
    bill.add_row("in all", "", f"{made.total:,.0f}", style="bold")
    console.print(bill)
    _say(console, f"nodes: {nodes_text(made)}; volumes: {volumes_text(made)}")
    if altered := changes(environment, made):
        _say(console, f"to change in the stack file: {', '.join(altered)}")
    for note in made.notes:
        _say(console, f"note: {note}")


def _say(console: Console, line: str, style: str | None = None) -> None:
    """A line as it is: not cut, not coloured, and no brackets taken for markup."""
    console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)


def show_prices(console: Console, costs: Prices) -> None:
    """Where the prices come from, and what is not among them."""
    _say(console, f"\n{prices_text(costs)}")
    _say(console, f"not in the bill: {NOT_IN_THE_BILL}")


NOT_IN_THE_BILL = (
    "the applications (of their pods, only the mesh's proxies), what queries take, traffic (between zones, through a private endpoint, out "
    "of the region), reads of blobs, transactions of disks, and Azure's own monitoring"
)


def prices_text(costs: Prices) -> str:
    """Where the prices come from, in one line."""
    return f"prices of {costs.as_of} for {costs.region} in {costs.currency}: {costs.source}"


def money(amount: float) -> str:
    """An amount, with its hundredths where it would be nothing without them."""
    return f"{amount:,.0f}" if amount >= 10 or not amount else f"{amount:,.2f}"


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
    return f"preset {chosen.preset}, {chosen.istio.mode} mesh, {stores}, {edges}"


def volumes_text(made: Plan) -> str:
    return ", ".join(f"{v.store} {v.number} x {v.gibibytes:,} GiB" for v in made.volumes)


def nodes_text(made: Plan) -> str:
    """How many nodes, and what asked for that many."""
    return f"{made.nodes.count} x {made.nodes.node.name}, decided by {made.nodes.why}"
