"""The trace store: Tempo on blob storage, with metrics and a service graph made from its spans."""

from __future__ import annotations

from typing import Any

from pulumi import ResourceOptions

from components.charts import values_file
from components.errors import ConfigurationError
from components.layer import LayerArgs
from components.merge import merge
from components.presets import replicas, resources
from components.settings import Settings
from components.store import Store, StoreArgs, key_environment, key_placeholder, pod_metadata
from components.topology import EXEMPLAR_LABEL, BlobStore, Topology

PARTS = {
    "distributor": "distributor",
    "ingester": "ingester",
    "compactor": "compactor",
    "querier": "querier",
    "queryFrontend": "query-frontend",
    "metricsGenerator": "metrics-generator",
}
"""Processes of the distributed mode: the chart's section to the component's name. A second generator would count every span twice."""
SCALE_WITH_INGESTERS = ("distributor", "compactor", "querier")
"""Parts of which there are as many as ingesters where the preset has fewer: Tempo's sizing page scales them by the same rate."""


def trace_storage(blobs: BlobStore) -> dict[str, Any]:
    """Tempo's `storage.trace`: the container, and the pod's own token or the key by reference. Source: tempodb/backend/azure/config.go."""
    azure: dict[str, Any] = {"container_name": blobs.container, "storage_account_name": blobs.account}
    azure |= {"use_federated_token": True} if blobs.identity else {"storage_account_key": key_placeholder(blobs)}
    # a suffix that does not begin with `blob.` means Azurite to Tempo: http://<suffix>/<account>
    azure["endpoint_suffix"] = blobs.endpoint.authority if blobs.endpoint else blobs.suffix
    return {"backend": "azure", "azure": azure}


def remote_write(topology: Topology) -> list[dict[str, Any]]:
    """Where the metrics made from spans go, exemplars with them."""
    return [{"url": f"{topology.prometheus.url}/api/v1/write", "send_exemplars": True}]


def generator_overrides() -> dict[str, Any]:
    """Tempo's `overrides.defaults`: enabling the generator alone yields nothing, each tenant's processors must be named too."""
    return {"metrics_generator": {"processors": ["service-graphs", "span-metrics"], "trace_id_label_name": EXEMPLAR_LABEL}}


def single_values(settings: Settings, topology: Topology) -> dict[str, Any]:
    """Helm values of the chart tempo: one process."""
    blobs = topology.tempo_blobs
    derived = {
        "replicas": settings.tempo.replicas,  # settings allow one alone
        "tempo": {
            "resources": resources("tempo", settings.preset),
            "retention": f"{settings.tempo.retention_days * 24}h",
            "extraEnv": key_environment(blobs),
            "storage": {"trace": trace_storage(blobs)},
            "metricsGenerator": {"storage": {"remote_write": remote_write(topology)}},
            "overrides": {"defaults": generator_overrides()},
        },
        "serviceAccount": {"name": blobs.service_account.name},
        "persistence": {"size": f"{settings.tempo.volume_gi}Gi"},
        **pod_metadata(blobs),
    }
    return merge(values_file("tempo"), derived)


def part_replicas(part: str, settings: Settings) -> int:
    """How many of one part the distributed mode runs: ingesters as settings say, the rest by the preset.

    What several need is the chart's own default: a disruption budget, and different nodes and zones.
    """
    if part == "ingester":
        return settings.tempo.replicas
    count = replicas(f"tempo-{PARTS[part]}", settings.preset)
    return max(count, settings.tempo.replicas) if part in SCALE_WITH_INGESTERS else count


def distributed_values(settings: Settings, topology: Topology) -> dict[str, Any]:
    """Helm values of the chart tempo-distributed 2.x: each part a workload of its own."""
    blobs = topology.tempo_blobs
    derived: dict[str, Any] = {
        "storage": {"trace": trace_storage(blobs)},
        "overrides": {"defaults": generator_overrides()},
        "serviceAccount": {"name": blobs.service_account.name},
        "tempo": pod_metadata(blobs),
    }
    for part, component in PARTS.items():
        derived[part] = {
            "replicas": part_replicas(part, settings),
            "resources": resources(f"tempo-{component}", settings.preset),
            "extraArgs": ["-config.expand-env=true"],
            "extraEnv": key_environment(blobs),
        }
    derived["ingester"]["persistence"] = {"size": f"{settings.tempo.volume_gi}Gi"}
    derived["ingester"]["config"] = {"replication_factor": settings.tempo.replication_factor}
    derived["compactor"]["config"] = {"compaction": {"block_retention": f"{settings.tempo.retention_days * 24}h"}}
    derived["metricsGenerator"]["config"] = {"storage": {"remote_write": remote_write(topology)}}
    return merge(values_file("tempo-distributed"), derived)


def values(settings: Settings, topology: Topology) -> dict[str, Any]:
    """Helm values of whichever chart the mode asks for."""
    return distributed_values(settings, topology) if settings.tempo.mode == "distributed" else single_values(settings, topology)


def require_locked(args: LayerArgs) -> None:
    """Raises ConfigurationError where settings ask for another version of the chart than the lock pins."""
    chart, asked = args.charts[args.topology.releases.tempo.chart], args.settings.tempo.chart_version
    if asked is not None and asked != chart.version:
        raise ConfigurationError(
            f"tempo.chartVersion is {asked}: {args.charts.lock} pins {chart.name} {chart.version}; lock the other one first"
        )


class Tempo(Store):
    """Tempo; traces in over OTLP, out by its HTTP API."""

    token = "traces:Tempo"

    def __init__(self, name: str, args: StoreArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(name, args, opts)
        topology = args.topology
        require_locked(args)
        identity = self._identity(topology.releases.tempo, topology.tempo_blobs, args)
        self.release = self._release(topology.releases.tempo, values(args.settings, topology), *identity)
        self.register_outputs({"url": topology.tempo.url})
