"""Who may connect to whom: the connections that NetworkPolicies leave open, by where they arrive."""

from __future__ import annotations

from components.network.flows import Flow, flows
from components.network.parts import Pods, own_namespaces
from components.network.policies import CLOSED, guards
from components.settings import Settings
from components.signals import Graph
from pages.markdown import code, listed, table

_INTRODUCTION = """\
# Connections

`make docs` writes this page from the signal graph of stack `{stack}`, of which the policies are made. [security.md](security.md) says
what they are for and what they leave to others.

Closed by a policy `{name}`: {closed}. There, pods reach each other, and from elsewhere come only the connections of this table."""


def page(settings: Settings, graph: Graph, stack: str) -> str:
    """The whole page."""
    ours = own_namespaces(graph.configured)
    grouped: dict[tuple[Pods, int, Pods | None], list[Flow]] = {}
    for flow in flows(graph):
        if flow.target.namespace in ours:
            grouped.setdefault((flow.target, flow.port, flow.source), []).append(flow)
    rows = (
        (f"{target.namespace}/{target.name}", str(port), _source(source), listed(list(dict.fromkeys(flow.why for flow in found))))
        for (target, port, source), found in sorted(grouped.items(), key=lambda item: (item[0][0], item[0][1], _source(item[0][2])))
    )
    closed = [code(namespace) for namespace, made in guards(settings, graph).of_namespace.items() if made[0].name == CLOSED]
    introduction = _INTRODUCTION.format(stack=stack, closed=listed(closed), name=CLOSED)
    return f"{introduction}\n\n{table(('Into', 'Port', 'From', 'For'), rows)}\n"


def _source(source: Pods | None) -> str:
    if source is None:
        return "any address"
    return f"{source.namespace}/{source.name}" if source.namespace else "any pod"
