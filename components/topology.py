"""The address plan: every name the layers agree on, computed before any of them exists.

Pure. Addresses are planned, not discovered, so chart values hold no unknown and the first preview of an empty cluster is complete.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from components.addresses import (
    BlobStore,
    Datasource,
    Entrance,
    OperatorService,
    Release,
    Releases,
    SecretKey,
    Service,
    ServiceAccount,
)
from components.names_azure import account_name, blob_suffix
from components.settings import Settings
from components.settings_existing import ExistingCertManager, ExistingIstio
from components.settings_rules import LIFECYCLE_MARGIN_DAYS, SAMPLE_NAMESPACE, TELEMETRY_NAMESPACE

__all__ = [
    "BlobStore",
    "Datasource",
    "Entrance",
    "OperatorService",
    "Release",
    "Releases",
    "SecretKey",
    "Service",
    "ServiceAccount",
    "Topology",
    "plan",
]


@dataclass(frozen=True, slots=True)
class Topology:
    """Every planned name of one stack."""

    releases: Releases
    # signals in
    otlp_grpc: Service
    otlp_http: Service
    tail_otlp: Service | None
    """Where spans wait for tail sampling's decision, headless: each pod has its own address. None without tail sampling."""
    # stores
    tempo_otlp: Service
    tempo: Service
    loki: Service
    prometheus: Service
    alertmanager: Service
    azurite: Service
    azurite_key: SecretKey
    tempo_blobs: BlobStore
    loki_blobs: BlobStore
    # mesh
    istiod: Service
    gateway: Service
    gateway_label: str
    """Value of the label `istio` on the gateway's pods."""
    injection_labels: tuple[tuple[str, str], ...]
    """Labels that enrol a namespace in the mesh."""
    # looking
    grafana: Service
    grafana_admin: SecretKey
    grafana_client: SecretKey
    """Where Grafana's pod finds its client secret, if it signs people in by one."""
    grafana_account: ServiceAccount
    """Whose token shows Entra ID who Grafana is, if it has no secret."""
    entrance: Entrance | None
    """Grafana's public address; None where there is none."""
    datasources: tuple[Datasource, ...]
    sample: Service
    # names of custom resources
    collector: str
    tail_collector: str
    collector_account: ServiceAccount
    """Under which the collector's pods run, and look other pods up."""
    instrumentation: str
    telemetry_namespace: str
    sample_namespace: str
    issuer: str
    operator_services: tuple[OperatorService, ...]
    charts: tuple[str, ...]
    """Entries of the chart lock that this stack installs."""

    @property
    def grafana_url(self) -> str:
        """Where people look: the public address, or that inside the cluster."""
        return self.entrance.url if self.entrance else self.grafana.url

    def datasource(self, uid: str) -> Datasource:
        """The datasource of that uid; KeyError where a link points at none."""
        return {d.uid: d for d in self.datasources}[uid]


EXEMPLAR_LABEL = "trace_id"
"""The one label under which every exemplar of the stack carries its trace: what OpenTelemetry SDKs write and Prometheus stores from
OTLP. Tempo's generator would say traceID; it is told otherwise."""

AZURITE = Service("azurite", "azurite", 10000)
AZURITE_ACCOUNT = "devstoreaccount1"
STORE_KEY = "STORAGE_ACCOUNT_ACCESS_KEY"
CONTAINERS = {"tempo": "tempo", "loki": "loki"}
DATA = {
    "tempo": (f"{CONTAINERS['tempo']}/",),
    # chunks of the one tenant, and the index; rules, which someone may have written into the same container, are no data
    "loki": (f"{CONTAINERS['loki']}/fake/", f"{CONTAINERS['loki']}/index/"),
}
"""Store to the beginnings of its blobs' names, container first."""


def collector_service(name: str) -> str:
    """Service of an OpenTelemetryCollector: `<name>-collector`, at most 63 characters.

    Source: opentelemetry-operator internal/naming/main.go, `Service`.
    """
    return f"{name}-collector"[:63].rstrip("-")


def headless_service(name: str) -> str:
    """Headless Service of an OpenTelemetryCollector: `<name>-collector-headless`, each of its pods by an address of its own.

    Source: opentelemetry-operator internal/naming/main.go, `HeadlessService`.
    """
    return f"{collector_service(name)}-headless"[:63].rstrip("-")


def monitoring_service(name: str) -> str:
    """Service at which an OpenTelemetryCollector is scraped, and the label `service` of its metrics.

    Source: opentelemetry-operator internal/naming/main.go, `MonitoringService`.
    """
    return f"{collector_service(name)}-monitoring"[:63].rstrip("-")


def kube_prometheus_fullname(release: str) -> str:
    """`<release>-kube-prometheus-stack`, cut at 26 characters. Source: kube-prometheus-stack templates/_helpers.tpl, `fullname`."""
    return f"{release}-kube-prometheus-stack"[:26].rstrip("-")


def injection_labels(settings: Settings) -> tuple[tuple[str, str], ...]:
    """Labels by which a namespace joins the mesh, by mode and revision."""
    if settings.istio.mode == "ambient":
        return (("istio.io/dataplane-mode", "ambient"), ("istio.io/use-waypoint", "waypoint"))
    follows = settings.istio.tag or settings.istio.revision
    return (("istio.io/rev", follows),) if follows else (("istio-injection", "enabled"),)


def control_plane(namespace: str, revision: str | None, version: str | None) -> Release:
    """The release of istiod by the name of its revision, which is all that tells it from others: a promotion changes neither."""
    return Release(f"istiod-{revision}" if revision else "istiod", namespace, "istiod", version)


def _blobs(settings: Settings, store: str, project: str, stack: str) -> BlobStore:
    """The container of one store, and the names of all that leads there."""
    key, account, prefixes = SecretKey(f"{store}-azure-key", store, STORE_KEY), ServiceAccount(store, store), DATA[store]
    azure = settings.azure
    if azure is None or settings.storage.kind == "azurite":
        return BlobStore(AZURITE_ACCOUNT, CONTAINERS[store], key, account, AZURITE, data=prefixes)
    retention: int = getattr(settings, store).retention_days
    chosen: int | None = getattr(azure.lifecycle, f"{store}_days")
    return BlobStore(
        account=account_name(project, stack, azure),
        container=CONTAINERS[store],
        key=key,
        service_account=account,
        suffix=blob_suffix(azure),
        identity=re.sub(r"[^A-Za-z0-9_-]", "-", f"{project}-{stack}-{store}") if settings.storage.keyless else None,
        key_generation=None if settings.storage.keyless else azure.key_generation,
        lifecycle_days=retention + LIFECYCLE_MARGIN_DAYS if chosen is None else chosen,
        data=prefixes,
    )


def _certificates(settings: Settings) -> Release:
    existing = settings.cert_manager.existing or ExistingCertManager()
    return Release(existing.release, existing.namespace, "cert-manager")


def _metrics(settings: Settings) -> Service:
    existing = settings.prometheus.existing
    if existing is not None:
        return Service(existing.service, existing.namespace, existing.port)
    return Service(f"{kube_prometheus_fullname('prom')}-prometheus", "prometheus", 9090)


def _gateway(settings: Settings) -> tuple[Service, str]:
    """The ingress gateway, and the value of its pods' label `istio`."""
    existing = settings.istio.existing
    if existing is not None and existing.gateway is not None:
        return Service(existing.gateway.service, existing.gateway.namespace, 80), existing.gateway.label
    return Service("istio-ingressgateway", "istio-ingress", 80), "ingressgateway"


def _made_by_the_operator(collector: str, *doors: Service) -> Iterator[OperatorService]:
    """Services of one OpenTelemetryCollector: those that others send to, and the one at which it is scraped."""
    for service in (*doors, Service(monitoring_service(collector), doors[0].namespace, 8888)):
        rule = f"<name>{service.name.removeprefix(collector)} (opentelemetry-operator internal/naming/main.go)"
        yield OperatorService(service, f"OpenTelemetryCollector/{collector}", rule)


def _entrance(settings: Settings, gateway: Service) -> Entrance | None:
    exposure = settings.grafana.exposure
    return Entrance(exposure.host, "grafana-tls", gateway.namespace) if exposure else None


def _governed_by_prometheus_operator(prometheus: str) -> tuple[OperatorService, ...]:
    source = "prometheus-operator pkg"
    return (
        OperatorService(
            Service("prometheus-operated", "prometheus", 9090),
            f"Prometheus/{prometheus}-prometheus",
            f"prometheus-operated ({source}/prometheus/server/statefulset.go, governingServiceName)",
        ),
        OperatorService(
            Service("alertmanager-operated", "prometheus", 9093),
            f"Alertmanager/{prometheus}-alertmanager",
            f"alertmanager-operated ({source}/alertmanager/statefulset.go, governingServiceName)",
        ),
    )


def _control_planes(settings: Settings) -> tuple[str, ...]:
    """Entries of istiod's chart: of one control plane, or of two that may have the same."""
    istio = settings.istio
    both = (istio.chart_version, *((istio.canary.chart_version,) if istio.canary else ()))
    return tuple(dict.fromkeys(Release("istiod", "", "istiod", version).entry for version in both))


def installed_charts(settings: Settings) -> tuple[str, ...]:
    """Entries of the chart lock that a stack installs; not those of what its cluster has already."""
    ours = settings.istio.source == "install"
    ambient = settings.istio.mode == "ambient"
    return (
        *(("prometheus-operator-crds",) if settings.prometheus.source == "install" else ()),
        *(("gateway-api", "cni", "ztunnel") if ambient and ours else ()),
        *(("cert-manager",) if settings.cert_manager.source == "install" else ()),
        *(("base", *_control_planes(settings)) if ours else ()),
        *(("gateway",) if settings.istio.own_gateway else ()),
        *(("kube-prometheus-stack",) if settings.prometheus.source == "install" else ()),
        "tempo-distributed" if settings.tempo.mode == "distributed" else "tempo",
        "loki",
        *(("opentelemetry-operator",) if settings.opentelemetry.source == "install" else ()),
        "alloy",
        "grafana",
    )


def plan(settings: Settings, project: str = "istio-stack", stack: str = "local") -> Topology:
    """All names of a stack, from its settings and its name alone."""
    distributed_tempo = settings.tempo.mode == "distributed"
    canary = settings.istio.canary
    prometheus = kube_prometheus_fullname("prom")
    collector, tail, telemetry = "otel", "otel-tail", TELEMETRY_NAMESPACE
    scheme = "https" if settings.opentelemetry.tls else "http"
    otlp_grpc, otlp_http = (Service(collector_service(collector), telemetry, port, scheme) for port in (4317, 4318))
    tail_otlp = Service(headless_service(tail), telemetry, 4317) if settings.telemetry.tail_sampling else None
    metrics = _metrics(settings)
    gateway, gateway_label = _gateway(settings)
    mesh = (settings.istio.existing or ExistingIstio()).namespace
    istiod = control_plane(mesh, settings.istio.revision, settings.istio.chart_version)
    traces = Service("tempo-query-frontend" if distributed_tempo else "tempo", "tempo", 3200)
    logs = Service("loki-gateway", "loki", 80)
    tempo_chart = "tempo-distributed" if distributed_tempo else "tempo"
    return Topology(
        releases=Releases(
            crds=Release("prometheus-operator-crds", metrics.namespace, "prometheus-operator-crds"),
            cert_manager=_certificates(settings),
            istio_base=Release("istio-base", mesh, "base"),
            istiod=istiod,
            istiod_canary=control_plane(mesh, canary.name, canary.chart_version) if canary else None,
            istio_cni=Release("istio-cni", mesh, "cni"),
            ztunnel=Release("ztunnel", mesh, "ztunnel"),
            gateway=Release("istio-ingressgateway", "istio-ingress", "gateway"),
            prometheus=Release("prom", metrics.namespace, "kube-prometheus-stack"),
            tempo=Release("tempo", "tempo", tempo_chart),
            loki=Release("loki", "loki", "loki"),
            otel_operator=Release("opentelemetry-operator", "opentelemetry-operator", "opentelemetry-operator"),
            alloy=Release("alloy", "alloy", "alloy"),
            grafana=Release("grafana", "grafana", "grafana"),
        ),
        otlp_grpc=otlp_grpc,
        otlp_http=otlp_http,
        tail_otlp=tail_otlp,
        tempo_otlp=Service("tempo-distributor" if distributed_tempo else "tempo", "tempo", 4317),
        tempo=traces,
        loki=logs,
        prometheus=metrics,
        alertmanager=Service(f"{prometheus}-alertmanager", "prometheus", 9093),
        azurite=AZURITE,
        azurite_key=SecretKey("azurite-key", AZURITE.namespace, STORE_KEY),
        tempo_blobs=_blobs(settings, "tempo", project, stack),
        loki_blobs=_blobs(settings, "loki", project, stack),
        istiod=Service(istiod.name, mesh, 15014),
        gateway=gateway,
        gateway_label=gateway_label,
        injection_labels=injection_labels(settings),
        grafana=Service("grafana", "grafana", 80),
        grafana_admin=SecretKey("grafana-admin", "grafana", "admin-password"),
        grafana_client=SecretKey("grafana-entra-id", "grafana", "client-secret"),
        grafana_account=ServiceAccount("grafana", "grafana"),
        entrance=_entrance(settings, gateway),
        datasources=(
            Datasource("Prometheus", "prometheus", "prometheus", metrics),
            Datasource("Tempo", "tempo", "tempo", traces),
            Datasource("Loki", "loki", "loki", logs),
        ),
        sample=Service("rolldice", SAMPLE_NAMESPACE, 80),
        collector=collector,
        tail_collector=tail,
        collector_account=ServiceAccount("collector", telemetry),  # not <name>-collector: the operator makes one of that name
        instrumentation="default",
        telemetry_namespace=telemetry,
        sample_namespace=SAMPLE_NAMESPACE,
        issuer="istio-stack",
        operator_services=(
            *_made_by_the_operator(collector, otlp_grpc, otlp_http),
            *(_made_by_the_operator(tail, tail_otlp) if tail_otlp else ()),
            *(_governed_by_prometheus_operator(prometheus) if settings.prometheus.source == "install" else ()),
        ),
        charts=installed_charts(settings),
    )
