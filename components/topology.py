"""The address plan: every name the layers agree on, computed before any of them exists.

Pure. Addresses are planned, not discovered, so chart values hold no unknown and the first preview of an empty cluster is complete.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.settings import Settings

CLUSTER_DOMAIN = "cluster.local"


@dataclass(frozen=True, slots=True)
class Service:
    """A port of a Kubernetes Service as its clients address it: host, authority (host:port), url (scheme://host:port)."""

    name: str
    namespace: str
    port: int
    scheme: Literal["http", "https"] = "http"

    @property
    def host(self) -> str:
        return f"{self.name}.{self.namespace}.svc.{CLUSTER_DOMAIN}"

    @property
    def authority(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        default = {"http": 80, "https": 443}.get(self.scheme)
        return f"{self.scheme}://{self.host}" if self.port == default else f"{self.scheme}://{self.authority}"


@dataclass(frozen=True, slots=True)
class OperatorService:
    """A Service that nobody here declares: an operator makes it from a custom resource, by a rule of its own."""

    service: Service
    made_from: str
    """The custom resource, as kind/name."""
    rule: str
    """How the operator names it, and where that is written."""


@dataclass(frozen=True, slots=True)
class SecretKey:
    """One entry of a Kubernetes Secret: both the side that writes it and the side that reads it use this."""

    name: str
    namespace: str
    key: str

    @property
    def reference(self) -> dict[str, str]:
        """As `valueFrom.secretKeyRef` takes it."""
        return {"name": self.name, "key": self.key}


@dataclass(frozen=True, slots=True)
class BlobStore:
    """One blob container, who may reach it and how its client authenticates."""

    account: str
    container: str
    key: SecretKey
    """Where the store's own namespace holds the account key."""
    endpoint: Service | None
    """The Azurite that serves it; None means Azure itself."""


@dataclass(frozen=True, slots=True)
class Datasource:
    """A Grafana datasource: name for people, uid for links between signals."""

    name: str
    uid: str
    type: str
    service: Service


@dataclass(frozen=True, slots=True)
class Release:
    """A Helm release: where it goes, and which entry of the chart lock it installs."""

    name: str
    namespace: str
    chart: str


@dataclass(frozen=True, slots=True)
class Releases:
    crds: Release
    cert_manager: Release
    istio_base: Release
    istiod: Release
    istio_cni: Release
    ztunnel: Release
    gateway: Release
    prometheus: Release
    tempo: Release
    loki: Release
    otel_operator: Release
    alloy: Release
    grafana: Release


@dataclass(frozen=True, slots=True)
class Topology:
    """Every planned name of one stack."""

    releases: Releases
    # signals in
    otlp_grpc: Service
    otlp_http: Service
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
    injection_labels: tuple[tuple[str, str], ...]
    """Labels that enrol a namespace in the mesh."""
    # looking
    grafana: Service
    grafana_admin: SecretKey
    datasources: tuple[Datasource, ...]
    sample: Service
    # names of custom resources
    collector: str
    instrumentation: str
    telemetry_namespace: str
    sample_namespace: str
    issuer: str
    operator_services: tuple[OperatorService, ...]
    charts: tuple[str, ...]
    """Entries of the chart lock that this stack installs."""

    def datasource(self, uid: str) -> Datasource:
        """The datasource of that uid; KeyError where a link points at none."""
        return {d.uid: d for d in self.datasources}[uid]


EXEMPLAR_LABEL = "trace_id"
"""The one label under which every exemplar of the stack carries its trace: what OpenTelemetry SDKs write and Prometheus stores from
OTLP. Tempo's generator would say traceID; it is told otherwise."""

AZURITE_ACCOUNT = "devstoreaccount1"
STORE_KEY = "STORAGE_ACCOUNT_ACCESS_KEY"
TEMPO_CONTAINER = "tempo"
LOKI_CONTAINER = "loki"


def collector_service(name: str) -> str:
    """Service of an OpenTelemetryCollector: `<name>-collector`, at most 63 characters.

    Source: opentelemetry-operator internal/naming/main.go, `Service`.
    """
    return f"{name}-collector"[:63].rstrip("-")


def kube_prometheus_fullname(release: str) -> str:
    """`<release>-kube-prometheus-stack`, cut at 26 characters. Source: kube-prometheus-stack templates/_helpers.tpl, `fullname`."""
    return f"{release}-kube-prometheus-stack"[:26].rstrip("-")


def injection_labels(settings: Settings) -> tuple[tuple[str, str], ...]:
    """Labels by which a namespace joins the mesh, by mode and revision."""
    if settings.istio.mode == "ambient":
        return (("istio.io/dataplane-mode", "ambient"), ("istio.io/use-waypoint", "waypoint"))
    return (("istio.io/rev", settings.istio.revision),) if settings.istio.revision else (("istio-injection", "enabled"),)


def plan(settings: Settings) -> Topology:
    """All names of a stack, from its settings alone."""
    distributed_tempo = settings.tempo.mode == "distributed"
    revision = settings.istio.revision
    istiod = f"istiod-{revision}" if revision else "istiod"
    prometheus = kube_prometheus_fullname("prom")
    azurite = Service("azurite", "azurite", 10000)
    collector, telemetry = "otel", "observability"
    collector_name = collector_service(collector)
    metrics = Service(f"{prometheus}-prometheus", "prometheus", 9090)
    traces = Service("tempo-query-frontend" if distributed_tempo else "tempo", "tempo", 3200)
    logs = Service("loki-gateway", "loki", 80)
    ambient = settings.istio.mode == "ambient"
    tempo_chart = "tempo-distributed" if distributed_tempo else "tempo"
    naming = "opentelemetry-operator internal/naming/main.go"
    return Topology(
        releases=Releases(
            crds=Release("prometheus-operator-crds", "prometheus", "prometheus-operator-crds"),
            cert_manager=Release("cert-manager", "cert-manager", "cert-manager"),
            istio_base=Release("istio-base", "istio-system", "base"),
            istiod=Release(istiod, "istio-system", "istiod"),
            istio_cni=Release("istio-cni", "istio-system", "cni"),
            ztunnel=Release("ztunnel", "istio-system", "ztunnel"),
            gateway=Release("istio-ingressgateway", "istio-ingress", "gateway"),
            prometheus=Release("prom", "prometheus", "kube-prometheus-stack"),
            tempo=Release("tempo", "tempo", tempo_chart),
            loki=Release("loki", "loki", "loki"),
            otel_operator=Release("opentelemetry-operator", "opentelemetry-operator", "opentelemetry-operator"),
            alloy=Release("alloy", "alloy", "alloy"),
            grafana=Release("grafana", "grafana", "grafana"),
        ),
        otlp_grpc=Service(collector_name, telemetry, 4317),
        otlp_http=Service(collector_name, telemetry, 4318),
        tempo_otlp=Service("tempo-distributor" if distributed_tempo else "tempo", "tempo", 4317),
        tempo=traces,
        loki=logs,
        prometheus=metrics,
        alertmanager=Service(f"{prometheus}-alertmanager", "prometheus", 9093),
        azurite=azurite,
        azurite_key=SecretKey("azurite-key", azurite.namespace, STORE_KEY),
        tempo_blobs=BlobStore(AZURITE_ACCOUNT, TEMPO_CONTAINER, SecretKey("tempo-azure-key", "tempo", STORE_KEY), azurite),
        loki_blobs=BlobStore(AZURITE_ACCOUNT, LOKI_CONTAINER, SecretKey("loki-azure-key", "loki", STORE_KEY), azurite),
        istiod=Service(istiod, "istio-system", 15014),
        gateway=Service("istio-ingressgateway", "istio-ingress", 80),
        injection_labels=injection_labels(settings),
        grafana=Service("grafana", "grafana", 80),
        grafana_admin=SecretKey("grafana-admin", "grafana", "admin-password"),
        datasources=(
            Datasource("Prometheus", "prometheus", "prometheus", metrics),
            Datasource("Tempo", "tempo", "tempo", traces),
            Datasource("Loki", "loki", "loki", logs),
        ),
        sample=Service("rolldice", "sample", 80),
        collector=collector,
        instrumentation="default",
        telemetry_namespace=telemetry,
        sample_namespace="sample",
        issuer="istio-stack",
        operator_services=(
            OperatorService(
                Service(collector_name, telemetry, 4317), f"OpenTelemetryCollector/{collector}", f"<name>-collector ({naming})"
            ),
            OperatorService(
                Service(collector_name, telemetry, 4318), f"OpenTelemetryCollector/{collector}", f"<name>-collector ({naming})"
            ),
            OperatorService(
                Service(f"{collector}-collector-monitoring", telemetry, 8888),
                f"OpenTelemetryCollector/{collector}",
                f"<name>-collector-monitoring ({naming})",
            ),
            OperatorService(
                Service("prometheus-operated", "prometheus", 9090),
                f"Prometheus/{prometheus}-prometheus",
                "prometheus-operated (prometheus-operator pkg/prometheus/server/statefulset.go, governingServiceName)",
            ),
            OperatorService(
                Service("alertmanager-operated", "prometheus", 9093),
                f"Alertmanager/{prometheus}-alertmanager",
                "alertmanager-operated (prometheus-operator pkg/alertmanager/statefulset.go, governingServiceName)",
            ),
        ),
        charts=(
            "prometheus-operator-crds",
            *(("gateway-api", "cni", "ztunnel") if ambient else ()),
            *("cert-manager", "base", "istiod", "gateway", "kube-prometheus-stack", tempo_chart, "loki"),
            *("opentelemetry-operator", "alloy", "grafana"),
        ),
    )
