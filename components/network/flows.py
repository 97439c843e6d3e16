"""Every connection that must be possible between pods, read from the signal graph, and from what keeps its nodes at work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from components.network.parts import ANYONE, METRICS, NAME, Pods, door, pods_of
from components.signals import Graph
from components.signals.model import address
from components.signals.reading import INSIDE


@dataclass(frozen=True, slots=True)
class Flow:
    """A connection from some pods to a port of others."""

    source: Pods | None
    """None: from wherever. The API server is no pod, and where its calls come from is the cloud's own affair."""
    target: Pods
    port: int
    why: str


def flows(g: Graph) -> tuple[Flow, ...]:
    """Every connection into pods of this stack from outside of their own namespace, without those nobody needs to allow."""
    return tuple(flow for flow in (*_signals(g), *_scrapes(g), *_control(g)) if flow.source != flow.target)


def _signals(g: Graph) -> Iterator[Flow]:
    """Edges of the graph: what is sent, and what Grafana asks."""
    for found in g.edges:
        edge = found.edge
        if found.target is None or edge.to.startswith(INSIDE):
            continue
        to = address(edge.to)
        behind = door(to.host, g.configured)
        if behind is not None:
            yield Flow(pods_of(edge.source, g.configured), behind.pods, behind.port(to.port), f"{edge.signal} of {edge.source}")


def _scrapes(g: Graph) -> Iterator[Flow]:
    """Monitors: Prometheus comes for what a node says of itself. Proxies are in no namespace that is guarded here."""
    prometheus = pods_of("prometheus", g.configured)
    for monitor in g.monitors:
        for port in METRICS.get(monitor.target, ()):
            yield Flow(prometheus, pods_of(monitor.target, g.configured), port, f"metrics of {monitor.target}")


def _control(g: Graph) -> Iterator[Flow]:
    """What is no signal, and without which there would be none: webhooks, and the mesh's own control plane."""
    c = g.configured
    authority, istiod = c.topology.releases.cert_manager, pods_of("istiod", c)
    yield Flow(None, Pods("cert-manager-webhook", authority.namespace, ((NAME, "webhook"),)), 10250, "API server to cert-manager's webhook")
    yield Flow(None, istiod, 15017, "API server to the injector")
    yield Flow(ANYONE, istiod, 15012, "proxies to istiod, under TLS")
    if c.operator is not None:
        yield Flow(None, pods_of("operator", c), 9443, "API server to the operator's webhook")
