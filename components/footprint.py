"""What a stack reserves: every workload with its containers, read from the very values and specs that install it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from components import alloy, azurite, cert_manager, crds, grafana, images, istio, loki, opentelemetry, prometheus, sample_app, tempo
from components.merge import merge
from components.presets import Size
from components.settings import Settings
from components.topology import Release, Topology, collector_service, plan

PROGRAM = "the program"
"""Owner of workloads that come from specs of ours and not from a chart."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Pods of one kind: how many, and what each of their containers requests and may use."""

    owner: str
    """The chart it comes with, or PROGRAM."""
    name: str
    component: str
    """What it is to components/capacity.py."""
    replicas: int | None
    """None: one on every node."""
    containers: Mapping[str, Size]
    init: Mapping[str, Size] = field(default_factory=dict)
    """Containers that end before the others start."""

    def pods(self, nodes: int) -> int:
        """How many pods there are on a cluster of so many nodes."""
        return nodes if self.replicas is None else self.replicas

    def cpu(self) -> int:
        """Millicores that one pod requests: the sum of its containers, or its greediest init container."""
        return max([sum(c.cpu for c in self.containers.values()), *(c.cpu for c in self.init.values())])

    def memory(self) -> int:
        """MiB that one pod requests."""
        return max([sum(c.memory for c in self.containers.values()), *(c.memory for c in self.init.values())])


@dataclass(frozen=True, slots=True)
class _Row:
    """A workload of a chart: where its values say how many there are and what each container gets."""

    name: str
    component: str
    replicas: str | int | None
    """Path of a value, a number that the chart fixes, or None for one on every node."""
    containers: Mapping[str, str]
    """Container to the path of its resources."""
    init: Mapping[str, str] = field(default_factory=dict)
    when: str | None = None
    """Path of the value that switches it on; one that nobody set leaves it off."""


_RELOADER = "prometheusOperator.prometheusConfigReloader.resources"
_CHARTS: dict[str, tuple[_Row, ...]] = {
    "prometheus-operator-crds": (),
    "base": (),
    "cert-manager": (
        _Row("cert-manager", "cert-manager", "replicaCount", {"cert-manager-controller": "resources"}),
        _Row("cert-manager-webhook", "cert-manager-webhook", "webhook.replicaCount", {"cert-manager-webhook": "webhook.resources"}),
        _Row(
            "cert-manager-cainjector",
            "cert-manager-cainjector",
            "cainjector.replicaCount",
            {"cert-manager-cainjector": "cainjector.resources"},
        ),
    ),
    "istiod": (_Row("{release}", "istiod", "replicaCount", {"discovery": "resources"}),),
    "cni": (_Row("istio-cni-node", "cni", None, {"install-cni": "resources"}),),
    "ztunnel": (_Row("{release}", "ztunnel", None, {"istio-proxy": "resources"}),),
    "gateway": (_Row("{release}", "gateway", "replicaCount", {"istio-proxy": "resources"}),),
    "kube-prometheus-stack": (
        _Row(
            "{release}-kube-prometheus-stack-operator",
            "prometheus-operator",
            1,
            {"kube-prometheus-stack": "prometheusOperator.resources"},
        ),
        # the pods of these two are made by the operator, with a reloader that it was told the size of
        _Row(
            "{release}-kube-prometheus-stack-prometheus",
            "prometheus",
            "prometheus.prometheusSpec.replicas",
            {"prometheus": "prometheus.prometheusSpec.resources", "config-reloader": _RELOADER},
            {"init-config-reloader": _RELOADER},
        ),
        _Row(
            "{release}-kube-prometheus-stack-alertmanager",
            "alertmanager",
            "alertmanager.alertmanagerSpec.replicas",
            {"alertmanager": "alertmanager.alertmanagerSpec.resources", "config-reloader": _RELOADER},
            {"init-config-reloader": _RELOADER},
        ),
        _Row("{release}-kube-state-metrics", "kube-state-metrics", 1, {"kube-state-metrics": "kube-state-metrics.resources"}),
        _Row("{release}-prometheus-node-exporter", "node-exporter", None, {"node-exporter": "prometheus-node-exporter.resources"}),
    ),
    "tempo": (_Row("{release}", "tempo", "replicas", {"tempo": "tempo.resources"}),),
    "tempo-distributed": tuple(
        _Row(f"{{release}}-{component}", f"tempo-{component}", f"{part}.replicas", {component: f"{part}.resources"})
        for part, component in tempo.PARTS.items()
    ),
    "loki": (
        _Row("{release}-gateway", "loki-gateway", "gateway.replicas", {"nginx": "gateway.resources"}),
        _Row("{release}", "loki", "singleBinary.replicas", {"loki": "singleBinary.resources"}, when="singleBinary.replicas"),
        *(
            _Row(
                f"{{release}}-{component}",
                f"loki-{component}",
                f"{part}.replicas",
                {component: f"{part}.resources"},
                when=f"{part}.replicas",
            )
            for part, component in loki.PARTS.items()
        ),
        *(
            _Row(
                f"{{release}}-{cache}",
                f"loki-{cache}",
                1,
                {"memcached": f"{section}.resources", "exporter": "memcachedExporter.resources"},
                when=f"{section}.enabled",
            )
            for section, cache in (("chunksCache", "chunks-cache"), ("resultsCache", "results-cache"))
        ),
    ),
    "opentelemetry-operator": (_Row("{release}", "otel-operator", "replicaCount", {"manager": "manager.resources"}),),
    "alloy": (_Row("{release}", "alloy", None, {"alloy": "alloy.resources"}),),
    "grafana": (_Row("{release}", "grafana", "replicas", {"grafana": "resources", "grafana-sc-dashboard": "sidecar.resources"}),),
}


def homes() -> Iterator[tuple[str, str, str, str]]:
    """Chart, workload and container, and the path of the value that says what the container gets."""
    for chart, rows in _CHARTS.items():
        for row in rows:
            for container, path in (*row.init.items(), *row.containers.items()):
                yield chart, row.name.replace("{release}-", "").replace("{release}", chart), container, path


def chart_values(settings: Settings, topology: Topology) -> Iterator[tuple[Release, dict[str, Any]]]:
    """Every release of a stack with the values it gets; not those of what its cluster has already."""
    for release, values in _releases(settings, topology):
        if release.entry in topology.charts:
            yield release, merge(values, images.values(release.chart, settings.image_registry))


def _releases(settings: Settings, topology: Topology) -> Iterator[tuple[Release, dict[str, Any]]]:
    r = topology.releases
    yield r.crds, crds.values()
    yield r.cert_manager, cert_manager.values(settings)
    yield r.istio_base, istio.base_values(settings)
    yield r.istiod, istio.istiod_values(settings, topology)
    if r.istiod_canary is not None:
        yield r.istiod_canary, istio.canary_values(settings, topology)
    if settings.istio.mode == "ambient":
        yield r.istio_cni, istio.cni_values(settings)
        yield r.ztunnel, istio.ztunnel_values(settings)
    yield r.gateway, istio.gateway_values(settings)
    yield r.prometheus, prometheus.values(settings)
    yield r.tempo, tempo.values(settings, topology)
    yield r.loki, loki.values(settings, topology)
    yield r.otel_operator, opentelemetry.values(settings)
    yield r.alloy, alloy.values(settings, topology)
    yield r.grafana, grafana.values(settings, topology)


def workloads(settings: Settings) -> list[Workload]:
    """Every workload that a stack runs for good, with what operators make of its custom resources and what the mesh injects."""
    topology = plan(settings)
    found = [
        _workload(release, row, values)
        for release, values in chart_values(settings, topology)
        for row in _CHARTS[release.chart]
        if row.when is None or _is_on(values, row.when)
    ]
    return [*found, *_own(settings, topology)]


def _workload(release: Release, row: _Row, values: Mapping[str, Any]) -> Workload:
    return Workload(
        release.chart,
        row.name.format(release=release.name),
        row.component,
        _at(values, row.replicas) if isinstance(row.replicas, str) else row.replicas,
        {container: _size(_at(values, path)) for container, path in row.containers.items()},
        {container: _size(_at(values, path)) for container, path in row.init.items()},
    )


def _own(settings: Settings, topology: Topology) -> Iterator[Workload]:
    """What comes from specs of ours: the collectors, Azurite, the sample with what the mesh and the operator put into its pod."""
    for component, name, spec in (
        ("collector", topology.collector, opentelemetry.collector_spec(settings, topology)),
        ("tail-collector", topology.tail_collector, opentelemetry.tail_spec(settings, topology)),
    ):
        if spec is not None:
            container = {"otc-container": _size(spec["resources"])}
            yield Workload(PROGRAM, collector_service(name), component, spec["replicas"], container)
    if settings.storage.kind == "azurite":
        yield _pods(topology.azurite.name, "azurite", azurite.server_spec(settings, topology.azurite))
    if settings.sample_app.image is None:
        return
    proxy = _size(_at(istio.istiod_values(settings, topology), "global.proxy.resources"))
    agent = _size(opentelemetry.instrumentation_spec(settings, topology)["python"]["resourceRequirements"])
    injected = {"opentelemetry-auto-instrumentation-python": agent}
    sample = _pods(topology.sample.name, "sample", sample_app.deployment_spec(settings, topology))
    if settings.istio.mode == "sidecar":
        yield Workload(
            PROGRAM,
            sample.name,
            "sample",
            sample.replicas,
            {**sample.containers, "istio-proxy": proxy},
            {"istio-init": proxy, **injected},
        )
    else:
        yield Workload(PROGRAM, sample.name, "sample", sample.replicas, sample.containers, injected)
        waypoint = _size(_at(istio.istiod_values(settings, topology), "global.waypoint.resources"))
        yield Workload(PROGRAM, sample_app.WAYPOINT, "waypoint", 1, {"istio-proxy": waypoint})


def _pods(name: str, component: str, spec: Mapping[str, Any]) -> Workload:
    containers = {c["name"]: _size(c["resources"]) for c in spec["template"]["spec"]["containers"]}
    return Workload(PROGRAM, name, component, spec["replicas"], containers)


def _at(values: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path. KeyError where nobody set it: upstream's default would decide, and there mostly is none."""
    here: Any = values
    for part in path.split("."):
        here = here[part]
    return here


def _is_on(values: Mapping[str, Any], path: str) -> bool:
    try:
        return bool(_at(values, path))
    except KeyError:
        return False


def _size(resources: Mapping[str, Any]) -> Size:
    """Resources as they are written for Kubernetes. KeyError where a request or limit is missing."""
    requests, limits = resources["requests"], resources["limits"]
    return Size(millicores(requests["cpu"]), mebibytes(requests["memory"]), millicores(limits["cpu"]), mebibytes(limits["memory"]))


def millicores(quantity: str) -> int:
    """A CPU quantity in the one form this program writes. ValueError for any other."""
    if not quantity.endswith("m"):
        raise ValueError(f"{quantity} is not in millicores")
    return int(quantity[:-1])


def mebibytes(quantity: str) -> int:
    """A memory quantity in the one form this program writes. ValueError for any other."""
    if not quantity.endswith("Mi"):
        raise ValueError(f"{quantity} is not in MiB")
    return int(quantity[:-2])
