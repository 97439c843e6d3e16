"""The pods that an object leads to: its own template, or what an operator makes of a custom resource."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

_HARDENED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
_RESTRICTED = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
_TEMPLATES = {
    "Pod": ("spec",),
    "Deployment": ("spec", "template", "spec"),
    "StatefulSet": ("spec", "template", "spec"),
    "DaemonSet": ("spec", "template", "spec"),
    "ReplicaSet": ("spec", "template", "spec"),
    "Job": ("spec", "template", "spec"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
LANGUAGES = {"java": "resources", "nodejs": "resourceRequirements", "python": "resourceRequirements", "dotnet": "resourceRequirements"}
"""Languages of an Instrumentation, and under which key each takes its resources; the operator, alas, has two."""


class Container(NamedTuple):
    """A container of a pod; its image is "" where an operator says it."""

    name: str
    image: str
    body: Mapping[str, Any]


class Pod(NamedTuple):
    """A pod as it will be: the spec it is made of and every container, init containers first."""

    spec: Mapping[str, Any]
    containers: tuple[Container, ...]


def pods(body: Mapping[str, Any]) -> Iterator[Pod]:
    """The pods that come of an object of Kubernetes; none of most kinds."""
    kind, group = str(body.get("kind")), str(body.get("apiVersion")).rpartition("/")[0]
    if kind in _TEMPLATES and group in ("", "apps", "batch"):
        spec: Any = body
        for key in _TEMPLATES[kind]:
            spec = spec.get(key) or {}
        found = [*spec.get("initContainers", ()), *spec.get("containers", ())]
        yield Pod(spec, tuple(Container(c["name"], c.get("image", ""), c) for c in found))
    elif made := _MADE.get((group, kind)):
        yield from made(body.get("spec") or {})


def _of_prometheus_operator(container: str) -> Callable[[Mapping[str, Any]], Iterator[Pod]]:
    """Prometheus and Alertmanager. Their containers are hardened by the operator: v0.93.1, pkg/prometheus/server/statefulset.go."""

    def made(spec: Mapping[str, Any]) -> Iterator[Pod]:
        body = {"resources": spec.get("resources"), "securityContext": _HARDENED}
        yield Pod(spec, (Container(container, spec.get("image", ""), body),))

    return made


def _of_collector(spec: Mapping[str, Any]) -> Iterator[Pod]:
    pod = {"securityContext": spec.get("podSecurityContext"), "volumes": spec.get("volumes", []), "hostNetwork": spec.get("hostNetwork")}
    yield Pod(pod, (Container("otc-container", spec.get("image", ""), spec),))


def _of_instrumentation(spec: Mapping[str, Any]) -> Iterator[Pod]:
    """An init container per language, in a pod that is the application's own; Go's is a sidecar that must be privileged."""
    own = {"securityContext": spec.get("initContainerSecurityContext")}
    found = [
        Container(f"opentelemetry-auto-instrumentation-{language}", of.get("image", ""), {**own, "resources": of.get(key)})
        for language, key in LANGUAGES.items()
        if (of := spec.get(language)) is not None
    ]
    if (go := spec.get("go")) is not None:
        privileged = {"privileged": True, "runAsUser": 0}
        found.append(
            Container(
                "opentelemetry-auto-instrumentation-go",
                go.get("image", ""),
                {"resources": go.get("resourceRequirements"), "securityContext": privileged},
            )
        )
    yield Pod({"securityContext": _RESTRICTED}, tuple(found))


def _of_issuer(spec: Mapping[str, Any]) -> Iterator[Pod]:
    """What answers ACME's challenges. cert-manager hardens it itself: v1.21.1, pkg/issuer/acme/http/pod.go."""
    for solver in spec.get("acme", {}).get("solvers", ()):
        template = solver.get("http01", {}).get("ingress", {}).get("podTemplate", {}).get("spec", {})
        body = {"resources": template.get("resources"), "securityContext": _HARDENED}
        yield Pod({"securityContext": _RESTRICTED}, (Container("acmesolver", "", body),))


_MADE: dict[tuple[str, str], Callable[[Mapping[str, Any]], Iterator[Pod]]] = {
    ("monitoring.coreos.com", "Prometheus"): _of_prometheus_operator("prometheus"),
    ("monitoring.coreos.com", "Alertmanager"): _of_prometheus_operator("alertmanager"),
    ("opentelemetry.io", "OpenTelemetryCollector"): _of_collector,
    ("opentelemetry.io", "Instrumentation"): _of_instrumentation,
    ("cert-manager.io", "ClusterIssuer"): _of_issuer,
    ("cert-manager.io", "Issuer"): _of_issuer,
}
