"""The arithmetic: a load, an environment and prices in; replicas, requests, volumes, blobs, nodes and money out. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, inf
from typing import NamedTuple

from components import capacity
from components.capacity import DAY, MIB, Load, k, load_of
from components.settings import Settings
from sizing.choice import choose
from sizing.cluster import Cluster, Row, nodes
from sizing.data import Environment, Node, Prices

GIB = 1024 * MIB
MONTH_SECONDS = 730 * 3600


class Volume(NamedTuple):
    """Volumes of one store."""

    store: str
    number: int
    gibibytes: int
    """Of each."""


class Cost(NamedTuple):
    """One line of the bill."""

    what: str
    why: str
    amount: float
    """Per month, in the prices' currency."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one environment needs for a load, and what that costs."""

    load: Load
    settings: Settings
    """The settings that this plan is made with: preset, modes, replicas and retentions."""
    rows: tuple[Row, ...]
    volumes: tuple[Volume, ...]
    trace_gb: float
    """Gigabytes of blobs that Tempo keeps."""
    log_gb: float
    """Gigabytes of blobs that Loki keeps."""
    node: Node
    node_count: int
    costs: tuple[Cost, ...]
    notes: tuple[str, ...]
    """Documented limits that are passed, and what no preset carries."""

    @property
    def cpu(self) -> float:
        """Cores reserved in all."""
        return sum(row.cpu for row in self.rows)

    @property
    def memory(self) -> float:
        """MiB reserved in all."""
        return sum(row.memory for row in self.rows)

    @property
    def volume_gib(self) -> int:
        """GiB of volumes in all."""
        return sum(volume.number * volume.gibibytes for volume in self.volumes)

    @property
    def total(self) -> float:
        """Money per month."""
        return sum(cost.amount for cost in self.costs)


def plan(environment: Environment, prices: Prices) -> Plan:
    """The least that carries an environment's load and keeps its promises.

    More load never costs less, and never needs less of anything but nodes, of which there may be fewer where greater ones are cheaper.
    """
    choice = choose(environment)
    settings, notes, load = choice.settings, choice.notes, load_of(choice.settings.load)
    volumes = _volumes(load, settings)
    trace_gb = load.span_mb_per_second * DAY * settings.tempo.retention_days / 1e3 / k("tempoCompression")
    log_gb = load.log_mb_per_second * DAY * settings.loki.retention_days / 1e3 / k("lokiCompression")
    needs = {need.component: need for need in capacity.needs(load, settings.istio.mode, settings.tempo.mode, settings.loki.mode)}
    cluster = Cluster(load, choice, needs, settings.tempo.mode != environment.settings.tempo.mode)
    node, count, fits = nodes(cluster, environment, prices)
    if not fits:
        notes = (*notes, f"no node size in the prices holds the greatest pod; {node.name} is reckoned with: add a greater one")
    costs = (
        Cost("nodes", f"{count} x {node.name}", count * node.per_hour * prices.hours_per_month),
        *_other_costs(load, environment, prices, volumes, trace_gb + log_gb),
    )
    return Plan(load, settings, tuple(cluster.rows(count)), volumes, trace_gb, log_gb, node, count, costs, notes)


def _volumes(load: Load, settings: Settings) -> tuple[Volume, ...]:
    """As much as settings say, or more where the load needs it."""
    samples = load.active_series / k("scrapeSeconds") * settings.prometheus.retention_days * DAY
    metrics = samples * k("prometheusBytesPerSample") / k("prometheusVolumeFill")
    # what one ingester gets at the most: all there is, until there are more of them
    traces = min(load.span_mb_per_second, k("tempoIngesterMaxMB") if settings.tempo.mode == "distributed" else inf)
    logs = min(load.log_mb_per_second, k("lokiTableMB") / k("lokiIngesters") if settings.loki.mode == "distributed" else inf)
    fresh_traces = traces * settings.tempo.replication_factor * k("tempoBlockSeconds") * 1e6
    fresh_logs = logs * settings.loki.replication_factor * k("lokiVolumeSeconds") * 1e6
    return tuple(
        Volume(store, choice.replicas, max(choice.volume_gi, ceil(data / GIB)))
        for store, choice, data in (
            ("prometheus", settings.prometheus, metrics),
            ("tempo", settings.tempo, fresh_traces),
            ("loki", settings.loki, fresh_logs),
        )
    )


def _other_costs(load: Load, environment: Environment, prices: Prices, volumes: tuple[Volume, ...], blob_gb: float) -> Iterator[Cost]:
    disks = sum(volume.number * volume.gibibytes for volume in volumes)
    writes = load.log_mb_per_second * 1e6 * MONTH_SECONDS / k("lokiCompression") / k("lokiChunkBytes")
    replication, tier = environment.replication, environment.cluster_tier
    yield Cost("cluster", f"AKS, {tier} tier", prices.cluster_per_month[tier])
    yield Cost("volumes", f"{disks:,} GiB", disks * prices.disk_gi_b_per_month)
    yield Cost("blobs", f"{blob_gb:,.0f} GB, {replication}", blob_gb * prices.blob_gb_per_month[replication])
    yield Cost("blob writes", f"{writes:,.0f} chunks of logs", writes / 10_000 * prices.blob_writes_per10000[replication])
    yield Cost("load balancer", "the mesh gateway's", prices.load_balancer_per_month)
