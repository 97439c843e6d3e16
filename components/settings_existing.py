"""Where a cluster's own cert-manager, Prometheus and Istio are, for stacks that find them installed (`source: existing`)."""

from __future__ import annotations

from components.settings_base import DnsLabel, Model, Port


class ExistingCertManager(Model):
    """Where the cluster's own cert-manager is."""

    namespace: DnsLabel = "cert-manager"
    """Namespace that cert-manager runs in."""
    release: DnsLabel = "cert-manager"
    """Its label app.kubernetes.io/instance, by which its metrics are found."""


class ExistingPrometheus(Model):
    """Where the cluster's own Prometheus is. It must take remote write and OTLP and look at monitors of every namespace
    (`make preflight` looks)."""

    namespace: DnsLabel
    """Namespace that the Prometheus runs in."""
    service: DnsLabel
    """Service of the Prometheus that this stack writes to and Grafana reads."""
    port: Port = 9090
    """Port of that Service."""


class ExistingGateway(Model):
    """An ingress gateway that the cluster has already."""

    namespace: DnsLabel
    """Namespace that the gateway runs in."""
    service: DnsLabel
    """Its Service, on whose port 80 requests arrive."""
    label: DnsLabel = "ingressgateway"
    """Value of the label `istio` on its pods."""


class ExistingIstio(Model):
    """Where the cluster's own Istio is. Its MeshConfig must name the extension providers otel and otel-tracing (docs/operations.md)."""

    namespace: DnsLabel = "istio-system"
    """Namespace that istiod runs in."""
    gateway: ExistingGateway | None = None
    """Default: none, and this stack installs one."""
