"""What a cluster is to a policy, read from rendered objects: pods with labels and ports, Services, monitors, webhooks, policies. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from components.network.evaluator import Namespaced, Pod, Rules
from components.network.parts import INSTANCE, NAME, collector_pods

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")
WEBHOOKS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
DNS = Pod("coredns", "kube-system", {"k8s-app": "kube-dns"}, {"dns": 53})
STRANGER = Pod("stranger", "shop", {NAME: "checkout"})
"""A pod of somebody else, in a namespace that this stack knows nothing of."""


@dataclass(frozen=True)
class World:
    """A cluster with one stack in it, and a pod of somebody else."""

    pods: tuple[Pod, ...]
    services: Mapping[tuple[str, str], Mapping[str, Any]]
    """Namespace and name to the whole object."""
    monitors: tuple[Mapping[str, Any], ...]
    webhooks: tuple[tuple[str, str, str, int], ...]
    """Name of a webhook, and namespace, name and port of the Service that answers for it."""
    rules: Rules

    def behind(self, namespace: str, name: str, port: int | str) -> Iterator[tuple[Pod, int]]:
        """Every pod behind a Service, and at which of its ports one of the Service (by number or name) arrives."""
        spec = self.services[namespace, name]["spec"]
        (found,) = [entry for entry in spec["ports"] if port in (entry["port"], entry.get("name"))]
        target = found.get("targetPort") or found["port"]
        for pod in self.selected(namespace, spec.get("selector") or {}):
            number = pod.ports.get(target) if isinstance(target, str) else target
            if number is not None:  # a pod that has no port of that name is no endpoint of the Service's port
                yield pod, number

    def selected(self, namespace: str, labels: Mapping[str, str]) -> list[Pod]:
        """Pods by namespace (empty for every one) and labels."""
        return [pod for pod in self.pods if pod.namespace == (namespace or pod.namespace) and labels.items() <= pod.labels.items()]


def world(bodies: Iterable[Mapping[str, Any]]) -> World:
    """The cluster that these objects make, with DNS and a stranger."""
    objects = list(bodies)
    pods = (*(pod for body in objects for pod in _pods(body)), DNS, STRANGER)
    labels = {body["metadata"]["name"]: body["metadata"].get("labels") or {} for body in objects if body.get("kind") == "Namespace"}
    policies = [
        Namespaced(body["metadata"]["name"], body["metadata"]["namespace"], body["spec"])
        for body in objects
        if body.get("kind") == "NetworkPolicy"
    ]
    return World(
        pods,
        {_key(body): body for body in objects if body.get("kind") == "Service"},
        tuple(body for body in objects if body.get("kind") == "ServiceMonitor"),
        tuple(hook for body in objects for hook in _webhooks(body)),
        Rules(policies, labels),
    )


def _key(body: Mapping[str, Any]) -> tuple[str, str]:
    return body["metadata"].get("namespace", ""), body["metadata"]["name"]


def _pods(body: Mapping[str, Any]) -> Iterator[Pod]:
    kind = str(body.get("kind"))
    if kind in WORKLOADS:
        spec = body["spec"]["jobTemplate"]["spec"] if kind == "CronJob" else body["spec"]
        namespace, name = _key(body)
        yield _pod(f"{kind.lower()}/{name}", namespace, spec["template"])
    elif (body.get("apiVersion", "").partition("/")[0], kind) in _MADE_BY_OPERATORS:
        yield _MADE_BY_OPERATORS[body["apiVersion"].partition("/")[0], kind](body)


def _pod(name: str, namespace: str, template: Mapping[str, Any]) -> Pod:
    spec = template["spec"]
    containers = [*spec.get("initContainers", []), *spec.get("containers", [])]
    ports = [(port.get("name") or str(port["containerPort"]), port["containerPort"]) for c in containers for port in c.get("ports") or []]
    probes = [probe for c in containers for key, probe in c.items() if key.endswith("Probe")]
    numbers = [at for probe in probes for at in (probe.get(kind, {}).get("port") for kind in ("httpGet", "tcpSocket", "grpc")) if at]
    ports += [(f"probe-{number}", number) for number in numbers if isinstance(number, int)]
    return Pod(name, namespace, template["metadata"].get("labels") or {}, dict(ports), bool(spec.get("hostNetwork")))


def _collector(body: Mapping[str, Any]) -> Pod:
    namespace, name = _key(body)
    made, config = collector_pods(namespace, name), body["spec"]["config"]
    protocols = config["receivers"]["otlp"]["protocols"]
    ports = {key: int(said["endpoint"].rpartition(":")[2]) for key, said in protocols.items()}
    return Pod(f"collector/{name}", namespace, {**dict(made.labels), NAME: made.name}, {**ports, "metrics": 8888, "health": 13133})


def _prometheus(body: Mapping[str, Any]) -> Pod:
    """Source: prometheus-operator pkg/prometheus/labels.go and pkg/prometheus/server/statefulset.go."""
    namespace, name = _key(body)
    labels = {NAME: "prometheus", INSTANCE: name, "prometheus": name, "operator.prometheus.io/name": name}
    return Pod(f"prometheus/{name}", namespace, labels, {"http-web": 9090, "reloader-web": 8080})


def _alertmanager(body: Mapping[str, Any]) -> Pod:
    """Source: prometheus-operator pkg/alertmanager/statefulset.go."""
    namespace, name = _key(body)
    labels = {NAME: "alertmanager", INSTANCE: name, "alertmanager": name}
    return Pod(f"alertmanager/{name}", namespace, labels, {"http-web": 9093, "mesh": 9094, "reloader-web": 8080})


def _gateway(body: Mapping[str, Any]) -> Pod:
    """A waypoint, or another gateway that istiod runs for the Gateway API."""
    namespace, name = _key(body)
    return Pod(f"gateway/{name}", namespace, {"gateway.networking.k8s.io/gateway-name": name}, {"metrics": 15020})


_MADE_BY_OPERATORS = {
    ("opentelemetry.io", "OpenTelemetryCollector"): _collector,
    ("monitoring.coreos.com", "Prometheus"): _prometheus,
    ("monitoring.coreos.com", "Alertmanager"): _alertmanager,
    ("gateway.networking.k8s.io", "Gateway"): _gateway,
}


def _webhooks(body: Mapping[str, Any]) -> Iterator[tuple[str, str, str, int]]:
    clients = []
    if body.get("kind") in WEBHOOKS:
        clients = [(hook["name"], hook.get("clientConfig") or {}) for hook in body.get("webhooks") or []]
    elif body.get("kind") == "CustomResourceDefinition":
        conversion = body["spec"].get("conversion") or {}
        clients = [(body["metadata"]["name"], (conversion.get("webhook") or {}).get("clientConfig") or {})]
    for name, client in clients:
        service = client.get("service")
        if service:
            yield name, service["namespace"], service["name"], int(service.get("port", 443))
