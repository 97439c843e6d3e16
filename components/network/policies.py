"""NetworkPolicies of this stack's own namespaces: each is closed, but for the connections that the signal graph has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.network.flows import Flow, flows
from components.network.parts import NAMESPACE, Pods, own_namespaces
from components.settings import Settings
from components.signals import Graph

CLOSED = "closed"
"""Name of the policy that closes a namespace to all but its own pods."""


@dataclass(frozen=True)
class Policy:
    """A NetworkPolicy to be made in a namespace."""

    name: str
    spec: dict[str, Any]


@dataclass(frozen=True)
class Guards:
    """The policies of every namespace; whoever makes a namespace makes its policies with it."""

    of_namespace: Mapping[str, Sequence[Policy]] = field(default_factory=dict)

    def __getitem__(self, namespace: str) -> Sequence[Policy]:
        return self.of_namespace.get(namespace, ())


def guards(settings: Settings, graph: Graph) -> Guards:
    """The policies of a stack; none where settings turn them off."""
    if not settings.network.policies:
        return Guards()
    c = graph.configured
    shared, ours = c.topology.releases.istiod.namespace, own_namespaces(c)
    found: dict[str, list[Policy]] = {}
    for target, into in _by_target(flows(graph)).items():
        if target.namespace not in ours:
            continue
        if target.namespace not in found:
            # others put gateways of their own beside istiod: there the control plane alone is guarded
            found[target.namespace] = [] if target.namespace == shared else [Policy(CLOSED, closed())]
        found[target.namespace].append(Policy(target.name, opened(target, into)))
    return Guards(found)


def closed() -> dict[str, Any]:
    """Nobody reaches a pod of this namespace but its own pods: the parts of a store talk to each other at ports of their own."""
    return {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": {}}]}]}


def opened(target: Pods, into: Iterable[Flow]) -> dict[str, Any]:
    """The connections into some pods: a rule for each port."""
    ports: dict[int, list[Pods | None]] = {}
    for flow in into:
        sources = ports.setdefault(flow.port, [])
        if flow.source not in sources:
            sources.append(flow.source)
    return {
        "podSelector": {"matchLabels": dict(target.labels)},
        "policyTypes": ["Ingress"],
        "ingress": [_rule(port, ports[port]) for port in sorted(ports)],
    }


def _rule(port: int, sources: Sequence[Pods | None]) -> dict[str, Any]:
    rule: dict[str, Any] = {"ports": [{"port": port, "protocol": "TCP"}]}
    known = [source for source in sources if source is not None]
    if len(known) == len(sources):  # one from wherever makes all the others needless
        rule["from"] = [peer(source) for source in sorted(known)]
    return rule


def peer(source: Pods) -> dict[str, Any]:
    """Pods as a rule names where a connection comes from."""
    found: dict[str, Any] = {"namespaceSelector": {"matchLabels": {NAMESPACE: source.namespace}} if source.namespace else {}}
    return found | ({"podSelector": {"matchLabels": dict(source.labels)}} if source.labels else {})


def _by_target(found: Iterable[Flow]) -> dict[Pods, list[Flow]]:
    grouped: dict[Pods, list[Flow]] = {}
    for flow in found:
        grouped.setdefault(flow.target, []).append(flow)
    return dict(sorted(grouped.items()))
