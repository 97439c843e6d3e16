"""Sizes as data: what every container requests and may use, per preset, and how many of it run; all in one place.

Requests are what a preset reserves, limits are what it can grow to. Sources of the figures: Istio's performance page (a sidecar takes 0.2
vCPU and 60 MB at 1000 requests/s), Alloy's sizing (1 CPU and 120 MiB per MiB/s of logs), Tempo's and Loki's sizing pages, and idle
measurements of the operators. `small` carries a team's test cluster in 4 GiB; what each preset carries is computed in
components/capacity.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from components.settings import Preset


class Size(NamedTuple):
    """Requests and limits of one container: CPU in millicores, memory in MiB."""

    cpu: int
    memory: int
    cpu_limit: int
    memory_limit: int

    def resources(self) -> dict[str, Any]:
        """As Kubernetes and every chart take it."""
        return {
            "requests": {"cpu": f"{self.cpu}m", "memory": f"{self.memory}Mi"},
            "limits": {"cpu": f"{self.cpu_limit}m", "memory": f"{self.memory_limit}Mi"},
        }


EPHEMERAL = "ephemeral-storage"
"""The node's own disk, as Kubernetes calls it: logs, what a container writes, and volumes that die with the pod."""
_DISK = (32, 1024)
_DISK_OF_STORES = (256, 10240)
"""What a container requests and may use of it, in MiB; the kubelet evicts a pod that uses more, before others suffer. A part of a store
without a volume keeps its index, its cache or its write-ahead log there."""
_STORES = ("tempo", "loki")


class Caches(NamedTuple):
    """Memory of Loki's memcached, in MiB; 0 leaves the cache out."""

    chunks: int
    results: int


PRESETS: tuple[Preset, ...] = ("small", "medium", "large")
"""From the least to the most; no container of a later one is smaller than in an earlier one."""

_SIZES: dict[str, tuple[Size, Size, Size]] = {
    # container: small, medium, large
    "cert-manager": (Size(10, 64, 500, 256), Size(20, 96, 500, 384), Size(50, 128, 1000, 512)),
    "cert-manager-webhook": (Size(10, 32, 250, 128), Size(10, 48, 250, 128), Size(20, 64, 500, 256)),
    "cert-manager-cainjector": (Size(10, 64, 500, 256), Size(20, 96, 500, 384), Size(50, 128, 1000, 512)),
    "acme-solver": (Size(10, 32, 100, 64), Size(10, 32, 100, 64), Size(10, 32, 100, 64)),
    "gate": (Size(10, 32, 250, 128), Size(10, 32, 250, 128), Size(10, 32, 250, 128)),
    "istiod": (Size(100, 256, 1000, 1024), Size(250, 512, 2000, 2048), Size(1000, 2048, 4000, 4096)),
    # also the mesh's init containers, and every waypoint: Istio sizes them all alike
    "istio-proxy": (Size(10, 64, 1000, 256), Size(50, 96, 2000, 512), Size(100, 128, 2000, 1024)),
    "gateway": (Size(50, 96, 1000, 512), Size(200, 256, 2000, 1024), Size(500, 512, 4000, 2048)),
    "cni": (Size(10, 48, 500, 256), Size(20, 64, 500, 256), Size(50, 96, 500, 256)),
    "ztunnel": (Size(50, 96, 1000, 512), Size(100, 256, 1000, 1024), Size(200, 512, 2000, 2048)),
    "prometheus": (Size(100, 512, 1000, 2048), Size(500, 2048, 2000, 6144), Size(2000, 8192, 4000, 16384)),
    "prometheus-operator": (Size(10, 64, 500, 256), Size(50, 128, 500, 256), Size(100, 256, 1000, 512)),
    "config-reloader": (Size(5, 24, 100, 64), Size(5, 24, 100, 64), Size(10, 32, 100, 64)),
    "alertmanager": (Size(10, 48, 200, 128), Size(20, 64, 250, 256), Size(50, 128, 500, 512)),
    "kube-state-metrics": (Size(10, 48, 250, 256), Size(20, 96, 250, 256), Size(50, 256, 500, 1024)),
    "node-exporter": (Size(10, 24, 250, 64), Size(20, 32, 250, 96), Size(50, 48, 500, 128)),
    "tempo": (Size(100, 384, 1000, 2048), Size(500, 1024, 2000, 4096), Size(2000, 4096, 8000, 16384)),
    "tempo-distributor": (Size(50, 64, 1000, 512), Size(200, 256, 2000, 1024), Size(1000, 1024, 2000, 2048)),
    "tempo-ingester": (Size(50, 160, 1000, 1024), Size(500, 1024, 2000, 4096), Size(2000, 4096, 4000, 8192)),
    "tempo-compactor": (Size(50, 96, 1000, 1024), Size(200, 512, 1000, 3072), Size(1000, 2048, 2000, 6144)),
    "tempo-querier": (Size(50, 96, 1000, 1024), Size(200, 512, 2000, 2048), Size(1000, 2048, 4000, 6144)),
    "tempo-query-frontend": (Size(20, 48, 500, 512), Size(100, 128, 1000, 1024), Size(250, 512, 2000, 4096)),
    "tempo-metrics-generator": (Size(50, 96, 1000, 1024), Size(200, 512, 1000, 2048), Size(1000, 2048, 2000, 6144)),
    "loki": (Size(100, 384, 1000, 2048), Size(500, 1024, 2000, 4096), Size(2000, 4096, 4000, 12288)),
    "loki-distributor": (Size(50, 64, 1000, 512), Size(200, 128, 2000, 512), Size(1000, 512, 2000, 1024)),
    "loki-ingester": (Size(50, 160, 1000, 1024), Size(500, 1024, 2000, 4096), Size(2000, 4096, 4000, 8192)),
    "loki-querier": (Size(50, 96, 1000, 1024), Size(250, 512, 2000, 2048), Size(1000, 1024, 4000, 4096)),
    "loki-query-frontend": (Size(20, 48, 500, 512), Size(100, 128, 1000, 1024), Size(500, 1024, 2000, 4096)),
    "loki-query-scheduler": (Size(10, 48, 250, 256), Size(50, 64, 500, 256), Size(250, 256, 1000, 512)),
    "loki-index-gateway": (Size(20, 64, 500, 512), Size(100, 256, 1000, 1024), Size(500, 2048, 1000, 4096)),
    "loki-compactor": (Size(50, 64, 1000, 1024), Size(250, 512, 2000, 4096), Size(1000, 2048, 2000, 10240)),
    "loki-gateway": (Size(10, 24, 250, 128), Size(50, 32, 500, 128), Size(100, 64, 1000, 256)),
    "memcached-exporter": (Size(5, 16, 100, 64), Size(5, 16, 100, 64), Size(10, 32, 100, 64)),
    "otel-operator": (Size(20, 64, 500, 256), Size(50, 128, 500, 512), Size(100, 256, 1000, 512)),
    "collector": (Size(50, 160, 1000, 512), Size(500, 512, 2000, 1024), Size(1000, 1024, 4000, 2048)),
    "tail-collector": (Size(50, 160, 1000, 1024), Size(250, 512, 2000, 2048), Size(500, 1024, 4000, 4096)),
    "instrumentation": (Size(10, 32, 500, 128), Size(10, 32, 500, 128), Size(10, 32, 500, 128)),
    "alloy": (Size(20, 112, 500, 512), Size(50, 192, 1000, 768), Size(200, 256, 2000, 1024)),
    "grafana": (Size(50, 192, 1000, 512), Size(100, 256, 1000, 1024), Size(250, 512, 2000, 2048)),
    "grafana-sidecar": (Size(5, 64, 100, 128), Size(10, 96, 100, 192), Size(20, 96, 200, 256)),
    "grafana-download": (Size(5, 16, 100, 64), Size(5, 16, 100, 64), Size(5, 16, 100, 64)),
    "azurite": (Size(20, 128, 500, 512), Size(50, 256, 1000, 1024), Size(100, 512, 1000, 2048)),
    "sample": (Size(10, 64, 500, 256), Size(10, 64, 500, 256), Size(10, 64, 500, 256)),
}
_REPLICAS: dict[str, tuple[int, int, int]] = {
    # workload: small, medium, large; one that is not here runs once
    "cert-manager": (1, 1, 2),
    "cert-manager-cainjector": (1, 1, 2),
    "cert-manager-webhook": (1, 2, 2),
    "istiod": (1, 2, 2),
    "gateway": (1, 2, 3),
    "alertmanager": (1, 2, 3),
    "otel-operator": (1, 2, 2),
    "collector": (1, 2, 3),
    "tail-collector": (1, 2, 3),
    "loki-gateway": (1, 2, 2),
    # the parts of the distributed modes that keep nothing; what keeps fresh data has its number in settings
    "tempo-distributor": (1, 2, 3),
    "tempo-querier": (1, 2, 3),
    "tempo-query-frontend": (1, 2, 2),
    "loki-distributor": (1, 2, 3),
    "loki-querier": (1, 2, 3),
    "loki-query-frontend": (1, 2, 2),
    "loki-query-scheduler": (1, 2, 2),
    "loki-index-gateway": (1, 2, 2),
}
_CACHES: dict[Preset, Caches] = {"small": Caches(0, 0), "medium": Caches(512, 128), "large": Caches(4096, 1024)}
_CACHE_CPU: dict[Preset, tuple[int, int]] = {"small": (50, 250), "medium": (100, 500), "large": (500, 2000)}


def size(container: str, preset: Preset) -> Size:
    """Size of one container in a preset; KeyError for a container the table does not know."""
    return _SIZES[container][PRESETS.index(preset)]


def resources(container: str, preset: Preset) -> dict[str, Any]:
    """Requests and limits of one container, as Kubernetes and every chart take them."""
    stores = container.startswith(_STORES) and container != "loki-gateway"
    return _with_disk(size(container, preset), _DISK_OF_STORES if stores else _DISK)


def _with_disk(size: Size, disk: tuple[int, int]) -> dict[str, Any]:
    found = size.resources()
    for key, mebibytes in zip(("requests", "limits"), disk, strict=True):
        found[key][EPHEMERAL] = f"{mebibytes}Mi"
    return found


def replicas(workload: str, preset: Preset) -> int:
    """How many of a workload run in a preset, where settings do not say."""
    return _REPLICAS[workload][PRESETS.index(preset)] if workload in _REPLICAS else 1


def caches(preset: Preset) -> Caches:
    """Loki's caches in a preset. Upstream's default asks for 11,059 MiB whatever the cluster."""
    return _CACHES[preset]


def cache_resources(mebibytes: int, preset: Preset) -> dict[str, Any]:
    """Requests and limits of a memcached that keeps so many MiB: a fifth more than that, as upstream reckons, and never more."""
    cpu, cpu_limit = _CACHE_CPU[preset]
    memory = -(-mebibytes * 6 // 5)
    return _with_disk(Size(cpu, memory, cpu_limit, memory), _DISK)


def containers() -> tuple[str, ...]:
    """Every container the table knows."""
    return tuple(_SIZES)
