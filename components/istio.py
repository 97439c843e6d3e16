"""The service mesh: Istio's control plane, its ingress gateway, and what every proxy reports."""

from __future__ import annotations

from typing import Any

from pulumi import Output, Resource, ResourceOptions
from pulumi_kubernetes import core
from pulumi_kubernetes.admissionregistration.v1 import MutatingWebhookConfiguration
from pulumi_kubernetes.helm.v3 import Release
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components import mesh_access, mesh_records
from components.availability import ONE_AT_A_TIME, scattered
from components.charts import values_file
from components.layer import PRIVILEGED, RESTRICTED, Layer, LayerArgs
from components.merge import merge
from components.presets import replicas, resources
from components.settings import Settings
from components.settings_canary import UNNAMED
from components.topology import Service, Topology

ACCESS_LOG_PROVIDER = "otel"
TRACING_PROVIDER = "otel-tracing"


def mesh_config(settings: Settings, topology: Topology) -> dict[str, Any]:
    """Istio's MeshConfig: both providers point at the collector, which may be installed later; istiod picks it up when it appears."""
    collector = {"service": topology.otlp_grpc.host, "port": topology.otlp_grpc.port}
    labels = mesh_records.log_labels(settings.telemetry.access_log_fields)
    config: dict[str, Any] = {
        "enablePrometheusMerge": True,
        "enableTracing": True,
        # Istio shows few of Envoy's own statistics; these say which access logs a proxy could not get rid of
        "defaultConfig": {"proxyStatsMatcher": {"inclusionPrefixes": ["access_logs"]}},
        "extensionProviders": [
            # a format without text keeps Istio's own line; the labels say whose it is (components/mesh_records.py)
            {"name": ACCESS_LOG_PROVIDER, "envoyOtelAls": {**collector, "logFormat": {"labels": labels}}},
            # without the semantic conventions a mesh span is named <app>.<namespace>, the application's own span <app>
            {"name": TRACING_PROVIDER, "opentelemetry": {**collector, "serviceAttributeEnrichment": "OTEL_SEMANTIC_CONVENTIONS"}},
        ],
    }
    if settings.cert_manager.acme is not None:
        # cert-manager answers ACME challenges through Ingress objects; the gateway serves those of class istio
        config |= {"ingressService": topology.gateway.name, "ingressSelector": topology.gateway_label, "ingressControllerMode": "STRICT"}
    return config


def base_values(settings: Settings) -> dict[str, Any]:
    """Helm values of the chart base."""
    return merge(values_file("base"), {"defaultRevision": settings.istio.revision or UNNAMED})


def istiod_values(settings: Settings, topology: Topology) -> dict[str, Any]:
    """Helm values of the control plane that the data plane follows."""
    return _control_plane_values(settings, topology, settings.istio.revision)


def canary_values(settings: Settings, topology: Topology) -> dict[str, Any]:
    """Helm values of the control plane beside it: the same but for its name, so that a promotion changes neither."""
    assert settings.istio.canary is not None, "asked for only where there is one"
    return _control_plane_values(settings, topology, settings.istio.canary.name)


def _control_plane_values(settings: Settings, topology: Topology, revision: str | None) -> dict[str, Any]:
    preset = settings.preset
    # the size of sidecars, of the init containers beside them, and of waypoints
    proxy = resources("istio-proxy", preset)
    count = replicas("istiod", preset)
    derived: dict[str, Any] = {
        "replicaCount": count,  # the chart itself adds a disruption budget to a second one
        "resources": resources("istiod", preset),
        **scattered(count, {"app": "istiod", "istio.io/rev": revision} if revision else {"istio": "pilot"}),
        "global": {"proxy": {"resources": proxy}, "waypoint": {"resources": proxy}},
        "meshConfig": mesh_config(settings, topology),
    }
    if revision:
        derived["revision"] = revision
    if settings.istio.mode == "ambient":
        derived["profile"] = "ambient"
    if settings.telemetry.stats_eviction_seconds is not None:
        # a proxy reads it from its pod (istio/istio pkg/bootstrap/config.go); every pod that the injector touches gets it
        evicted = {"sidecar.istio.io/statsEvictionInterval": f"{settings.telemetry.stats_eviction_seconds}s"}
        derived["sidecarInjectorWebhook"] = {"injectedAnnotations": evicted}
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


def gateway_replicas(settings: Settings) -> int:
    """How many gateways run: what settings say, or else the preset."""
    return settings.istio.gateway_replicas or replicas("gateway", settings.preset)


def gateway_values(settings: Settings) -> dict[str, Any]:
    """Helm values of the chart gateway."""
    count = gateway_replicas(settings)
    derived: dict[str, Any] = {
        "replicaCount": count,
        "resources": resources("gateway", settings.preset),
        "service": {"type": settings.istio.gateway_service},
        **scattered(count, {"istio": "ingressgateway"}),
    }
    if count > 1:
        derived["podDisruptionBudget"] = ONE_AT_A_TIME
    if settings.istio.revision:
        derived["revision"] = settings.istio.revision
    return merge(values_file("gateway"), derived)


def namespace_labels(settings: Settings) -> dict[str, str]:
    """Labels of Istio's own namespace: the agents of ambient mode change the node's network, and Istio itself no more than any pod."""
    return dict(PRIVILEGED if settings.istio.mode == "ambient" else RESTRICTED)


def tag_webhooks(tag: str, istiod: Service) -> list[dict[str, Any]]:
    """The webhooks by which pods that ask for a tag, or whose namespace does, get the proxy of the control plane it points to.

    An object of ours and not the chart's `revisionTags`: a release that takes a tag over from another would find it owned, and in between
    pods would start without a proxy. Source: istio 1.30.3 istio-discovery/templates/revision-tags-mwc.yaml.
    """
    absent = [{"key": key, "operator": "DoesNotExist"} for key in ("istio.io/rev", "istio-injection")]
    asked = {"key": "istio.io/rev", "operator": "In", "values": [tag]}
    not_off = {"key": "sidecar.istio.io/inject", "operator": "NotIn", "values": ["false"]}
    common = {
        # who signed the certificate is filled in by the control plane itself
        "clientConfig": {"service": {"name": istiod.name, "namespace": istiod.namespace, "path": "/inject", "port": 443}},
        "sideEffects": "None",
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "admissionReviewVersions": ["v1"],
    }
    selectors = {
        "rev.namespace.sidecar-injector.istio.io": ([asked, absent[1]], [not_off]),
        "rev.object.sidecar-injector.istio.io": (absent, [not_off, asked]),
    }
    return [
        {**common, "name": name, "namespaceSelector": {"matchExpressions": namespaces}, "objectSelector": {"matchExpressions": pods}}
        for name, (namespaces, pods) in selectors.items()
    ]


def telemetry_spec(settings: Settings) -> dict[str, Any]:
    """Spec of the mesh-wide Telemetry: access logs, traces and metrics of every proxy and waypoint, as it stands in the root namespace."""
    spec: dict[str, Any] = {
        "accessLogging": [{"providers": [{"name": ACCESS_LOG_PROVIDER}]}],
        "tracing": [{"providers": [{"name": TRACING_PROVIDER}], "randomSamplingPercentage": settings.istio.sampling_percentage}],
    }
    removed = settings.telemetry.removed_metric_tags
    if removed:
        gone = {tag: {"operation": "REMOVE"} for tag in removed}
        # `prometheus` is Istio's built-in provider; without a provider an override would be none
        spec["metrics"] = [
            {
                "providers": [{"name": "prometheus"}],
                "overrides": [{"match": {"metric": "ALL_METRICS", "mode": "CLIENT_AND_SERVER"}, "tagOverrides": gone}],
            }
        ]
    return spec


class Istio(Layer):
    """The mesh. Whoever depends on this layer gets its pods injected (sidecar) or captured (ambient)."""

    token = "mesh:Istio"

    def __init__(self, name: str, args: LayerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(name, args, opts)
        settings, topology = args.settings, args.topology
        releases = topology.releases
        control_plane, data_plane = self._planes(settings, topology) if settings.istio.source == "install" else ([], [])
        # what a pod needs to become a member of the mesh; the gateway, slow where a cloud gives it an address, is not among it
        self.membership: list[Resource] = [*control_plane, *data_plane]
        self._custom(
            "telemetry.istio.io/v1",
            "Telemetry",
            "mesh-observability",
            releases.istiod.namespace,
            telemetry_spec(settings),
            control_plane,
        )
        for namespace in settings.istio.strict_namespaces:
            self._custom(
                "security.istio.io/v1", "PeerAuthentication", mesh_access.EVERY_POD, namespace, mesh_access.strict_spec(), control_plane,
                logical=f"{namespace}-strict",
            )  # fmt: skip
        gateway: Release | None = None
        if settings.istio.own_gateway:
            # its pod says `image: auto`, which only the injector turns into an image
            gateway = self._release(releases.gateway, gateway_values(settings), self._namespace(releases.gateway.namespace), *control_plane)
        self.address = self._address(settings, topology, gateway)
        self.register_outputs({"gateway": topology.gateway.host})

    def _planes(self, settings: Settings, topology: Topology) -> tuple[list[Resource], list[Resource]]:
        """Istio itself: what its custom resources and gateways wait for, and what carries the traffic of pods without a sidecar."""
        releases = topology.releases
        base = self._release(
            releases.istio_base, base_values(settings), self._namespace(releases.istiod.namespace, namespace_labels(settings))
        )
        istiod = self._release(releases.istiod, istiod_values(settings, topology), base)
        if releases.istiod_canary is not None:
            self._release(releases.istiod_canary, canary_values(settings, topology), base)  # nobody follows it yet, or any more
        if settings.istio.tag is not None:
            return [istiod], [self._tag(settings.istio.tag, settings.istio.revision or UNNAMED, topology, istiod)]
        if settings.istio.mode != "ambient":
            return [istiod], []
        cni = self._release(releases.istio_cni, cni_values(settings), istiod)
        return [istiod], [cni, self._release(releases.ztunnel, ztunnel_values(settings), istiod)]

    def _tag(self, tag: str, revision: str, topology: Topology, istiod: Release) -> Resource:
        """The tag as the control planes know one: by these labels each finds those that point to it."""
        name = f"istio-revision-tag-{tag}"
        labels = {"app": "sidecar-injector", "istio.io/tag": tag, "istio.io/rev": revision}
        metadata = ObjectMetaArgs(name=name, labels=labels, annotations=values_file("istiod")["sidecarInjectorWebhookAnnotations"])
        webhooks: Any = tag_webhooks(tag, topology.istiod)
        return MutatingWebhookConfiguration(name, metadata=metadata, webhooks=webhooks, opts=self._child(istiod))

    def _address(self, settings: Settings, topology: Topology, gateway: Release | None) -> Output[str]:
        """Where clients reach the gateway: the load balancer's address; the Service's own host where there is none, or it is not ours."""
        if gateway is None or settings.istio.gateway_service != "LoadBalancer":
            return Output.from_input(topology.gateway.host)
        # the id is unknown until the release is there, so a preview of an empty cluster reads nothing
        status = gateway.status
        service = core.v1.Service.get("gateway-address", Output.concat(status.namespace, "/", status.name), opts=self._child())
        return service.status.apply(_load_balancer_address)


def _load_balancer_address(status: Any) -> str:
    """IP or name that the cloud gave; both are optional in the API, one is there once the Service is ready."""
    first = status.load_balancer.ingress[0]
    return first.ip or first.hostname
