"""Who may talk to whom inside the mesh: mutual TLS, and callers by the identity that it proves. Only proxies enforce this.

The namespaces of the stores and of Grafana are not in the mesh; NetworkPolicies guard these (components/network).
"""

from __future__ import annotations

from typing import Any

from components.settings import Settings
from components.topology import Topology

TRUST_DOMAIN = "cluster.local"
"""What every identity begins with, where the MeshConfig names no other."""
EVERY_POD = "default"
"""Name of a namespace's PeerAuthentication. One by another name would count for nothing beside an older one without selector."""


def strict_spec() -> dict[str, Any]:
    """Spec of a namespace's PeerAuthentication: its proxies refuse what does not come under mutual TLS.

    Prometheus, outside of the mesh, still reaches a pod's merged metrics at 15020: Istio takes that port, 15021 and 15090 out of what it
    redirects to the proxy (injection template, excludeInboundPorts). Kubelets' probes come there, too, as the injector rewrites them;
    in ambient mode they come from an address that the node's proxy leaves alone.
    """
    return {"mtls": {"mode": "STRICT"}}


def identity(namespace: str, account: str) -> str:
    """A workload as policies name it."""
    return f"{TRUST_DOMAIN}/ns/{namespace}/sa/{account}"


def gateway_source(settings: Settings, topology: Topology) -> dict[str, Any]:
    """The ingress gateway as a caller: ours by its identity, the cluster's own by its namespace, as nobody knows its ServiceAccount."""
    if settings.istio.own_gateway:
        release = topology.releases.gateway
        return {"principals": [identity(release.namespace, release.name)]}  # the chart names its ServiceAccount after the release
    return {"namespaces": [topology.gateway.namespace]}


def callers_spec(labels: dict[str, str], port: int, *callers: dict[str, Any]) -> dict[str, Any]:
    """Spec of an AuthorizationPolicy by which only these callers reach a port of these pods, and nobody another port."""
    return {
        "selector": {"matchLabels": labels},
        "action": "ALLOW",
        "rules": [{"from": [{"source": caller} for caller in callers], "to": [{"operation": {"ports": [str(port)]}}]}],
    }


def waypoint_callers_spec(waypoint: str, *callers: dict[str, Any]) -> dict[str, Any]:
    """Spec of an AuthorizationPolicy that a waypoint enforces: who may ask for what stands behind it."""
    return {
        "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": waypoint}],
        "action": "ALLOW",
        "rules": [{"from": [{"source": caller} for caller in callers]}],
    }
