"""The pods that this path stands for: what Istio and the collector know of each, and the address that its connections come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from components import sample_app
from signals.rendering import Rendered, Stack

NODE = "this-machine"
ADDRESSES = {"gateway": "127.0.0.11", "sidecar": "127.0.0.12", "waypoint": "127.0.0.13"}
"""All of 127.0.0.0/8 is this machine, so that each pod can have an address of its own."""
_HASH = "5d8f9c7b64"
"""What a ReplicaSet has behind its Deployment's name, and each of its pods as a label: by it, names of Deployments are known."""

Kind = Literal["gateway", "sidecar", "waypoint"]


@dataclass(frozen=True)
class Pod:
    """What Istio knows of the pod whose proxy this is."""

    name: str
    namespace: str
    workload: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    container: str = "istio-proxy"
    kind: Kind = "sidecar"

    @property
    def address(self) -> str:
        """Its address, from which its proxy connects."""
        return ADDRESSES[self.kind]

    def manifest(self) -> dict[str, Any]:
        """The pod as the API server has it, made by the ReplicaSet of a Deployment."""
        owner = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "name": f"{self.workload}-{_HASH}",
            "uid": self.workload,
            "controller": True,
        }
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "labels": {**self.labels, "pod-template-hash": _HASH},
                "annotations": dict(self.annotations),
                "ownerReferences": [owner],
            },
            "spec": {"nodeName": NODE, "containers": [{"name": self.container, "image": "as-a-process"}]},
        }

    def status(self) -> dict[str, Any]:
        """Its status once it runs."""
        return {"phase": "Running", "podIP": self.address, "podIPs": [{"ip": self.address}]}


def gateway(stack: Stack, rendered: Rendered) -> Pod:
    """The ingress gateway, as its chart labels it; of one that the cluster has already only its name is known."""
    release = stack.topology.gateway
    if not stack.settings.istio.own_gateway:
        return Pod(f"{release.name}-0", release.namespace, release.name, kind="gateway")
    found = rendered.gateway()
    metadata, name = found["spec"]["template"]["metadata"], found["metadata"]["name"]
    return Pod(f"{name}-0", release.namespace, name, metadata.get("labels", {}), metadata.get("annotations", {}), kind="gateway")


def sample(stack: Stack) -> Pod:
    """The sample application, with its sidecar where it has one."""
    service, template = stack.topology.sample, sample_app.deployment_spec(stack.settings, stack.topology)["template"]
    metadata = template["metadata"]
    return Pod(f"{service.name}-0", service.namespace, service.name, metadata["labels"], metadata["annotations"], container=service.name)


def waypoint(stack: Stack) -> Pod:
    """The waypoint of the sample's namespace. Source of the labels: istio 1.30 manifests/charts/istio-control/.../files/waypoint.yaml."""
    name = sample_app.WAYPOINT
    labels = {
        "service.istio.io/canonical-name": name,
        "service.istio.io/canonical-revision": "latest",
        "gateway.networking.k8s.io/gateway-name": name,
        "gateway.networking.k8s.io/gateway-class-name": str(sample_app.waypoint_spec()["gatewayClassName"]),
        "gateway.istio.io/managed": "istio.io-mesh-controller",
    }
    return Pod(f"{name}-0", stack.topology.sample.namespace, name, labels, kind="waypoint")


def inner(stack: Stack) -> Pod:
    """The pod whose proxy stands before the sample: its own with sidecars, the waypoint's in ambient mode."""
    made: Callable[[Stack], Pod] = sample if stack.settings.istio.mode == "sidecar" else waypoint
    return made(stack)


def every(stack: Stack, rendered: Rendered) -> list[Pod]:
    """All pods of the path."""
    return list({pod.name: pod for pod in (gateway(stack, rendered), sample(stack), inner(stack))}.values())
