"""The service mesh: Istio's control plane, its ingress gateway, and what every proxy reports."""

from __future__ import annotations

from typing import Any

from pulumi import Output, ResourceOptions
from pulumi_kubernetes.core.v1 import Service

from components.charts import values_file
from components.layer import Layer, LayerArgs
from components.merge import merge
from components.presets import resources
from components.settings import Settings
from components.topology import Topology

ACCESS_LOG_PROVIDER = "otel"
TRACING_PROVIDER = "otel-tracing"


def mesh_config(settings: Settings, topology: Topology) -> dict[str, Any]:
    """Istio's MeshConfig: both providers point at the collector, which may be installed later; istiod picks it up when it appears."""
    collector = {"service": topology.otlp_grpc.host, "port": topology.otlp_grpc.port}
    config: dict[str, Any] = {
        "enablePrometheusMerge": True,
        "enableTracing": True,
        "extensionProviders": [
            {"name": ACCESS_LOG_PROVIDER, "envoyOtelAls": collector},
            # without the semantic conventions a mesh span is named <app>.<namespace>, the application's own span <app>
            {"name": TRACING_PROVIDER, "opentelemetry": {**collector, "serviceAttributeEnrichment": "OTEL_SEMANTIC_CONVENTIONS"}},
        ],
    }
    if settings.cert_manager.acme is not None:
        # cert-manager answers ACME challenges through Ingress objects; the gateway serves those of class istio
        config |= {"ingressService": topology.gateway.name, "ingressSelector": "ingressgateway", "ingressControllerMode": "STRICT"}
    return config


def base_values(settings: Settings) -> dict[str, Any]:
    """Helm values of the chart base."""
    return merge(values_file("base"), {"defaultRevision": settings.istio.revision or "default"})


def istiod_values(settings: Settings, topology: Topology) -> dict[str, Any]:
    """Helm values of the chart istiod."""
    preset = settings.preset
    proxy = resources("istio-proxy", preset)
    derived: dict[str, Any] = {
        "resources": resources("istiod", preset),
        "global": {"proxy": {"resources": proxy}, "waypoint": {"resources": proxy}},
        "meshConfig": mesh_config(settings, topology),
    }
    if settings.istio.revision:
        derived["revision"] = settings.istio.revision
    if settings.istio.mode == "ambient":
        derived["profile"] = "ambient"
    return merge(values_file("istiod"), derived)


def cni_values(settings: Settings) -> dict[str, Any]:
    """Helm values of the chart cni, which ambient mode alone installs."""
    return merge(values_file("cni"), {"resources": resources("cni", settings.preset)})


def ztunnel_values(settings: Settings) -> dict[str, Any]:
    """Helm values of the chart ztunnel, which ambient mode alone installs."""
    derived: dict[str, Any] = {"resources": resources("ztunnel", settings.preset)}
    if settings.istio.revision:
        derived["revision"] = settings.istio.revision
    return merge(values_file("ztunnel"), derived)


def gateway_values(settings: Settings) -> dict[str, Any]:
    """Helm values of the chart gateway."""
    derived: dict[str, Any] = {
        "replicaCount": settings.istio.gateway_replicas,
        "resources": resources("gateway", settings.preset),
        "service": {"type": settings.istio.gateway_service},
    }
    if settings.istio.gateway_replicas > 1:
        derived["podDisruptionBudget"] = {"maxUnavailable": 1}
    if settings.istio.revision:
        derived["revision"] = settings.istio.revision
    return merge(values_file("gateway"), derived)


def telemetry_spec(settings: Settings) -> dict[str, Any]:
    """Spec of the mesh-wide Telemetry: access logs and traces of every proxy and waypoint, as it stands in the root namespace."""
    return {
        "accessLogging": [{"providers": [{"name": ACCESS_LOG_PROVIDER}]}],
        "tracing": [{"providers": [{"name": TRACING_PROVIDER}], "randomSamplingPercentage": settings.istio.sampling_percentage}],
    }


class Istio(Layer):
    """The mesh. Whoever depends on this layer gets its pods injected (sidecar) or captured (ambient)."""

    token = "mesh:Istio"

    def __init__(self, name: str, args: LayerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(name, args, opts)
        settings, topology = args.settings, args.topology
        releases = topology.releases
        self.namespace = self._namespace(releases.istiod.namespace)
        gateway_namespace = self._namespace(releases.gateway.namespace)
        base = self._release(releases.istio_base, base_values(settings), self.namespace)
        self.control_plane = self._release(releases.istiod, istiod_values(settings, topology), base)
        # what a pod needs to become a member of the mesh; the gateway, slow where a cloud gives it an address, is not among it
        self.membership = [self.control_plane]
        if settings.istio.mode == "ambient":
            self.membership += [
                self._release(releases.istio_cni, cni_values(settings), self.control_plane),
                self._release(releases.ztunnel, ztunnel_values(settings), self.control_plane),
            ]
        self._custom(
            "telemetry.istio.io/v1",
            "Telemetry",
            "mesh-observability",
            releases.istiod.namespace,
            telemetry_spec(settings),
            [self.control_plane],
        )
        # the gateway's pod says `image: auto`, which only the injector turns into an image
        self.gateway = self._release(releases.gateway, gateway_values(settings), gateway_namespace, self.control_plane)
        self.address = self._address(settings, topology)
        self.register_outputs({"gateway": topology.gateway.host})

    def _address(self, settings: Settings, topology: Topology) -> Output[str]:
        """Where clients reach the gateway: the load balancer's address, or the Service's own host where there is none."""
        if settings.istio.gateway_service != "LoadBalancer":
            return Output.from_input(topology.gateway.host)
        # the id is unknown until the release is there, so a preview of an empty cluster reads nothing
        status = self.gateway.status
        service = Service.get("gateway-address", Output.concat(status.namespace, "/", status.name), opts=self._child())
        return service.status.apply(_load_balancer_address)


def _load_balancer_address(status: Any) -> str:
    """IP or name that the cloud gave; both are optional in the API, one is there once the Service is ready."""
    first = status.load_balancer.ingress[0]
    return first.ip or first.hostname
