"""The bill of a plan: what is stored, and what it all costs a month. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from components.capacity import Load, k
from sizing.cluster import Nodes
from sizing.data import Environment, Prices

MONTH_SECONDS = 730 * 3600


class Volume(NamedTuple):
    """Volumes of one store."""

    store: str
    number: int
    gibibytes: int
    """Of each."""
    billed: int
    """GiB that each is billed as."""


class Cost(NamedTuple):
    """One line of the bill."""

    what: str
    why: str
    amount: float
    """Per month, in the prices' currency."""


class Blobs(NamedTuple):
    """Gigabytes in the storage account when the first data has reached the end of its retention."""

    traces: float
    logs: float
    deleted: float
    """What soft delete keeps, and Azure bills, of what retention and compaction have removed."""


def bill(load: Load, environment: Environment, prices: Prices, found: Nodes, volumes: tuple[Volume, ...], blobs: Blobs) -> Iterator[Cost]:
    """The bill: the same lines for every environment, so that they can stand side by side."""
    replication, tier, settings = environment.replication, environment.cluster_tier, environment.settings
    per_gb = prices.blob_gb_per_month[replication]
    disks, disk = sum(v.number * v.billed for v in volumes), "ZRS" if environment.survives == "zone" else "LRS"
    yield Cost("nodes", f"{found.count} x {found.node.name}", found.count * found.node.per_hour * prices.hours_per_month)
    yield Cost("cluster", f"AKS, {tier} tier", prices.cluster_per_month[tier])
    yield Cost("volumes", f"billed as {disks:,} GiB, {disk}", disks * prices.disk_gi_b_per_month[disk])
    yield Cost(
        "blobs", f"{blobs.traces:,.0f} GB of traces, {blobs.logs:,.0f} GB of logs, {replication}", (blobs.traces + blobs.logs) * per_gb
    )
    yield Cost("deleted blobs", f"{blobs.deleted:,.0f} GB, {environment.soft_delete_days} days of soft delete", blobs.deleted * per_gb)
    writes = _chunks(load)
    yield Cost("blob writes", f"{writes:,.0f} chunks of logs", writes / 10_000 * prices.blob_writes_per10000[replication])
    public = settings.istio.own_gateway and settings.istio.gateway_service == "LoadBalancer"
    yield Cost("load balancer", "the mesh gateway's" if public else "none", prices.load_balancer_per_month if public else 0)
    private = settings.azure is not None and settings.azure.network.private_endpoint is not None
    yield Cost("private endpoint", "the storage account's" if private else "none", prices.private_endpoint_per_month if private else 0)


def _chunks(load: Load) -> float:
    """Chunks of logs a month: full ones, or where that is more, one for each pod as often as Loki lets none get older."""
    full = load.log_mb_per_second * 1e6 * MONTH_SECONDS / k("lokiCompression") / k("lokiChunkBytes")
    aged = load.pods * MONTH_SECONDS / k("lokiVolumeSeconds") if load.log_mb_per_second else 0
    return max(full, aged)
