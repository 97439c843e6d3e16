"""Where images come from: everybody's registries, or the one that settings name, which holds each under the path it has everywhere.

Pure. Every chart spells the registry in values of its own, so there is one rule per chart; a chart without a rule cannot be installed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from components.merge import merge

DOCKER_HUB = "docker.io"
OPERATOR_VERSION = "0.158.0"
"""Of the OpenTelemetry operator, for which the list below holds."""
_OPERATOR = "ghcr.io/open-telemetry/opentelemetry-operator"
BUILT_IN: dict[tuple[str, ...], str] = {
    ("opampBridgeImage",): f"{_OPERATOR}/operator-opamp-bridge:{OPERATOR_VERSION}",
    ("targetAllocatorImage",): f"{_OPERATOR}/target-allocator:{OPERATOR_VERSION}",
    ("autoInstrumentationImage", "java"): f"{_OPERATOR}/autoinstrumentation-java:2.30.0",
    ("autoInstrumentationImage", "nodejs"): f"{_OPERATOR}/autoinstrumentation-nodejs:0.78.0",
    ("autoInstrumentationImage", "python"): f"{_OPERATOR}/autoinstrumentation-python:0.64b0",
    ("autoInstrumentationImage", "dotnet"): f"{_OPERATOR}/autoinstrumentation-dotnet:1.16.0",
    ("autoInstrumentationImage", "apacheHttpd"): f"{_OPERATOR}/autoinstrumentation-apache-httpd:1.0.4",
    ("autoInstrumentationImage", "nginx"): f"{_OPERATOR}/autoinstrumentation-apache-httpd:1.0.4",
    ("autoInstrumentationImage", "go"): "ghcr.io/open-telemetry/opentelemetry-go-instrumentation/autoinstrumentation-go:v0.24.0",
}
"""What the OpenTelemetry operator takes unless it is told otherwise, by the key of its chart's `manager` that tells it. Nothing that is
rendered shows them. Source: opentelemetry-operator v0.158.0 versions.txt and internal/config/config.go."""
NOT_REACHED: dict[str, str] = {
    "docker.io/library/busybox:1.28": "istiod's injection template grpc-simple, which the chart writes out; only a pod whose annotation "
    "asks for that template would run it",
}
"""Images that no value of a chart reaches, and who would run them."""


def whole(image: str) -> str:
    """An image with its registry said: `busybox:1` is `docker.io/library/busybox:1`."""
    first, slash, rest = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return image if first != DOCKER_HUB or "/" in rest else f"{DOCKER_HUB}/library/{rest}"
    return f"{DOCKER_HUB}/{image}" if slash else f"{DOCKER_HUB}/library/{image}"


def path(image: str) -> str:
    """An image without its registry: `docker.io/grafana/loki:3.7.6` is `grafana/loki:3.7.6`."""
    return whole(image).partition("/")[2]


def at(image: str, registry: str | None) -> str:
    """The image as a stack names it: its own name, or in the registry that settings name, under the same path."""
    return f"{registry}/{path(image)}" if registry else image


def values(chart: str, registry: str | None) -> dict[str, Any]:
    """Helm values that tell a chart to take its images from a registry; none without one. KeyError for a chart without a rule."""
    rule = RULES[chart]
    return rule(registry) if registry else {}


def _no_image(registry: str) -> dict[str, Any]:
    return {}


def _global_registry(registry: str) -> dict[str, Any]:
    return {"global": {"imageRegistry": registry}}


def _global_image(registry: str) -> dict[str, Any]:
    return {"global": {"image": {"registry": registry}}}


def _hub(registry: str) -> str:
    return at("registry.istio.io/release", registry)


def _operator(registry: str) -> dict[str, Any]:
    """Both the chart's own images and those that the operator would otherwise choose."""
    told: dict[str, Any] = {
        "image": {"repository": at(f"{_OPERATOR}/opentelemetry-operator", registry)},
        "collectorImage": {
            "repository": at("ghcr.io/open-telemetry/opentelemetry-collector-releases/opentelemetry-collector-k8s", registry),
        },
    }
    for keys, image in BUILT_IN.items():
        repository, _, tag = at(image, registry).rpartition(":")
        leaf: dict[str, Any] = {"repository": repository, "tag": tag}
        for key in reversed(keys):
            leaf = {key: leaf}
        told = merge(told, leaf)
    return {"manager": told, "testFramework": {"image": {"repository": at("busybox", registry)}}}


RULES: dict[str, Callable[[str], dict[str, Any]]] = {
    "prometheus-operator-crds": _no_image,
    "cert-manager": lambda registry: {"imageRegistry": registry},  # its ACME solvers' with it
    "base": _no_image,
    "istiod": lambda registry: {"global": {"hub": _hub(registry)}},  # and with it every proxy that istiod injects
    "cni": lambda registry: {"global": {"hub": _hub(registry)}},
    "ztunnel": lambda registry: {"hub": _hub(registry)},
    "gateway": _no_image,  # `image: auto`: istiod says which
    "kube-prometheus-stack": _global_registry,  # its subcharts, the operator's flags and what the operator runs with it
    "tempo": _global_registry,
    "tempo-distributed": _global_image,
    "loki": _global_registry,
    "opentelemetry-operator": _operator,
    "alloy": _global_image,
    "grafana": _global_registry,
}
"""Chart to the values in which it wants the registry."""
