"""The metric store: Prometheus with its operator, taking scrapes, remote write and OTLP, and the monitors of the layers below it."""

from __future__ import annotations

from typing import Any

from pulumi import ResourceOptions

from components.alerts import routing
from components.availability import spread
from components.charts import values_file
from components.layer import Layer, LayerArgs
from components.merge import merge
from components.presets import replicas, resources, size
from components.settings import Settings
from components.topology import Release, Topology, kube_prometheus_fullname

MONITORING = "monitoring.coreos.com/v1"
ALERT_RETENTION_HOURS = 120
"""How long Alertmanager remembers silences and what it has sent; its own default, said so that it stays finite."""


def values(settings: Settings) -> dict[str, Any]:
    """Helm values of the chart kube-prometheus-stack."""
    preset, choice = settings.preset, settings.prometheus
    reloader = {"resources": size("config-reloader", preset).resources()}  # the operator takes CPU and memory, and no more
    volume = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": f"{choice.volume_gi}Gi"}}}
    derived = {
        "prometheusOperator": {"resources": resources("prometheus-operator", preset), "prometheusConfigReloader": reloader},
        "prometheus": {
            "prometheusSpec": {
                "replicas": choice.replicas,
                "resources": resources("prometheus", preset),
                "retention": f"{choice.retention_days}d",
                # the volume is the other end of the rope: keep a tenth of it free
                "retentionSize": f"{choice.volume_gi * 1024 * 9 // 10}MiB",
                "scrapeInterval": f"{choice.scrape_interval_seconds}s",
                "tsdb": {"outOfOrderTimeWindow": f"{choice.out_of_order_minutes}m"},
                "storageSpec": {"volumeClaimTemplate": {"spec": volume}},
            }
        },
        "alertmanager": merge(_alertmanager(settings), routing.values(settings.alerting)),
        "kube-state-metrics": {"resources": resources("kube-state-metrics", preset)},
        "prometheus-node-exporter": {"resources": resources("node-exporter", preset)},
    }
    return merge(values_file("kube-prometheus-stack"), derived)


def _alertmanager(settings: Settings) -> dict[str, Any]:
    """Several Alertmanagers gossip, so each alert is sent once; the operator keeps them on different nodes where it can."""
    count = replicas("alertmanager", settings.preset)
    spec: dict[str, Any] = {
        "replicas": count,
        "retention": f"{ALERT_RETENTION_HOURS}h",
        "resources": resources("alertmanager", settings.preset),
    }
    if count == 1:
        return {"alertmanagerSpec": spec}
    labels = {"app.kubernetes.io/name": "alertmanager", "alertmanager": f"{kube_prometheus_fullname('prom')}-alertmanager"}
    return {
        "podDisruptionBudget": {"enabled": True, "minAvailable": count - 1},
        "alertmanagerSpec": {**spec, "topologySpreadConstraints": spread(labels)},
    }


def istio_component_monitor_spec() -> dict[str, Any]:
    """Spec of the ServiceMonitor for istiod, of every revision."""
    return {
        "jobLabel": "istio",
        "targetLabels": ["app"],
        "selector": {"matchExpressions": [{"key": "istio", "operator": "In", "values": ["pilot"]}]},
        "namespaceSelector": {"any": True},
        "endpoints": [{"port": "http-monitoring", "interval": "15s"}],
    }


def cert_manager_monitor_spec(release: Release) -> dict[str, Any]:
    """Spec of the ServiceMonitor for cert-manager, its webhook and its injector.

    The chart has one too, but with it cert-manager, on which so much waits, would itself wait for the monitors' definitions.
    """
    parts = ["cert-manager", "cainjector", "webhook"]
    return {
        "jobLabel": "app.kubernetes.io/name",
        "selector": {
            "matchLabels": {"app.kubernetes.io/instance": release.name},
            "matchExpressions": [{"key": "app.kubernetes.io/name", "operator": "In", "values": parts}],
        },
        "namespaceSelector": {"matchNames": [release.namespace]},
        # its metrics say of each certificate where that is; the label `namespace` is theirs, not that of cert-manager's own pod
        "endpoints": [{"targetPort": "http-metrics", "path": "/metrics", "interval": "60s", "honorLabels": True}],
    }


def envoy_stats_monitor_spec() -> dict[str, Any]:
    """Spec of the PodMonitor for every proxy: sidecars, gateways, waypoints. Addresses are built from the pod's own annotations."""
    address = ["__meta_kubernetes_pod_annotation_prometheus_io_port", "__meta_kubernetes_pod_ip"]
    return {
        "jobLabel": "envoy-stats",
        "selector": {"matchExpressions": [{"key": "istio-prometheus-ignore", "operator": "DoesNotExist"}]},
        "namespaceSelector": {"any": True},
        "podMetricsEndpoints": [
            {
                "path": "/stats/prometheus",
                "interval": "15s",
                "relabelings": [
                    {"action": "keep", "sourceLabels": ["__meta_kubernetes_pod_container_name"], "regex": "istio-proxy"},
                    {"action": "keep", "sourceLabels": ["__meta_kubernetes_pod_annotationpresent_prometheus_io_scrape"], "regex": "true"},
                    {
                        "action": "replace",
                        "sourceLabels": address,
                        "regex": r"(\d+);(([A-Fa-f0-9]{1,4}::?){1,7}[A-Fa-f0-9]{1,4})",
                        "replacement": "[$2]:$1",
                        "targetLabel": "__address__",
                    },
                    {
                        "action": "replace",
                        "sourceLabels": address,
                        "regex": r"(\d+);((([0-9]+?)(\.|$)){4})",
                        "replacement": "$2:$1",
                        "targetLabel": "__address__",
                    },
                    {"action": "replace", "sourceLabels": ["__meta_kubernetes_namespace"], "targetLabel": "namespace"},
                    {"action": "replace", "sourceLabels": ["__meta_kubernetes_pod_name"], "targetLabel": "pod"},
                ],
            }
        ],
    }


def monitors(topology: Topology) -> tuple[tuple[str, str, dict[str, Any]], ...]:
    """Monitors of what was there before Prometheus: kind, name and spec of each."""
    return (
        ("ServiceMonitor", "istio-component-monitor", istio_component_monitor_spec()),
        ("PodMonitor", "envoy-stats-monitor", envoy_stats_monitor_spec()),
        ("ServiceMonitor", "cert-manager", cert_manager_monitor_spec(topology.releases.cert_manager)),
    )


class Prometheus(Layer):
    """Prometheus, its operator, Alertmanager, the exporters, and monitors of what was there before it."""

    token = "metrics:Prometheus"

    def __init__(self, name: str, args: LayerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(name, args, opts)
        topology: Topology = args.topology
        release = topology.releases.prometheus
        if args.settings.prometheus.source == "install":
            # its namespace came with the shared definitions, which live there too
            self._release(release, values(args.settings))
        # monitors need their definitions only, not a running Prometheus
        for kind, monitor, spec in monitors(topology):
            self._custom(MONITORING, kind, monitor, release.namespace, spec, [])
        self.register_outputs({"url": topology.prometheus.url})
