"""What a stack may choose, as typed and frozen models. Defaults live here; a stack file holds only what differs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from components.settings_access import ClusterNetworkSettings
from components.settings_alerting import AlertingSettings, SloSettings
from components.settings_azure import AzureSettings, ClusterSettings, StorageSettings
from components.settings_base import (
    ChartVersion,
    DnsLabel,
    Email,
    HttpsUrl,
    ImageReference,
    ImageRegistry,
    Mirror,
    Model,
    Percentage,
    Preset,
    Rate,
    Replicas,
    RetentionDays,
    Source,
    VolumeGi,
)
from components.settings_canary import CanarySettings
from components.settings_existing import ExistingCertManager, ExistingIstio, ExistingPrometheus
from components.settings_grafana import GrafanaSettings
from components.settings_stores import LokiSettings, TempoSettings
from components.settings_telemetry import TelemetrySettings

__all__ = ["Model", "Preset", "Settings"]


class AcmeSettings(Model):
    """Certificates from an ACME authority such as Let's Encrypt, proven by HTTP-01 through the mesh gateway."""

    email: Email
    """Where the authority writes before a certificate expires."""
    server: HttpsUrl = "https://acme-v02.api.letsencrypt.org/directory"
    """Address of the authority's directory."""


class CertManagerSettings(Model):
    """The certificate authority of the stack."""

    source: Source = "install"
    """`existing`: the cluster has it; only the issuer is made."""
    existing: ExistingCertManager | None = None
    issuer: Literal["selfSigned", "acme"] = "selfSigned"
    """Who signs: an authority of this stack's own, or one that speaks ACME. Another issuer signs every certificate anew."""
    acme: AcmeSettings | None = None

    @model_validator(mode="after")
    def _acme_is_described(self) -> CertManagerSettings:
        if self.issuer == "acme" and self.acme is None:
            raise ValueError("certManager.issuer is acme: certManager.acme.email must be set")
        if self.issuer != "acme" and self.acme is not None:
            raise ValueError(f"certManager.acme is set while certManager.issuer is {self.issuer}: set issuer to acme or remove acme")
        return self


class IstioSettings(Model):
    """The service mesh."""

    source: Source = "install"
    """`existing`: the cluster has it; what is told to proxies by custom resources is made, and the gateway if it has none."""
    existing: ExistingIstio | None = None
    mode: Literal["sidecar", "ambient"] = "sidecar"
    """`sidecar`: a proxy in every pod. `ambient`: a node proxy, and one waypoint per enrolled namespace for request telemetry."""
    revision: DnsLabel | None = None
    """Name of the control plane that the data plane follows. Namespaces are then labelled istio.io/rev."""
    chart_version: ChartVersion | None = None
    """Its version. Default: what the lock pins as istiod; another one stands in the lock as `istiod@<version>`."""
    canary: CanarySettings | None = None
    """A second control plane beside it, for as long as an upgrade takes; to promote it, swap the two (docs/upgrade.md)."""
    tag: DnsLabel | None = None
    """Name under which namespaces follow whatever `revision` is: they are labelled istio.io/rev with it once, and a promotion moves all
    of them, each pod when it is next started."""
    sampling_percentage: Percentage = 100.0
    """Share of requests whose trace the mesh starts, in per cent. A trace that a caller already started follows the caller's decision."""
    strict_namespaces: Annotated[tuple[DnsLabel, ...], Field(strict=False)] = ()
    """Namespaces of others, members of the mesh, whose proxies are to refuse what does not come under mutual TLS; the sample's own always
    does. Callers outside of the mesh then reach them through the gateway alone."""
    gateway_replicas: Replicas | None = None
    """How many ingress gateways run. Default: what the preset says."""
    gateway_service: Literal["LoadBalancer", "ClusterIP"] = "LoadBalancer"
    """How the gateway is reached. `ClusterIP`: by port-forward only, for clusters where nothing hands out addresses (kind)."""

    @property
    def own_gateway(self) -> bool:
        """Whether the ingress gateway is this stack's own."""
        return self.source == "install" or self.existing is None or self.existing.gateway is None

    @model_validator(mode="after")
    def _default_is_no_name(self) -> IstioSettings:
        if self.revision == "default":
            raise ValueError("istio.revision is default: that name means no revision; remove the key")
        return self


class PrometheusSettings(Model):
    """The metric store."""

    source: Source = "install"
    """`existing`: its operator's definitions are there, too; only monitors are made."""
    existing: ExistingPrometheus | None = None
    replicas: Replicas = 1
    """Only one is right: see the rule below."""
    retention_days: RetentionDays = 7
    """Days that metrics are kept; less deletes older ones at once, and the volume must hold them."""
    volume_gi: VolumeGi = 20
    """Volume of the metrics, in GiB. Prometheus deletes the oldest before it is full."""
    out_of_order_minutes: Annotated[int, Field(ge=1, le=1440)] = 30
    """How late a sample may arrive. Batches over OTLP arrive out of order; 0 would drop them."""
    scrape_interval_seconds: Annotated[int, Field(ge=5, le=300)] = 30
    """How often metrics are fetched. Half as long is twice the samples."""

    @model_validator(mode="after")
    def _pushes_need_one(self) -> PrometheusSettings:
        if self.replicas > 1:
            raise ValueError(
                f"prometheus.replicas is {self.replicas}: the collector and Tempo push through one Service, so each Prometheus would hold "
                "a part of the samples and every query see another part; only 1 gives right results"
            )
        return self


class OpenTelemetrySettings(Model):
    """The collector and the auto-instrumentation."""

    source: Source = "install"
    """`existing`: the cluster has the operator; collector and Instrumentation are made."""
    collector_replicas: Replicas | None = None
    """How many collectors run. Default: what the preset says."""
    sampling_percentage: Percentage = 100.0
    """Share of traces that an application starts by itself, in per cent; one that the mesh started follows the mesh."""
    tls: bool = False
    """Whether the collector takes OTLP under TLS alone, with a certificate of an authority of its own that proxies and SDKs are given."""
    trusting_namespaces: Annotated[tuple[DnsLabel, ...], Field(strict=False)] = ()
    """Namespaces of applications that send OTLP: each gets the ConfigMap otlp-ca with the authority's certificate, without which the pods
    that the Instrumentation names do not start. The sample's own always does."""
    go: bool = False
    """Auto-instrumentation of Go. Its agent is a privileged sidecar that reads other processes through eBPF, so it needs
    `goExceptionNamespaces`."""
    go_exception_namespaces: Annotated[tuple[DnsLabel, ...], Field(strict=False)] = ()
    """Namespaces that may run that privileged sidecar; each is labelled pod-security `privileged`, by name and on purpose."""

    @model_validator(mode="after")
    def _go_needs_its_exception(self) -> OpenTelemetrySettings:
        if self.go and not self.go_exception_namespaces:
            raise ValueError(
                "opentelemetry.go is true: its sidecar is privileged; name where it may run in opentelemetry.goExceptionNamespaces"
            )
        if self.go_exception_namespaces and not self.go:
            raise ValueError("opentelemetry.goExceptionNamespaces is set while opentelemetry.go is false: nothing would need the exception")
        return self


class AlloySettings(Model):
    """Log shipping from the pods' standard output."""

    excluded_namespaces: Annotated[tuple[DnsLabel, ...], Field(strict=False)] = ()
    """Namespaces whose pods are not read at all."""


class LoadSettings(Model):
    """What the stack has to carry at its busiest; what is not stated is not checked. `make size` computes with the same figures."""

    pods: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """Pods in the mesh, the applications' own."""
    requests_per_second: Rate | None = None
    """Requests between those pods, and into them through the gateway."""
    spans_per_second: Rate | None = None
    """Spans that reach the collector, after head sampling and before tail sampling."""
    log_mb_per_second: Annotated[Rate | None, Field(alias="logMBPerSecond")] = None
    """Megabytes (10^6 bytes) of logs: the pods' standard output, logs over OTLP and the mesh's access logs together."""
    active_series: Annotated[int, Field(ge=0, le=10**12)] | None = None
    """Time series that Prometheus holds at once."""


class SampleAppSettings(Model):
    """The demonstration application `rolldice`."""

    image: ImageReference | None = None
    """Image of the application; without it the sample is not installed. `make sample-image` builds one."""


class Settings(Model):
    """Everything a stack may choose; one attribute per configuration key."""

    preset: Preset = "small"
    """Size of the whole stack: requests, limits, replicas and caches of every workload (components/presets.py)."""
    load: LoadSettings = LoadSettings()
    """What the stack has to carry. A preset that cannot is refused, with the numbers (components/capacity.py)."""
    cluster: ClusterSettings = ClusterSettings()
    azure: AzureSettings | None = None
    """Subscription and storage account; nothing here for stacks that leave Azure alone."""
    chart_mirror: Mirror | None = None
    """A folder, or an https:// address, that holds every archive of the lock as `<chart>-<version>.tgz` (`helm pull` fills a folder
    from an OCI registry). Default: each chart's own repository."""
    chart_lock: str = "charts.yaml"
    """Path of the lock: exact version and sha256 of every chart. A mirror with archives of its own brings a lock of its own."""
    image_registry: ImageRegistry | None = None
    """Registry from which every image comes, such as `registry.example.com/mirror`; it holds each under the path that it has everywhere:
    docker.io/grafana/loki is registry.example.com/mirror/grafana/loki. `make mirror` lists them. Default: each image's own registry.
    `sampleApp.image` is taken as it is written."""
    cert_manager: CertManagerSettings = CertManagerSettings()
    istio: IstioSettings = IstioSettings()
    prometheus: PrometheusSettings = PrometheusSettings()
    storage: StorageSettings = StorageSettings()
    tempo: TempoSettings = TempoSettings()
    loki: LokiSettings = LokiSettings()
    opentelemetry: OpenTelemetrySettings = OpenTelemetrySettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    """How much of what could be said is kept; head sampling stands at `istio` and `opentelemetry`."""
    alloy: AlloySettings = AlloySettings()
    grafana: GrafanaSettings = GrafanaSettings()
    slos: Annotated[tuple[SloSettings, ...], Field(strict=False)] = ()
    """What services in the mesh promise; each becomes recording rules, burn-rate alerts and a row of the objectives' dashboard."""
    alerting: AlertingSettings = AlertingSettings()
    network: ClusterNetworkSettings = ClusterNetworkSettings()
    sample_app: SampleAppSettings = SampleAppSettings()
