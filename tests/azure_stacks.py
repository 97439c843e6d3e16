"""Stacks in Azure that tests go through, as configuration objects."""

from __future__ import annotations

from typing import Any

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
NETWORK = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/network/providers/Microsoft.Network/virtualNetworks/main"
SUBNET = f"{NETWORK}/subnets/nodes"
ENDPOINTS = f"{NETWORK}/subnets/endpoints"
AZURE: dict[str, Any] = {
    "subscriptionId": SUBSCRIPTION,
    "tenantId": SUBSCRIPTION,
    "location": "westeurope",
    "resourceGroup": {"name": "telemetry"},
    "network": {"subnetIds": [SUBNET]},
}
KEYLESS: dict[str, Any] = {
    "storage": {"kind": "azure"},
    "azure": AZURE,
    "cluster": {"aks": {"resourceGroup": "clusters", "name": "aks-dev"}},
}
WITH_KEY: dict[str, Any] = {"storage": {"kind": "azure", "auth": "accountKey"}, "azure": AZURE, "cluster": {"context": "aks-dev"}}
DISTRIBUTED: dict[str, Any] = {
    "tempo": {"mode": "distributed", "replicas": 3, "replicationFactor": 3},
    "loki": {"mode": "distributed", "replicas": 3, "replicationFactor": 3},
}
EXISTING: dict[str, Any] = {
    "certManager": {"source": "existing", "existing": {"namespace": "pki", "release": "cm"}},
    "prometheus": {"source": "existing", "existing": {"namespace": "monitoring", "service": "kps-prometheus"}},
    "opentelemetry": {"source": "existing"},
    "istio": {"source": "existing", "existing": {"gateway": {"namespace": "edge", "service": "edge-gateway", "label": "edge"}}},
}
AZURE_VARIANTS: dict[str, dict[str, Any]] = {
    "keyless": KEYLESS,
    "key": WITH_KEY,
    "keyless-distributed": {**KEYLESS, **DISTRIBUTED, "preset": "large"},
    "key-distributed": {**WITH_KEY, **DISTRIBUTED},
    "existing": {
        **KEYLESS,
        **EXISTING,
        "grafana": {"exposure": {"host": "grafana.edge.example.com"}, "entraId": {"clientId": SUBSCRIPTION}},
    },
}
"""Configuration of each kind of stack in Azure."""


def azure(**changes: Any) -> dict[str, Any]:
    """The key `azure` with some of its keys changed."""
    return {**AZURE, **changes}
