"""The signal graph as a page of documentation: a drawing in mermaid, and tables of what it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from components.grants import ROLE_NAMES
from components.signals.budget import kept
from components.signals.reading import Graph, Resolved, nodes

NOWHERE = "nowhere"
"""Where an edge leads that nobody takes."""


def bundles(g: Graph) -> dict[tuple[str, str, str, str], list[Resolved]]:
    """Edges that go the same way, together: source, target, protocol and place to the signals that go there."""
    found: dict[tuple[str, str, str, str], list[Resolved]] = {}
    for edge in g.edges:
        found.setdefault((edge.edge.source, edge.target or NOWHERE, edge.edge.protocol, edge.at), []).append(edge)
    return found


def scraped(g: Graph) -> dict[str, str]:
    """Node to the port at which its own metrics are scraped."""
    return {monitor.target: monitor.port for monitor in g.monitors}


def port(place: str) -> str:
    """The port of an address as it is shown, with its path; nothing for what is no address."""
    _, colon, rest = place.partition(":")
    return f":{rest}" if colon else ""


def link_text(g: Graph) -> list[tuple[str, str, str, str]]:
    """Each link between signals: what it is called, from which datasource to which, and what it goes by."""
    rows = []
    for link in g.links:
        around = f"{link.shifts[0]} to +{link.shifts[1]} around the span" if link.shifts else ""
        goes_by = f"label {link.key}" if link.key else ""
        rows.append((link.name, link.source, link.to, ", ".join(filter(None, (goes_by, around)))))
    return rows


def mermaid(g: Graph) -> str:
    """The graph in mermaid: solid what is sent, dotted what is asked for; what Prometheus scrapes stands in the node."""
    ids = {node.name: node.name.replace(" ", "_").replace("-", "_") for node in nodes(g)} | {NOWHERE: NOWHERE}
    ports = scraped(g)
    lines = ["flowchart LR"]
    for node in nodes(g):
        text = node.title + (f"<br/>scraped at {ports[node.name]}" if node.name in ports else "")
        left, right = ("[(", ")]") if node.name.endswith("blobs") else ("[", "]")
        lines.append(f'  {ids[node.name]}{left}"{text}"{right}')
    if any(found.target is None for found in g.edges):
        lines.append(f'  {NOWHERE}["{NOWHERE}"]')
    for (source, target, protocol, place), edges in bundles(g).items():
        signals = ", ".join(dict.fromkeys(found.edge.signal for found in edges))
        arrow = "-.->" if signals == "query" else "-->"
        shown = protocol if place == protocol else f"{protocol} {port(place)}"
        lines.append(f'  {ids[source]} {arrow}|"{signals}<br/>{shown}"| {ids[target]}')
    return "\n".join(lines)


def page(g: Graph, stack: str, drawing: str) -> str:
    """The whole page, in Markdown; `drawing` is the file of the drawing beside it."""
    sent = (
        (found.edge.signal, found.edge.source, found.target or NOWHERE, f"`{found.at}`", found.edge.protocol, f"`{found.edge.said}`")
        for found in g.edges
    )
    monitors = ((m.target, m.kind, f"`{m.namespace}/{m.name}`", m.port, f"`{m.said}`") for m in g.monitors)
    needs = [(need.node, f"`{need.account.subject}`", _role(need.role), f"`{need.on}`") for need in g.needs]
    keys = [(read.node, f"`{read.key.namespace}/{read.key.name}`", read.key.key, f"`{read.said}`") for read in g.keys]
    return "\n".join(
        [
            "# Signals",
            f"Which signal goes from whom to whom in stack `{stack}`, read from what its layers are told. `make graph` writes this",
            "page and its drawing, `make graph STACK=prod` those of another stack. `up` and `preview` refuse a stack in which a signal",
            "would get lost.",
            "",
            f"![the signal graph]({drawing})",
            "",
            "```mermaid",
            mermaid(g),
            "```",
            "",
            "## Sent and asked for",
            *_table(("Signal", "From", "To", "At", "Protocol", "Said in"), sent),
            "",
            "## What of it is kept",
            *_table(("What", "How much", "Said in"), ((what, much, f"`{said}`") for what, much, said in kept(g.configured))),
            "",
            "## Scraped by Prometheus",
            *_table(("Who", "Kind", "Monitor", "Port", "Said in"), monitors),
            "",
            "## Links between signals in Grafana",
            *_table(("Link", "From", "Opens", "Goes by"), link_text(g)),
            "",
            "## Needed for it",
            *(_table(("Who", "ServiceAccount", "Right", "On"), needs) if needs else ()),
            *(["", *_table(("Who", "Secret", "Key", "Read as"), keys)] if keys else ()),
            "",
        ]
    )


def _role(role: str) -> str:
    return ROLE_NAMES.get(role, role)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]
