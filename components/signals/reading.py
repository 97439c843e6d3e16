"""The signal graph of one stack: read from what its layers say, with every edge led to whoever listens there."""

from __future__ import annotations

from dataclasses import dataclass

from components.grants import Grant
from components.settings import Settings
from components.signals import entrance, listeners, monitors, senders, views
from components.signals.configured import Configured, configured
from components.signals.listeners import TLS
from components.signals.model import Defect, Edge, Exemplars, KeyRead, Link, Listener, Monitor, Need, Node, Selector, address
from components.topology import Topology

INSIDE = "node:"
"""Beginning of an edge's receiver that is no address: what happens within a pod or by the kubelet."""


@dataclass(frozen=True)
class Resolved:
    """An edge with the listener that takes it; None where there is none, and then why."""

    edge: Edge
    target: str | None
    at: str
    """Where it arrives: host:port/path, or a few words."""
    why: str = ""


@dataclass(frozen=True)
class Graph:
    """All of it, sound or not: components/signals/check.py says what is wrong with one."""

    configured: Configured
    listeners: tuple[Listener, ...]
    edges: tuple[Resolved, ...]
    monitors: tuple[Monitor, ...]
    selectors: tuple[Selector, ...]
    links: tuple[Link, ...]
    datasources: tuple[tuple[str, str], ...]
    """uid and type of each."""
    exemplars: tuple[Exemplars, ...]
    needs: tuple[Need, ...]
    grants: tuple[Grant, ...]
    keys: tuple[KeyRead, ...]
    unreadable: tuple[Defect, ...]
    """What is wrong with a configuration so that no edge could be read from it."""


def graph(settings: Settings, topology: Topology) -> Graph:
    """The signal graph of a stack."""
    return read(configured(settings, topology))


def read(c: Configured) -> Graph:
    """The signal graph of a configuration."""
    found = [*senders.sent(c), *views.queries(c), *entrance.ways(c)]
    taken = (*listeners.listeners(c), *entrance.listeners(c))
    return Graph(
        configured=c,
        listeners=taken,
        edges=tuple(resolve(item, taken) for item in found if isinstance(item, Edge)),
        monitors=tuple(monitors.monitors(c)),
        selectors=tuple(monitors.selectors(c)),
        links=tuple(views.links(c)),
        datasources=tuple((source.get("uid", ""), source.get("type", "")) for source in views.datasources(c)),
        exemplars=tuple(item for item in found if isinstance(item, Exemplars)),
        needs=tuple(item for item in found if isinstance(item, Need)),
        grants=c.grants,
        keys=tuple(item for item in found if isinstance(item, KeyRead)),
        unreadable=tuple(item for item in found if isinstance(item, Defect)),
    )


def resolve(edge: Edge, taken: tuple[Listener, ...]) -> Resolved:
    """Who takes an edge, or why nobody does: host, port, protocol and path must each be right."""
    if edge.to.startswith(INSIDE):
        return Resolved(edge, edge.to.removeprefix(INSIDE), edge.protocol)
    try:
        to = address(edge.to)
    except ValueError:
        return Resolved(edge, None, edge.to, "that is no address with a port")
    at_host = [listener for listener in taken if listener.address.host == to.host]
    at_port = [listener for listener in at_host if listener.address.port == to.port]
    speaking = [listener for listener in at_port if listener.protocol == edge.protocol]
    right = [listener for listener in speaking if listener.address.path == to.path]
    if right:
        return Resolved(edge, right[0].node, str(to))
    if speaking:
        return Resolved(edge, None, str(to), f"{speaking[0].node} takes {edge.protocol} at {_list(speaking)}")
    if [listener for listener in at_port if listener.protocol.removesuffix(TLS) == edge.protocol.removesuffix(TLS)]:
        clear = "is sent in clear to a port that takes TLS alone" if not edge.protocol.endswith(TLS) else "is TLS to a port that takes none"
        return Resolved(edge, None, str(to), f"{edge.protocol} {clear}")
    if at_port:
        return Resolved(edge, None, str(to), f"{edge.protocol} goes to a port of {', '.join(dict.fromkeys(x.protocol for x in at_port))}")
    if at_host:
        return Resolved(edge, None, str(to), f"no such port; {at_host[0].node} listens at {_list(at_host)}")
    same = [listener for listener in taken if listener.protocol == edge.protocol]
    return Resolved(edge, None, str(to), f"nothing listens there; {edge.protocol} is taken at {_list(same) or 'no address'}")


def _list(found: list[Listener]) -> str:
    return ", ".join(dict.fromkeys(str(listener.address) for listener in found))


COLUMNS = (
    ("browsers", "gateway", "sidecars", "waypoints", "applications", "pods", "istiod", "cert-manager", "operator"),
    ("collector", "tail", "alloy"),
    ("tempo", "generator", "prometheus", "loki"),
    ("tempo blobs", "grafana", "entra id", "community", "loki blobs"),
)
"""Nodes by how far they are from the producers, in the order in which a drawing has them."""
TITLES = {
    "gateway": "Istio gateway",
    "sidecars": "Envoy sidecars",
    "waypoints": "Envoy waypoints",
    "applications": "applications' SDKs",
    "pods": "pods' stdout",
    "operator": "OpenTelemetry operator",
    "collector": "OpenTelemetry collector",
    "tail": "tail sampling",
    "alloy": "Alloy",
    "tempo": "Tempo",
    "generator": "Tempo's generator",
    "loki": "Loki",
    "prometheus": "Prometheus",
    "grafana": "Grafana",
    "entra id": "Microsoft Entra ID",
    "community": "grafana.com",
    "tempo blobs": "blobs: tempo",
    "loki blobs": "blobs: loki",
}


def nodes(g: Graph) -> list[Node]:
    """Every node that an edge or a monitor touches, in the order of a drawing."""
    touched = {name for found in g.edges for name in (found.edge.source, found.target)} | {m.target for m in g.monitors}
    return [Node(name, TITLES.get(name, name), column) for column, names in enumerate(COLUMNS) for name in names if name in touched]
