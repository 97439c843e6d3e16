"""Whether a connection is let through, decided as a network plugin decides it: by NetworkPolicies, labels and addresses alone. Pure.

What Kubernetes says of NetworkPolicies and no policy can change is here, too: a pod that no policy selects is open, policies only ever add
what they allow, a node always reaches the pods that run on it, and a pod on its node's own network is the node.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, Literal

from components.network.parts import NAMESPACE

Direction = Literal["Ingress", "Egress"]


@dataclass(frozen=True)
class Pod:
    """A pod, as far as policies look at it."""

    name: str
    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    """Its containers' ports by name."""
    on_host: bool = False
    """Whether it lives on its node's own network."""


@dataclass(frozen=True)
class Node:
    """The node that the other end runs on: its kubelet's probes, and `kubectl port-forward`."""

    name: str = "node"


@dataclass(frozen=True)
class Outside:
    """An address that is no pod's: the API server, Azure, the internet."""

    name: str
    address: str


End = Pod | Node | Outside


@dataclass(frozen=True)
class Namespaced:
    """A NetworkPolicy in its namespace."""

    name: str
    namespace: str
    spec: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Rules:
    """All policies of a cluster, and the labels of its namespaces."""

    policies: Sequence[Namespaced]
    namespaces: Mapping[str, Mapping[str, str]]

    def refused(self, source: End, target: End, port: int, protocol: str = "TCP") -> str:
        """Why a connection is not let through; empty where it is."""
        return self._refused(source, target, target, port, protocol, "Egress") or self._refused(
            target, source, target, port, protocol, "Ingress"
        )

    def allows(self, source: End, target: End, port: int, protocol: str = "TCP") -> bool:
        """Whether a connection is let through."""
        return not self.refused(source, target, port, protocol)

    def _refused(self, guarded: End, other: End, target: End, port: int, protocol: str, direction: Direction) -> str:
        if not isinstance(guarded, Pod) or guarded.on_host or isinstance(other, Node):
            return ""
        binding = [policy for policy in self.policies if _binds(policy, guarded, direction)]
        if not binding or any(
            self._lets(rule, policy, other, target, port, protocol, direction) for policy, rule in _rules(binding, direction)
        ):
            return ""
        names = ", ".join(sorted(map(str, binding)))
        return (
            f"{direction} of {guarded.namespace}/{guarded.name} is guarded by {names}: none lets {other.name} through at {port}/{protocol}"
        )

    def _lets(
        self, rule: Mapping[str, Any], policy: Namespaced, other: End, target: End, port: int, protocol: str, direction: Direction
    ) -> bool:
        peers = rule.get("from" if direction == "Ingress" else "to")
        named = target.ports if isinstance(target, Pod) else {}
        ports = rule.get("ports")
        at_port = not ports or any(_at(entry, port, protocol, named) for entry in ports)
        return at_port and (not peers or any(self._is(peer, policy.namespace, other) for peer in peers))

    def _is(self, peer: Mapping[str, Any], home: str, other: End) -> bool:
        if "ipBlock" in peer:
            return isinstance(other, Outside) and _in_block(peer["ipBlock"], other.address)
        if not isinstance(other, Pod) or other.on_host:
            return False
        if "namespaceSelector" in peer:
            if not selects(peer["namespaceSelector"], {NAMESPACE: other.namespace, **self.namespaces.get(other.namespace, {})}):
                return False
        elif other.namespace != home:
            return False
        return selects(peer.get("podSelector") or {}, other.labels)


def _binds(policy: Namespaced, pod: Pod, direction: Direction) -> bool:
    """Whether a policy guards a pod in a direction; one that says no types guards ingress, and egress if it has rules for that."""
    types = policy.spec.get("policyTypes") or ["Ingress", *(["Egress"] if policy.spec.get("egress") else [])]
    return direction in types and policy.namespace == pod.namespace and selects(policy.spec.get("podSelector") or {}, pod.labels)


def _rules(binding: Sequence[Namespaced], direction: Direction) -> Iterator[tuple[Namespaced, Mapping[str, Any]]]:
    for policy in binding:
        for rule in policy.spec.get(direction.lower()) or ():
            yield policy, rule


def _at(entry: Mapping[str, Any], port: int, protocol: str, named: Mapping[str, int]) -> bool:
    if entry.get("protocol", "TCP") != protocol:
        return False
    said = entry.get("port")
    if said is None:
        return True
    first = named.get(said, -1) if isinstance(said, str) else int(said)
    return first <= port <= int(entry.get("endPort", first))


def _in_block(block: Mapping[str, Any], address: str) -> bool:
    def inside(cidr: str) -> bool:
        return ip_address(address) in ip_network(cidr)

    return inside(block["cidr"]) and not any(inside(cidr) for cidr in block.get("except") or ())


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector selects; an empty one selects everything."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(expression, labels) for expression in selector.get("matchExpressions") or ())


def _expression(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    verdicts = {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }
    return verdicts[expression["operator"]]
