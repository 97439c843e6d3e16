"""Where the posture of each container is said: the values for requests and limits, security contexts and probes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from components import footprint

FIXED = ""
"""The chart has no value for it: what it says stands in its template."""
OPERATOR = "operator"
"""An operator makes the pod, and says it itself."""


class Home(NamedTuple):
    """Paths of values; `FIXED` where a chart has none, `OPERATOR` where an operator says it."""

    pod: str
    container: str
    liveness: str
    readiness: str


class Posture(NamedTuple):
    """A container, and where all that policies ask of it is said."""

    chart: str
    workload: str
    container: str
    resources: str
    home: Home


_KSM, _NODE = "kube-state-metrics", "prometheus-node-exporter"
_HOMES: Mapping[tuple[str, str], Home] = {
    ("cert-manager", "cert-manager-controller"): Home("securityContext", "containerSecurityContext", "livenessProbe", FIXED),
    ("cert-manager", "cert-manager-webhook"): Home(
        "webhook.securityContext", "webhook.containerSecurityContext", "webhook.livenessProbe", "webhook.readinessProbe"
    ),
    ("cert-manager", "cert-manager-cainjector"): Home("cainjector.securityContext", "cainjector.containerSecurityContext", FIXED, FIXED),
    ("istiod", "discovery"): Home(FIXED, "seccompProfile", FIXED, FIXED),
    ("cni", "install-cni"): Home(FIXED, "seccompProfile", FIXED, FIXED),
    ("ztunnel", "istio-proxy"): Home(FIXED, FIXED, FIXED, FIXED),
    ("gateway", "istio-proxy"): Home("securityContext", "containerSecurityContext", FIXED, "readinessProbe"),
    ("kube-prometheus-stack", "kube-prometheus-stack"): Home(
        "prometheusOperator.securityContext",
        "prometheusOperator.containerSecurityContext",
        "prometheusOperator.livenessProbe",
        "prometheusOperator.readinessProbe",
    ),
    ("kube-prometheus-stack", "prometheus"): Home("prometheus.prometheusSpec.securityContext", OPERATOR, OPERATOR, OPERATOR),
    ("kube-prometheus-stack", "alertmanager"): Home("alertmanager.alertmanagerSpec.securityContext", OPERATOR, OPERATOR, OPERATOR),
    ("kube-prometheus-stack", "config-reloader"): Home(OPERATOR, OPERATOR, OPERATOR, OPERATOR),
    ("kube-prometheus-stack", "init-config-reloader"): Home(OPERATOR, OPERATOR, OPERATOR, OPERATOR),
    ("kube-prometheus-stack", "kube-state-metrics"): Home(
        f"{_KSM}.securityContext", f"{_KSM}.containerSecurityContext", f"{_KSM}.livenessProbe", f"{_KSM}.readinessProbe"
    ),
    ("kube-prometheus-stack", "node-exporter"): Home(
        f"{_NODE}.securityContext", f"{_NODE}.containerSecurityContext", f"{_NODE}.livenessProbe", f"{_NODE}.readinessProbe"
    ),
    ("tempo", "tempo"): Home("securityContext", "tempo.securityContext", "tempo.livenessProbe", "tempo.readinessProbe"),
    ("tempo-distributed", ""): Home("tempo.podSecurityContext", "tempo.securityContext", "tempo.livenessProbe", "tempo.readinessProbe"),
    ("loki", "nginx"): Home(
        "gateway.podSecurityContext", "gateway.containerSecurityContext", "gateway.livenessProbe", "gateway.readinessProbe"
    ),
    ("loki", "memcached"): Home(
        "memcached.podSecurityContext", "memcached.containerSecurityContext", "memcached.livenessProbe", "memcached.readinessProbe"
    ),
    ("loki", "exporter"): Home(
        "memcached.podSecurityContext",
        "memcachedExporter.containerSecurityContext",
        "memcachedExporter.livenessProbe",
        "memcachedExporter.readinessProbe",
    ),
    ("loki", ""): Home("loki.podSecurityContext", "loki.containerSecurityContext", "loki.livenessProbe", "loki.readinessProbe"),
    ("opentelemetry-operator", "manager"): Home("securityContext", "manager.securityContext", FIXED, FIXED),
    ("alloy", "alloy"): Home("global.podSecurityContext", "alloy.securityContext", "alloy.livenessProbe", FIXED),
    ("grafana", "grafana"): Home("securityContext", "containerSecurityContext", "livenessProbe", "readinessProbe"),
    ("grafana", "grafana-sc-dashboard"): Home(
        "securityContext", "sidecar.securityContext", "sidecar.livenessProbe", "sidecar.readinessProbe"
    ),
    ("grafana", "download-dashboards"): Home("securityContext", "downloadDashboards.securityContext", FIXED, FIXED),
}
"""By chart and container; a container without a name stands for every other one of its chart."""


def postures() -> Iterator[Posture]:
    """Every container that a chart brings. KeyError for one that nobody has placed here."""
    for chart, workload, container, resources in footprint.homes():
        home = _HOMES.get((chart, container)) or _HOMES[chart, ""]
        yield Posture(chart, workload, container, resources, home)


def page() -> str:
    """The table, in Markdown."""
    lines = [
        "# Where the posture of each container is said",
        "",
        "`make docs` writes this page from `policies/homes.py` and `components/footprint.py`. A path is a value of the chart; what never",
        "varies by stack stands in `components/values/<chart>.yaml`, requests and limits come from `components/presets.py`. *fixed*: the",
        "chart has no value for it, what it says stands in its template. *operator*: an operator makes the pod and says it itself. Pods",
        "that the program describes itself (gates, Azurite, the sample, collectors) say all of it in `components/`.",
        "",
        "| Chart | Workload | Container | Requests and limits | Pod's security context | Container's | Liveness | Readiness |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for found in postures():
        cells = (found.chart, found.workload, found.container, _code(found.resources), *(_code(path) for path in found.home))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _code(path: str) -> str:
    return {FIXED: "fixed", OPERATOR: "operator"}.get(path, f"`{path}`")
