"""The sample application as the operator's webhook starts it: instrumented by environment alone.

Source: opentelemetry-operator internal/instrumentation, python.go (PYTHONPATH, exporters), sdk.go (service name, resource attributes,
sampler, propagators) and exporter.go (endpoint).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from signals.envoy import ANNOTATION
from signals.pods import Pod

EXPORTERS = {f"OTEL_{signal}_EXPORTER": "otlp" for signal in ("TRACES", "METRICS", "LOGS")}


def environment(
    instrumentation: Mapping[str, Any], pod: Pod, container: str, packages: Path, authorities: Mapping[str, Path] | None = None
) -> dict[str, str]:
    """What the webhook adds to the environment of a Python container; `packages` is where the instrumentation's packages are, `authorities`
    the folder that stands for each ConfigMap in the pod's namespace."""
    own, mine = (_variables(part) for part in (instrumentation, instrumentation.get("python", {})))
    sampler = instrumentation.get("sampler", {})
    by_label = instrumentation.get("defaults", {}).get("useLabelsForResourceAttributes", False)
    said = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": instrumentation["exporter"]["endpoint"],
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": _authority(instrumentation["exporter"].get("tls", {}), authorities or {}),
        "OTEL_PROPAGATORS": ",".join(instrumentation.get("propagators", [])),
        "OTEL_TRACES_SAMPLER": sampler.get("type", ""),
        "OTEL_TRACES_SAMPLER_ARG": sampler.get("argument", ""),
        "OTEL_SERVICE_NAME": _service_name(pod, by_label),
        "OTEL_RESOURCE_ATTRIBUTES": _attributes(pod, container, by_label),
        **EXPORTERS,
        # as if the image's packages lay in their own folder: first the one with `sitecustomize`, which starts everything
        "PYTHONPATH": f"{packages / 'opentelemetry/instrumentation/auto_instrumentation'}:{packages}",
    }
    return {**{name: value for name, value in said.items() if value}, **own, **mine}


def _authority(tls: Mapping[str, Any], authorities: Mapping[str, Path]) -> str:
    """The file with the authority to trust, where the webhook would mount it from a ConfigMap: exporter.go, `configureExporter`."""
    return str(authorities[tls["configMapName"]] / tls["ca_file"]) if tls.get("ca_file") else ""


def _variables(part: Mapping[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in part.get("env", [])}


def _chosen(pod: Pod, attribute: str, labels: tuple[str, ...]) -> str | None:
    candidates = (pod.annotations.get(f"{ANNOTATION}{attribute}"), *(pod.labels.get(label) for label in labels))
    return next((value for value in candidates if value), None)


def _service_name(pod: Pod, by_label: bool) -> str:
    labels = ("app.kubernetes.io/instance", "app.kubernetes.io/name") if by_label else ()
    return _chosen(pod, "service.name", labels) or pod.workload


def _attributes(pod: Pod, container: str, by_label: bool) -> str:
    version = _chosen(pod, "service.version", ("app.kubernetes.io/version",) if by_label else ())
    said = {
        "k8s.container.name": container,
        "k8s.deployment.name": pod.workload,
        "k8s.namespace.name": pod.namespace,
        "k8s.pod.name": pod.name,
        "service.instance.id": f"{pod.namespace}.{pod.name}.{container}",
        "service.namespace": _chosen(pod, "service.namespace", ()) or pod.namespace,
        **({"service.version": version} if version else {}),
    }
    return ",".join(f"{key}={value}" for key, value in said.items())
