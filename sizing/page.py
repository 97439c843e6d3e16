"""The page of the documentation: what each environment costs and why, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping

from components.capacity import coefficients
from sizing.data import Environment, Prices
from sizing.plan import Plan, plan
from sizing.report import NOT_IN_THE_BILL, load_text, money, nodes_text, prices_text, retention_text, settings_text, volumes_text

_INTRODUCTION = (
    "`make docs` writes this page. `make size` prints the same for every component, and takes figures of your own: "
    "`make size ENVIRONMENT=prod PODS=500 SPANS=20000`. A load that stands in the stack file, as `istio-stack:load`, is also checked: a "
    "preset that cannot carry it is refused with the numbers."
)
_RULES = """\
- Reserved is what the preset requests, or what the load takes where that is more. Replicas, modes and volumes are the stack file's, or more
  where the load asks for it; the preset is the stack file's, or the least greater one that carries the load.
- Nodes are filled to {fill} of what AKS leaves of them. Where an environment survives the loss of a node, or of one of the three
  zones that its nodes must then be spread over, what is left holds every pod, filled to {after}.
- Blobs are those of the day when the first have reached the end of their retention. Deleted ones are paid for as long as soft delete keeps
  them, and Tempo's compaction deletes much: `azure.softDeleteDays` is the lever.
- Disks are billed by size classes.
- What one process carries is what Tempo and Loki document; past that the distributed mode is needed, and `make size` says so."""


def page(found: Mapping[str, Environment], costs: Prices) -> str:
    """The whole page for these environments."""
    plans = {name: plan(environment, costs) for name, environment in found.items()}
    dated = prices_text(costs)
    parts = [
        "# What each environment costs, and why",
        _INTRODUCTION,
        f"**{dated[0].upper()}{dated[1:]}.** Replace `prices.yaml`, or name a file of yours with `PRICES=`, before you decide anything.",
        _environments(found, plans, costs),
        "## Why",
        _reasons(plans, costs),
        f"Not in the bill: {NOT_IN_THE_BILL}.",
        "## How it is reckoned",
        _RULES.format(fill=_share("nodeFill"), after=_share("nodeFillAfterLoss")),
        "## Where the figures come from",
        _sources(),
    ]
    return "\n\n".join(parts) + "\n"


def _environments(found: Mapping[str, Environment], plans: Mapping[str, Plan], costs: Prices) -> str:
    rows: list[tuple[str, list[str]]] = [
        ("promise", [found[name].why for name in plans]),
        ("load", [load_text(p.load) for p in plans.values()]),
        ("kept", [retention_text(p) for p in plans.values()]),
        ("settings", [settings_text(p) for p in plans.values()]),
        ("reserved", [f"{p.cpu:.1f} CPU, {p.memory / 1024:,.1f} GiB" for p in plans.values()]),
        ("volumes", [volumes_text(p) for p in plans.values()]),
    ]
    for lines in zip(*(p.costs for p in plans.values()), strict=True):
        rows.append((f"{lines[0].what}, {costs.currency}", [f"{money(line.amount)} ({line.why})" for line in lines]))
    rows.append((f"**per month, {costs.currency}**", [f"**{p.total:,.0f}**" for p in plans.values()]))
    return _table(["", *plans], [[head, *cells] for head, cells in rows])


def _reasons(plans: Mapping[str, Plan], costs: Prices) -> str:
    lines = []
    for name, made in plans.items():
        first, second = sorted(made.costs, key=lambda cost: cost.amount, reverse=True)[:2]
        most = max(made.rows, key=lambda row: row.cpu)
        lines.append(
            f"- **{name}**: {first.what} are {first.amount / made.total:.0%} of it, then {second.what} with {money(second.amount)} "
            f"{costs.currency}. {nodes_text(made)}; most is reserved by {most.component} ({most.pods:,} pods, {most.cpu:.1f} CPU, "
            f"{most.memory / 1024:,.1f} GiB)."
        )
        lines += [f"  - {note}." for note in made.notes]
    return "\n".join(lines)


def _share(coefficient: str) -> str:
    return f"{coefficients()[coefficient].value:.0%}"


def _sources() -> str:
    rows = [[f"`{name}`", f"{entry.value:g}", entry.unit, entry.source] for name, entry in coefficients().items()]
    return _table(["coefficient", "value", "unit", "source"], rows)


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(_line(cells) for cells in (head, ["---"] * len(head), *rows))


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
