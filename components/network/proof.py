"""Whether policies let through what a rendered stack needs, and nothing else: every connection, asked of the evaluator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from components.network.evaluator import End, Node, Outside, Pod, selects
from components.network.parts import INSTANCE, door, pods_of
from components.network.world import DNS, STRANGER, World
from components.signals import Graph
from components.signals.model import address
from components.signals.reading import INSIDE, Resolved

API_SERVER = Outside("the API server", "203.0.113.1")
LOGIN = Outside("Microsoft Entra ID", "203.0.113.2")
BLOBS = Outside("blob storage", "203.0.113.3")
COMMUNITY = Outside("grafana.com", "203.0.113.4")
BROWSERS = Outside("browsers", "203.0.113.5")
OUTSIDE = {"entra id": LOGIN, "community": COMMUNITY}
"""Nodes of the graph that are no pods of this cluster, and are asked by some."""
MERGED_PORT = 15020
"""Where a proxy gives its own metrics and its application's."""
NODE = Node()


@dataclass(frozen=True)
class Connection:
    """One that must be possible."""

    source: End
    target: End
    port: int
    why: str
    protocol: str = "TCP"


def broken(found: World, g: Graph) -> list[str]:
    """A line for each connection that is needed and not let through; nothing where policies are complete."""
    lines = []
    for one in needed(found, g):
        refused = found.rules.refused(one.source, one.target, one.port, one.protocol)
        if refused:
            lines.append(f"{one.why}: {refused}")
    return list(dict.fromkeys(lines))


def needed(found: World, g: Graph) -> Iterator[Connection]:
    """Every connection that a rendered stack needs."""
    yield from (one for edge in g.edges for one in _edge(found, g, edge))
    yield from _scrapes(found, g)
    yield from _webhooks(found)
    yield from _for_every_pod(found)
    yield from _within(found)
    for blobs in (g.configured.topology.tempo_blobs, g.configured.topology.loki_blobs):
        for pod in found.selected(blobs.service_account.namespace, {}) if blobs.identity else ():
            yield Connection(pod, LOGIN, 443, f"workload identity of {pod.name}")


def sources(found: World, g: Graph, node: str) -> list[Pod]:
    """Pods that a node of the graph is; one of the cluster's own where it is not rendered."""
    pods = pods_of(node, g.configured)
    # a pod on its node's own network comes from the node's address, which no rule for pods means
    rendered = [pod for pod in found.selected(pods.namespace, dict(pods.labels)) if pod != DNS and not pod.on_host]
    return rendered or [Pod(f"their {node}", pods.namespace, dict(pods.labels))]


def _edge(found: World, g: Graph, resolved: Resolved) -> Iterator[Connection]:
    edge = resolved.edge
    if edge.to.startswith(INSIDE):
        return
    to, why = address(edge.to), f"{edge.signal} of {edge.source} to {edge.to}"
    if edge.source == "browsers":
        # a Service that is not rendered is the cluster's own, and so is what guards it
        gateway = g.configured.topology.gateway
        known = (gateway.namespace, gateway.name) in found.services
        yield from (Connection(BROWSERS, *end, why) for end in (found.behind(gateway.namespace, gateway.name, to.port) if known else ()))
        return
    ends = [(OUTSIDE[resolved.target], to.port)] if resolved.target in OUTSIDE else _behind(found, g, to.host, to.port)
    for target, port in ends:
        yield from (Connection(source, target, port, why) for source in sources(found, g, edge.source) if source != target)


def _behind(found: World, g: Graph, host: str, port: int) -> list[tuple[End, int]]:
    """Who answers at a host: pods behind a rendered Service, pods that an operator puts behind one of its own, or somebody else's."""
    name, _, namespace = host.partition(".")
    if (namespace, name) in found.services:
        return list(found.behind(namespace, name, port))
    behind = door(host, g.configured)
    if behind is not None:
        return [(pod, behind.port(port)) for pod in found.selected(behind.pods.namespace, dict(behind.pods.labels))]
    if "." in namespace:  # a domain of the internet
        return [(BLOBS, port)]
    return [(Pod(f"their {name}", namespace), port)]


def _scrapes(found: World, g: Graph) -> Iterator[Connection]:
    """What Prometheus comes for, monitor by monitor; of proxies the merged port, which the pods' annotations name."""
    for prometheus in sources(found, g, "prometheus"):
        for pod in _proxies(found, g):
            yield Connection(prometheus, pod, MERGED_PORT, f"scrape of the proxy of {pod.name}")
        for monitor in found.monitors:
            said = f"{monitor['kind']} {monitor['metadata']['name']}"
            for target, port in _monitored(found, monitor):
                if target != prometheus:  # which has its own door
                    yield Connection(prometheus, target, port, f"scrape of {target.name} by {said}")
        for tier in ("collector", "tail"):
            for collector in found.selected(g.configured.topology.telemetry_namespace, dict(pods_of(tier, g.configured).labels)):
                yield Connection(prometheus, collector, collector.ports["metrics"], f"scrape of {collector.name}")


def _proxies(found: World, g: Graph) -> list[Pod]:
    """Pods with a proxy: the gateway, and all of the namespaces that the mesh is told to join."""
    joined = dict(g.configured.topology.injection_labels).items()
    members = [pod for pod in found.pods if joined <= found.rules.namespaces.get(pod.namespace, {}).items()]
    return [*sources(found, g, "gateway"), *members]


def _monitored(found: World, monitor: Mapping[str, Any]) -> Iterator[tuple[Pod, int]]:
    """Pods and ports that a ServiceMonitor leads to."""
    spec, home = monitor["spec"], monitor["metadata"]["namespace"]
    chosen = spec.get("namespaceSelector") or {}
    for (namespace, name), service in found.services.items():
        if not (chosen.get("any") or namespace in chosen.get("matchNames", [home])):
            continue
        if not selects(spec["selector"], service["metadata"].get("labels") or {}):
            continue
        for end in spec.get("endpoints") or []:
            port = end.get("port")
            if port is None:  # a port of the pods, by the name it has there
                pods = found.selected(namespace, service["spec"].get("selector") or {})
                yield from ((pod, pod.ports[end["targetPort"]]) for pod in pods if end["targetPort"] in pod.ports)
            elif any(port == entry.get("name") for entry in service["spec"].get("ports") or []):
                yield from found.behind(namespace, name, port)


def _webhooks(found: World) -> Iterator[Connection]:
    for name, namespace, service, port in found.webhooks:
        if (namespace, service) in found.services:
            for pod, at in found.behind(namespace, service, port):
                yield Connection(API_SERVER, pod, at, f"webhook {name}")


def _for_every_pod(found: World) -> Iterator[Connection]:
    """What any pod may need: names, the API server, and its own node's probes, through which `kubectl port-forward` comes as well."""
    for pod in found.pods:
        yield from (Connection(pod, DNS, DNS.ports["dns"], f"DNS of {pod.name}", protocol) for protocol in ("UDP", "TCP"))
        yield Connection(pod, API_SERVER, 443, f"API server for {pod.name}")
        yield from (Connection(NODE, pod, port, f"probe of {pod.name}") for port in pod.ports.values())


def _within(found: World) -> Iterator[Connection]:
    """Parts of one product talk to each other at any of their ports: rings, caches, gossip, queries."""
    guarded = {policy.namespace for policy in found.rules.policies}
    for one in found.pods:
        for other in found.selected(one.namespace, {}) if one.namespace in guarded else ():
            if other != one and not one.on_host and INSTANCE in one.labels and one.labels[INSTANCE] == other.labels.get(INSTANCE):
                yield from (Connection(one, other, port, f"{one.name} to {other.name}") for port in other.ports.values())


def reached(found: World, source: End = STRANGER) -> set[tuple[str, str, int]]:
    """Namespace, pod and port of all that a stranger, or whoever else, reaches of the ports that pods say they have."""
    return {
        (pod.namespace, pod.name, port)
        for pod in found.pods
        for port in pod.ports.values()
        if pod not in (source, DNS) and not pod.on_host and found.rules.allows(source, pod, port)
    }
