"""What Prometheus scrapes: monitors of ours and of the charts, and which of them a Prometheus looks at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from components.addresses import Release
from components.signals.configured import Configured, at
from components.signals.model import Monitor, Selector
from components.signals.senders import proxies


class _Own(NamedTuple):
    """A monitor that a chart makes: where its values switch it on and give it labels, and the port that it names."""

    switch: str
    labels: str
    port: str


CHARTS = {
    "tempo": _Own("serviceMonitor.enabled", "serviceMonitor.additionalLabels", "tempo-prom-metrics"),
    "tempo-distributed": _Own("metaMonitoring.serviceMonitor.enabled", "metaMonitoring.serviceMonitor.labels", "http-metrics"),
    "loki": _Own("monitoring.serviceMonitor.enabled", "monitoring.serviceMonitor.labels", "http-metrics"),
    "alloy": _Own("serviceMonitor.enabled", "serviceMonitor.additionalLabels", "http-metrics"),
    "grafana": _Own("serviceMonitor.enabled", "serviceMonitor.labels", "service"),
    "opentelemetry-operator": _Own("manager.serviceMonitor.enabled", "manager.serviceMonitor.extraLabels", "metrics"),
}
"""By chart; a test holds the ports to the real charts."""
MERGED = "15020, merged"
"""Where a pod's proxy gives its own metrics and the application's, by the pod's annotations; also under STRICT mTLS in clear."""
KINDS = ("ServiceMonitor", "PodMonitor")


def monitored(c: Configured) -> tuple[str, ...]:
    """Nodes whose own metrics must reach Prometheus."""
    operator = ("operator",) if c.operator is not None else ()
    tail = ("tail",) if c.tail is not None else ()
    return ("istiod", "cert-manager", *proxies(c), "collector", *tail, "tempo", "loki", "alloy", "grafana", *operator)


def monitors(c: Configured) -> Iterator[Monitor]:
    """Every monitor that is made."""
    namespace = c.topology.releases.prometheus.namespace
    targets = {"istio-component-monitor": ("istiod",), "cert-manager": ("cert-manager",), "envoy-stats-monitor": proxies(c)}
    for kind, name, spec in c.monitors:
        ends = at(spec, "endpoints", []) or at(spec, "podMetricsEndpoints", [])
        for target in targets.get(name, ()):
            port = ", ".join(str(end.get("port") or end.get("targetPort") or MERGED) for end in ends)
            yield Monitor(kind, name, namespace, (), target, port, name)
    releases = c.topology.releases
    for node, release in (("tempo", releases.tempo), ("loki", releases.loki), ("alloy", releases.alloy), ("grafana", releases.grafana)):
        yield from _of_chart(node, release, getattr(c, node))
    if c.operator is not None:
        yield from _of_chart("operator", releases.otel_operator, c.operator)
    for node, name, collector in (("collector", c.topology.collector, c.collector), ("tail", c.topology.tail_collector, c.tail)):
        if at(collector, "observability.metrics.enableMetrics"):
            said = f"{node}.spec.observability.metrics.enableMetrics"
            yield Monitor("ServiceMonitor", f"{name}-collector-monitoring", c.topology.telemetry_namespace, (), node, "8888", said)


def _of_chart(node: str, release: Release, values: Mapping[str, object]) -> Iterator[Monitor]:
    own = CHARTS[release.chart]
    if at(values, own.switch):
        labels = tuple(sorted(at(values, own.labels, {}).items()))
        yield Monitor("ServiceMonitor", release.name, release.namespace, labels, node, own.port, f"{release.chart} {own.switch}")


def selectors(c: Configured) -> list[Selector]:
    """What Prometheus looks at, of each kind. The cluster's own must look at all (docs/operations.md)."""
    found = []
    for kind in KINDS:
        key = f"{kind[0].lower()}{kind[1:]}Selector"
        spec = at(c.prometheus or {}, "prometheus.prometheusSpec", {})
        labels = at(spec, f"{key}.matchLabels", {})
        # what the chart does with no selector, unless it is told not to
        if not labels and c.prometheus is not None and spec.get(f"{key}NilUsesHelmValues", True):
            labels = {"release": c.topology.releases.prometheus.name}
        namespaces = at(spec, f"{key.removesuffix('Selector')}NamespaceSelector.matchLabels", {})
        found.append(Selector(kind, tuple(sorted(labels.items())), tuple(sorted(namespaces.items())), f"prometheus.prometheusSpec.{key}"))
    return found
