"""What several replicas of a workload need to outlive a node or a zone: a disruption budget, and places apart from each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ZONE = "topology.kubernetes.io/zone"
NODE = "kubernetes.io/hostname"
ONE_AT_A_TIME = {"maxUnavailable": 1}
"""A disruption budget that lets a node be drained, one pod after the other. `minAvailable` would block the drain when a pod is ill."""


def spread(labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """Topology spread constraints over zones and nodes for the pods with these labels; a cluster with one zone still runs them."""
    return [
        {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": dict(labels)}}
        for key in (ZONE, NODE)
    ]


def anti_affinity(labels: Mapping[str, str]) -> dict[str, Any]:
    """Affinity that puts the pods with these labels on different nodes where it can; insisting would leave some pending on small ones."""
    term = {"topologyKey": NODE, "labelSelector": {"matchLabels": dict(labels)}}
    return {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]}}


def scattered(replicas: int, labels: Mapping[str, str]) -> dict[str, Any]:
    """Both as pod specs and most charts take them; nothing for a single replica."""
    return {"topologySpreadConstraints": spread(labels), "affinity": anti_affinity(labels)} if replicas > 1 else {}
