"""The log store: Loki on blob storage, taking OTLP and pushes, with finite retention."""

from __future__ import annotations

from typing import Any

from pulumi import ResourceOptions

from components.availability import ONE_AT_A_TIME, spread
from components.charts import values_file
from components.merge import merge
from components.presets import cache_resources, caches, replicas, resources
from components.settings import Settings
from components.store import Store, StoreArgs, key_environment, key_placeholder, pod_metadata
from components.topology import BlobStore, Topology

PARTS = {
    "distributor": "distributor",
    "ingester": "ingester",
    "querier": "querier",
    "queryFrontend": "query-frontend",
    "queryScheduler": "query-scheduler",
    "indexGateway": "index-gateway",
    "compactor": "compactor",
}
"""Processes of the distributed mode: the chart's section to the component's name."""
SCALE_WITH_INGESTERS = ("distributor", "querier")
"""Parts of which there are as many as ingesters where the preset has fewer."""
OTHER_TARGETS = ("write", "read", "backend")
"""Targets of the SimpleScalable mode, which Loki 4 removes; their defaults are 3 and must be zeroed in every mode."""


def connection_string(blobs: BlobStore) -> str:
    """How Loki reaches Azurite: its own client always speaks https to <account>.<suffix>, this overrides all of it. No slash at the end."""
    return f"DefaultEndpointsProtocol=http;AccountName={blobs.account};AccountKey={key_placeholder(blobs)};BlobEndpoint={blobs.url};"


def azure_storage(blobs: BlobStore) -> dict[str, Any]:
    """The chart's `loki.storage.azure`: the account, and the pod's own token or the key by reference."""
    if blobs.endpoint is not None:
        return {"accountName": blobs.account, "connectionString": connection_string(blobs)}
    way_in = {"useFederatedToken": True} if blobs.identity else {"accountKey": key_placeholder(blobs)}
    return {"accountName": blobs.account, "endpointSuffix": blobs.suffix, **way_in}


def schema_config(settings: Settings) -> dict[str, Any]:
    """Loki's schema: tsdb and v13 in every period, which structured metadata (and with it OTLP) needs."""
    period = {"store": "tsdb", "object_store": "azure", "index": {"prefix": "index_", "period": "24h"}}
    return {"configs": [{"from": p.start, "schema": p.schema_version, **period} for p in settings.loki.schema_periods]}


def cache_values(settings: Settings) -> dict[str, Any]:
    """Memcached for chunks and results, sized to the preset and left out where the preset gives it nothing."""
    sizes = caches(settings.preset)
    result: dict[str, Any] = {}
    for name, mebibytes in (("chunksCache", sizes.chunks), ("resultsCache", sizes.results)):
        result[name] = {"enabled": mebibytes > 0}
        if mebibytes:
            result[name] |= {"allocatedMemory": mebibytes, "resources": cache_resources(mebibytes, settings.preset)}
    if any(sizes):
        result["memcachedExporter"] = {"resources": resources("memcached-exporter", settings.preset)}
    return result


def values(settings: Settings, topology: Topology) -> dict[str, Any]:
    """Helm values of the chart loki."""
    choice, blobs = settings.loki, topology.loki_blobs
    derived: dict[str, Any] = {
        "deploymentMode": "Distributed" if choice.mode == "distributed" else "Monolithic",
        "defaults": {"extraEnv": key_environment(blobs), **pod_metadata(blobs)},
        "loki": {
            "commonConfig": {"replication_factor": choice.replication_factor},
            "schemaConfig": schema_config(settings),
            "storage": {"bucketNames": {"chunks": blobs.container, "ruler": blobs.container}, "azure": azure_storage(blobs)},
            "limits_config": {"retention_period": f"{choice.retention_days * 24}h"},
        },
        "gateway": {
            "resources": resources("loki-gateway", settings.preset),
            **_several(replicas("loki-gateway", settings.preset), topology, "gateway"),
        },
        "serviceAccount": {"name": blobs.service_account.name},
        **{target: {"replicas": 0} for target in OTHER_TARGETS},
        **cache_values(settings),
        **(_distributed(settings, topology) if choice.mode == "distributed" else _monolithic(settings, topology)),
    }
    return merge(values_file("loki"), derived)


def part_replicas(part: str, settings: Settings) -> int:
    """How many of one part the distributed mode runs: ingesters as settings say, the rest by the preset."""
    if part == "ingester":
        return settings.loki.replicas
    count = replicas(f"loki-{PARTS[part]}", settings.preset)
    return max(count, settings.loki.replicas) if part in SCALE_WITH_INGESTERS else count


def _several(count: int, topology: Topology, component: str) -> dict[str, Any]:
    """Number of a component, and what several need. The chart itself keeps them on different nodes, and insists on it."""
    if count == 1:
        return {"replicas": 1}
    release = topology.releases.loki
    names = {"name": release.chart, "instance": release.name, "component": component}
    labels = {f"app.kubernetes.io/{key}": value for key, value in names.items()}
    return {"replicas": count, "podDisruptionBudget": ONE_AT_A_TIME, "topologySpreadConstraints": spread(labels)}


def _monolithic(settings: Settings, topology: Topology) -> dict[str, Any]:
    return {
        "singleBinary": {
            # the chart's default is 0: no Loki, and no error
            **_several(settings.loki.replicas, topology, "single-binary"),
            "resources": resources("loki", settings.preset),
            "persistence": {"enabled": True, "size": f"{settings.loki.volume_gi}Gi"},
        }
    }


def _distributed(settings: Settings, topology: Topology) -> dict[str, Any]:
    parts = {
        part: {
            **_several(part_replicas(part, settings), topology, component),
            "resources": resources(f"loki-{component}", settings.preset),
        }
        for part, component in PARTS.items()
    }
    parts["ingester"] |= {
        "zoneAwareReplication": {"enabled": False},  # on by default, and then needs the rollout operator
        "persistence": {
            "enabled": True,
            "claims": [{"name": "data", "accessModes": ["ReadWriteOnce"], "size": f"{settings.loki.volume_gi}Gi"}],
        },
    }
    return {"singleBinary": {"replicas": 0}, "ruler": {"enabled": False}, **parts}


class Loki(Store):
    """Loki; logs in over OTLP and the push API through its gateway, out by LogQL."""

    token = "logs:Loki"

    def __init__(self, name: str, args: StoreArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(name, args, opts)
        topology = args.topology
        identity = self._identity(topology.releases.loki, topology.loki_blobs, args)
        self.release = self._release(topology.releases.loki, values(args.settings, topology), *identity)
        self.register_outputs({"url": topology.loki.url})
