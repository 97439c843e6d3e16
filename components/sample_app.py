"""The demonstration: `rolldice` behind the mesh gateway, instrumented by one annotation. Off while settings name no image."""

from __future__ import annotations

from typing import Any

from pulumi import Resource, ResourceOptions
from pulumi_kubernetes import apps, core
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components import mesh_access
from components.layer import PRIVILEGED, RESTRICTED, SKIP_AWAIT, LayerArgs
from components.otlp_tls import AUTHORITY, Trusting
from components.presets import resources
from components.settings import Settings
from components.topology import Topology

PATH = "/rolldice"
CONTAINER_PORT = 8080
WAYPOINT = "waypoint"
WAYPOINT_PORT = 15008


def namespace_labels(settings: Settings, topology: Topology) -> dict[str, str]:
    """Labels of the sample's namespace: a member of the mesh, and privileged where it must be.

    With sidecars an init container changes the pod's network, as the node's own agent does it in ambient mode alone; Go's agent traces
    the process from beside it.
    """
    go = topology.sample_namespace in settings.opentelemetry.go_exception_namespaces
    return dict(topology.injection_labels) | (PRIVILEGED if go or settings.istio.mode == "sidecar" else RESTRICTED)


def deployment_spec(settings: Settings, topology: Topology) -> Any:
    """Spec of the Deployment. The annotation names the Instrumentation, and the container, as the mesh adds one of its own."""
    name = topology.sample.name
    labels = {"app.kubernetes.io/name": name}
    probe = {"httpGet": {"path": "/healthz", "port": "http"}}
    return {
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {
                "labels": {**labels, "app": name, "version": "v1", "app.kubernetes.io/version": "v1"},
                "annotations": {
                    "instrumentation.opentelemetry.io/inject-python": f"{topology.telemetry_namespace}/{topology.instrumentation}",
                    "instrumentation.opentelemetry.io/container-names": name,
                },
            },
            "spec": {
                "enableServiceLinks": False,
                "automountServiceAccountToken": False,
                "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [
                    {
                        "name": name,
                        "image": settings.sample_app.image,
                        "ports": [{"name": "http", "containerPort": CONTAINER_PORT}],
                        "readinessProbe": probe,
                        "livenessProbe": {"tcpSocket": {"port": "http"}, "initialDelaySeconds": 10},
                        "resources": resources("sample", settings.preset),
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]},
                        },
                    }
                ],
            },
        },
    }


def gateway_spec(topology: Topology) -> dict[str, Any]:
    """Spec of the Gateway: the mesh's ingress gateway takes HTTP for any host."""
    return {
        "selector": {"istio": topology.gateway_label},
        "servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}],
    }


def virtual_service_spec(topology: Topology) -> dict[str, Any]:
    """Spec of the VirtualService: /rolldice goes to the sample."""
    service = topology.sample
    return {
        "hosts": ["*"],
        "gateways": [service.name],
        "http": [
            {
                "match": [{"uri": {"prefix": PATH}}],
                "route": [{"destination": {"host": service.host, "port": {"number": service.port}}}],
            }
        ],
    }


def waypoint_spec() -> dict[str, Any]:
    """Spec of the waypoint (Gateway API): in ambient mode the one proxy that sees requests, so without it no request telemetry."""
    return {
        "gatewayClassName": "istio-waypoint",
        "listeners": [{"name": "mesh", "port": WAYPOINT_PORT, "protocol": "HBONE"}],
    }


def access_specs(settings: Settings, topology: Topology) -> dict[str, dict[str, Any]]:
    """Specs of AuthorizationPolicies by name: the gateway alone asks for the sample.

    In ambient mode what comes by the waypoint comes under the waypoint's identity, so it is let in as well, and itself lets the gateway in.
    """
    gateway = mesh_access.gateway_source(settings, topology)
    labels = {"app.kubernetes.io/name": topology.sample.name}
    if settings.istio.mode != "ambient":
        return {topology.sample.name: mesh_access.callers_spec(labels, CONTAINER_PORT, gateway)}
    waypoint = {"principals": [mesh_access.identity(topology.sample_namespace, WAYPOINT)]}
    return {
        topology.sample.name: mesh_access.callers_spec(labels, CONTAINER_PORT, gateway, waypoint),
        WAYPOINT: mesh_access.waypoint_callers_spec(WAYPOINT, gateway),
    }


class SampleApp(Trusting):
    """rolldice with its Service, Gateway and VirtualService."""

    token = "sample:SampleApp"

    def __init__(self, name: str, args: LayerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(name, args, opts)
        if args.settings.sample_app.image is not None:
            self._install(args.settings, args.topology)
        self.register_outputs({"installed": args.settings.sample_app.image is not None})

    def _install(self, settings: Settings, topology: Topology) -> None:
        service = topology.sample
        namespace = self._namespace(service.namespace, namespace_labels(settings, topology))
        names: Any = {"name": service.name, "namespace": service.namespace, "labels": {"app.kubernetes.io/name": service.name}}
        if settings.istio.mode == "ambient":
            self._custom("gateway.networking.k8s.io/v1", "Gateway", WAYPOINT, service.namespace, waypoint_spec(), [namespace])
        # name and appProtocol tell the mesh what to speak
        port = core.v1.ServicePortArgs(name="http", port=service.port, target_port="http", app_protocol="http")
        core.v1.Service(
            service.name,
            metadata=ObjectMetaArgs(**names, annotations=SKIP_AWAIT),
            spec=core.v1.ServiceSpecArgs(selector={"app.kubernetes.io/name": service.name}, ports=[port]),
            opts=self._child(namespace),
        )
        needs: list[Resource] = [namespace]
        if settings.opentelemetry.tls:  # its SDK is told of a file that must be there
            rights = self._authority_in(service.namespace, topology, namespace)
            needs.append(self._published(f"{AUTHORITY}-{service.namespace}", [service.namespace], settings, topology, *rights))
        apps.v1.Deployment(
            service.name, metadata=ObjectMetaArgs(**names), spec=deployment_spec(settings, topology), opts=self._child(*needs)
        )
        security, strict = "security.istio.io/v1", mesh_access.strict_spec()
        self._custom(security, "PeerAuthentication", mesh_access.EVERY_POD, service.namespace, strict, [namespace], logical="sample-strict")
        for policy, spec in access_specs(settings, topology).items():
            self._custom(security, "AuthorizationPolicy", policy, service.namespace, spec, [namespace])
        for kind, spec in (("Gateway", gateway_spec(topology)), ("VirtualService", virtual_service_spec(topology))):
            self._custom("networking.istio.io/v1", kind, service.name, service.namespace, spec, [namespace])
