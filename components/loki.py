"""The log store: Loki on blob storage, taking OTLP and pushes, with finite retention."""

from __future__ import annotations

from typing import Any

from pulumi import ResourceOptions

from components.charts import values_file
from components.merge import merge
from components.presets import caches, resources
from components.settings import Settings
from components.store import Store, StoreArgs, key_environment, key_placeholder
from components.topology import BlobStore, Topology

PARTS = ("distributor", "querier", "queryFrontend", "queryScheduler", "indexGateway", "compactor")
"""Processes of the distributed mode beside the ingesters, as the chart names them."""
OTHER_TARGETS = ("write", "read", "backend")
"""Targets of the SimpleScalable mode, which Loki 4 removes; their defaults are 3 and must be zeroed in every mode."""


def connection_string(blobs: BlobStore) -> str:
    """How Loki reaches Azurite: its own client always speaks https to <account>.<suffix>, this overrides all of it. No slash at the end."""
    assert blobs.endpoint is not None
    return (
        f"DefaultEndpointsProtocol=http;AccountName={blobs.account};AccountKey={key_placeholder(blobs)};"
        f"BlobEndpoint={blobs.endpoint.url}/{blobs.account};"
    )


def azure_storage(blobs: BlobStore) -> dict[str, Any]:
    """The chart's `loki.storage.azure`: account, and the key by reference."""
    if blobs.endpoint is not None:
        return {"accountName": blobs.account, "connectionString": connection_string(blobs)}
    return {"accountName": blobs.account, "accountKey": key_placeholder(blobs)}


def schema_config(settings: Settings) -> dict[str, Any]:
    """Loki's schema: tsdb and v13 in every period, which structured metadata (and with it OTLP) needs."""
    period = {"store": "tsdb", "object_store": "azure", "index": {"prefix": "index_", "period": "24h"}}
    return {"configs": [{"from": p.start, "schema": p.schema_version, **period} for p in settings.loki.schema_periods]}


def cache_values(settings: Settings) -> dict[str, Any]:
    """Memcached for chunks and results, sized to the preset and left out where the preset gives it nothing."""
    sizes = caches(settings.preset)
    result: dict[str, Any] = {}
    for name, mebibytes in (("chunksCache", sizes.chunks), ("resultsCache", sizes.results)):
        result[name] = {"enabled": True, "allocatedMemory": mebibytes} if mebibytes else {"enabled": False}
    if any(sizes):
        result["memcachedExporter"] = {"resources": resources("memcached-exporter", settings.preset)}
    return result


def values(settings: Settings, topology: Topology) -> dict[str, Any]:
    """Helm values of the chart loki."""
    choice, blobs = settings.loki, topology.loki_blobs
    derived: dict[str, Any] = {
        "deploymentMode": "Distributed" if choice.mode == "distributed" else "Monolithic",
        "defaults": {"extraEnv": key_environment(blobs)},
        "loki": {
            "commonConfig": {"replication_factor": choice.replication_factor},
            "schemaConfig": schema_config(settings),
            "storage": {"bucketNames": {"chunks": blobs.container, "ruler": blobs.container}, "azure": azure_storage(blobs)},
            "limits_config": {"retention_period": f"{choice.retention_days * 24}h"},
        },
        "gateway": {"resources": resources("loki-gateway", settings.preset)},
        "serviceAccount": {"name": topology.releases.loki.name},
        **{target: {"replicas": 0} for target in OTHER_TARGETS},
        **cache_values(settings),
        **(_distributed(settings) if choice.mode == "distributed" else _monolithic(settings)),
    }
    return merge(values_file("loki"), derived)


def _monolithic(settings: Settings) -> dict[str, Any]:
    return {
        "singleBinary": {
            "replicas": settings.loki.replicas,  # the chart's default is 0: no Loki, and no error
            "resources": resources("loki", settings.preset),
            "persistence": {"enabled": True, "size": f"{settings.loki.volume_gi}Gi"},
        }
    }


def _distributed(settings: Settings) -> dict[str, Any]:
    part = {"replicas": 1, "resources": resources("loki-part", settings.preset)}
    return {
        "singleBinary": {"replicas": 0},
        "ingester": {
            **part,
            "replicas": settings.loki.replicas,
            "zoneAwareReplication": {"enabled": False},  # on by default, and then needs the rollout operator
            "persistence": {
                "enabled": True,
                "claims": [{"name": "data", "accessModes": ["ReadWriteOnce"], "size": f"{settings.loki.volume_gi}Gi"}],
            },
        },
        "ruler": {"enabled": False},
        **{name: dict(part) for name in PARTS},
    }


class Loki(Store):
    """Loki; logs in over OTLP and the push API through its gateway, out by LogQL."""

    token = "logs:Loki"

    def __init__(self, name: str, args: StoreArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(name, args, opts)
        topology = args.topology
        identity = self._identity(topology.releases.loki, topology.loki_blobs, args)
        self.release = self._release(topology.releases.loki, values(args.settings, topology), *identity)
        self.register_outputs({"url": topology.loki.url})
