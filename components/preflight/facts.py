"""What is known of a cluster: facts as plain data, and how the API server is asked for them. Nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

REQUEST_SECONDS = 15


@dataclass(frozen=True)
class Workload:
    """A Deployment or DaemonSet: where it is, what it runs, and which Helm release brought it, if one did."""

    namespace: str
    name: str
    images: tuple[str, ...]
    release: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PrometheusServer:
    """A custom resource Prometheus, as far as this stack cares."""

    namespace: str
    name: str
    remote_write: bool
    otlp: bool
    exemplars: bool


@dataclass(frozen=True)
class Facts:
    """One cluster at one moment."""

    version: tuple[int, int]
    default_storage_classes: tuple[str, ...]
    issuer: str | None
    """None where the API server does not tell."""
    mutating_webhooks: tuple[str, ...]
    """Names of the webhooks, not of their configurations."""
    workloads: tuple[Workload, ...]
    prometheus_servers: tuple[PrometheusServer, ...] = ()
    mesh_providers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Namespace of an Istio to the extension providers in its MeshConfig."""
    services: Mapping[tuple[str, str], tuple[int, ...]] = field(default_factory=dict)
    """Namespace and name of each Service to its ports."""
    mesh_followers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Revision or tag of a mesh to the namespaces that follow it: by their label, or by the proxies that their pods have already."""


def collect(client: Any) -> Facts:
    """Asks a cluster through an ApiClient of the Kubernetes package. Raises its exceptions where the cluster does not answer."""
    workloads = tuple(
        _workload(item) for kind in ("deployments", "daemonsets") for item in _get(client, f"/apis/apps/v1/{kind}").get("items", [])
    )
    version = _get(client, "/version")
    configurations = _get(client, "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations").get("items", [])
    classes = _get(client, "/apis/storage.k8s.io/v1/storageclasses").get("items", [])
    return Facts(
        version=(int(version["major"]), int("".join(c for c in version["minor"] if c.isdigit()))),
        default_storage_classes=tuple(
            c["metadata"]["name"]
            for c in classes
            if (c["metadata"].get("annotations") or {}).get("storageclass.kubernetes.io/is-default-class") == "true"
        ),
        issuer=_get(client, "/.well-known/openid-configuration", missing_is_fine=True).get("issuer"),
        mutating_webhooks=tuple(hook["name"] for c in configurations for hook in c.get("webhooks") or []),
        workloads=workloads,
        prometheus_servers=tuple(
            _prometheus(item) for item in _get(client, "/apis/monitoring.coreos.com/v1/prometheuses", missing_is_fine=True).get("items", [])
        ),
        services={
            (item["metadata"]["namespace"], item["metadata"]["name"]): tuple(port["port"] for port in item["spec"].get("ports") or [])
            for item in _get(client, "/api/v1/services").get("items", [])
        },
        mesh_providers={w.namespace: _providers(client, w.namespace) for w in workloads if w.labels.get("app") == "istiod"},
        mesh_followers=_followers(client),
    )


def _get(client: Any, path: str, missing_is_fine: bool = False) -> dict[str, Any]:
    """One GET; {} for what is not there, or not for us, where that is an answer, too."""
    from kubernetes.client.exceptions import ApiException

    try:
        response = client.call_api(
            *client.param_serialize(
                method="GET", resource_path=path, auth_settings=["BearerToken"], header_params={"Accept": "application/json"}
            ),
            _request_timeout=REQUEST_SECONDS,
        )
        response.read()
        if response.status >= 400:
            raise ApiException(http_resp=response)
        return json.loads(response.data)
    except ApiException as error:
        if missing_is_fine and error.status in {401, 403, 404}:
            return {}
        raise


def _workload(item: Mapping[str, Any]) -> Workload:
    metadata = item["metadata"]
    containers = item["spec"]["template"]["spec"]["containers"]
    return Workload(
        metadata["namespace"],
        metadata["name"],
        tuple(container["image"] for container in containers),
        (metadata.get("annotations") or {}).get("meta.helm.sh/release-name"),
        metadata.get("labels") or {},
    )


def _prometheus(item: Mapping[str, Any]) -> PrometheusServer:
    spec = item["spec"]
    return PrometheusServer(
        item["metadata"]["namespace"],
        item["metadata"]["name"],
        bool(spec.get("enableRemoteWriteReceiver")),
        bool(spec.get("enableOTLPReceiver")),
        "exemplar-storage" in (spec.get("enableFeatures") or []),
    )


def _followers(client: Any) -> dict[str, tuple[str, ...]]:
    """Who follows which control plane. The control planes' own pods carry the label too, and follow nobody."""
    found: dict[str, set[str]] = {}
    for item in _get(client, "/api/v1/namespaces").get("items", []):
        labels = item["metadata"].get("labels") or {}
        revision = "default" if labels.get("istio-injection") == "enabled" else labels.get("istio.io/rev")
        if revision:
            found.setdefault(revision, set()).add(item["metadata"]["name"])
    for pod in _get(client, "/api/v1/pods?labelSelector=istio.io/rev").get("items", []):
        if pod["metadata"]["labels"].get("app") != "istiod":
            found.setdefault(pod["metadata"]["labels"]["istio.io/rev"], set()).add(pod["metadata"]["namespace"])
    return {revision: tuple(sorted(namespaces)) for revision, namespaces in sorted(found.items())}


def _providers(client: Any, namespace: str) -> tuple[str, ...]:
    """Extension providers in the mesh configuration of an Istio, of whatever revision."""
    from components.merge import parse_yaml

    configs = _get(client, f"/api/v1/namespaces/{namespace}/configmaps").get("items", [])
    meshes = [c["data"]["mesh"] for c in configs if c["metadata"]["name"].startswith("istio") and "mesh" in (c.get("data") or {})]
    return tuple(provider["name"] for mesh in meshes for provider in (parse_yaml(mesh) or {}).get("extensionProviders") or [])
