"""Everything that carries signals, as the layers say it to their charts and in their custom resources."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from components import (
    alloy,
    exposure,
    grafana,
    istio,
    loki,
    opentelemetry,
    otlp_tls,
    prometheus,
    sample_app,
    sign_in,
    tempo,
)
from components.addresses import SecretKey
from components.grants import Grant, grants
from components.settings import Settings
from components.topology import Topology

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Configured:
    """One stack's configuration of its signals; what is None is the cluster's own, or not there."""

    topology: Topology
    ambient: bool
    mesh: Values
    """Istio's MeshConfig. A mesh of the cluster's own must say the same (docs/operations.md)."""
    telemetry: Values | None
    injector: Values | None
    """What istiod's injector is told."""
    collector: Values
    tail: Values | None
    """Spec of the collector that decides which traces are kept; None without tail sampling."""
    operator: Values | None
    instrumentation: Values
    tempo: Values
    loki: Values
    prometheus: Values | None
    monitors: tuple[tuple[str, str, Values], ...]
    """Kind, name and spec of each monitor of ours."""
    alloy: Values
    pod_logs: Values | None
    grafana: Values
    entrance: exposure.Specs | None
    sample: Values | None
    """Spec of the sample's Deployment."""
    destination: Values | None
    """Spec of the DestinationRule by which proxies encrypt what they send to the collector."""
    certificate: Values | None
    """Spec of the collector's Certificate."""
    trusting: tuple[str, ...]
    """Namespaces with a ConfigMap of the authority that signed it."""
    grants: tuple[Grant, ...]
    secrets: tuple[SecretKey, ...]
    """Keys that a layer writes into a Secret, of blob storage and of Grafana's sign-in."""


def configured(settings: Settings, topology: Topology) -> Configured:
    """What the layers of a stack say."""
    stores = (topology.tempo_blobs, topology.loki_blobs)
    found = Configured(
        topology=topology,
        ambient=settings.istio.mode == "ambient",
        mesh=istio.mesh_config(settings, topology),
        telemetry=istio.telemetry_spec(settings),
        injector=istio.istiod_values(settings, topology).get("sidecarInjectorWebhook"),
        collector=opentelemetry.collector_spec(settings, topology),
        tail=opentelemetry.tail_spec(settings, topology),
        operator=opentelemetry.values(settings) if settings.opentelemetry.source == "install" else None,
        instrumentation=opentelemetry.instrumentation_spec(settings, topology),
        tempo=tempo.values(settings, topology),
        loki=loki.values(settings, topology),
        prometheus=prometheus.values(settings) if settings.prometheus.source == "install" else None,
        monitors=prometheus.monitors(topology),
        alloy=alloy.values(settings, topology),
        pod_logs=alloy.pod_logs_spec(settings),
        grafana=grafana.values(settings, topology),
        entrance=exposure.specs(topology),
        sample=sample_app.deployment_spec(settings, topology) if settings.sample_app.image else None,
        destination=otlp_tls.destination_spec(topology) if settings.opentelemetry.tls else None,
        certificate=otlp_tls.certificate_spec(topology) if settings.opentelemetry.tls else None,
        trusting=otlp_tls.trusting_namespaces(settings, topology),
        grants=grants(topology),
        secrets=(*(blobs.key for blobs in stores if not blobs.identity), *sign_in.secrets(settings, topology)),
    )
    return deepcopy(found)  # nothing that reads the graph may write to what a layer says


def at(values: Any, path: str, default: Any = None) -> Any:
    """The value at a dotted path, or the default where nobody set it."""
    for part in path.split("."):
        if not isinstance(values, Mapping) or part not in values:
            return default
        values = values[part]
    return values
