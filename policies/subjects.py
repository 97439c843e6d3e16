"""Objects to judge out of what the engine knows of a resource: its type, name and inputs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.charts import Charts
from policies.rules import GATEWAY_CHART, Facts
from review.objects import HELM, Key, Object, of_azure, of_kubernetes

_RELEASE = "kubernetes:helm.sh/v3:Release"


def facts(charts: Charts, gateways: frozenset[str] = frozenset()) -> Facts:
    """What the rules have to know, from the lock; `gateways` are the releases that may have a load balancer."""
    return Facts({name: chart.version for name, chart in charts.entries.items()}, gateways)


def of_resource(kind: str, name: str, inputs: Mapping[str, Any], charts: Charts) -> Object | None:
    """The object that a resource is; None for what is neither of Kubernetes nor of Azure, such as a component."""
    if kind == _RELEASE:
        return _release(inputs, charts)
    if kind.startswith("kubernetes:") and inputs.get("kind") and inputs.get("apiVersion"):
        return of_kubernetes(dict(inputs), "")
    if kind.startswith("azure-native:"):
        return of_azure(kind, name, inputs, "")
    return None


def _release(inputs: Mapping[str, Any], charts: Charts) -> Object:
    """A release by the chart that its archive is; by the archive itself where that is none of the lock."""
    file = Path(str(inputs.get("chart"))).name
    chart = next((known for known, entry in charts.entries.items() if entry.file == file), file)
    namespace, name = str(inputs.get("namespace", "default")), str(inputs.get("name"))
    spec = {"chart": chart, "version": inputs.get("version"), "values": inputs.get("values") or {}}
    body = {"apiVersion": HELM, "kind": "Release", "metadata": {"name": name, "namespace": namespace}, "spec": spec}
    return Object(Key(HELM, "Release", namespace, name), "", body, f"{namespace}/{name}")


def gateways(objects: tuple[Object, ...]) -> frozenset[str]:
    """The releases of a rendering that are the mesh's way in."""
    return frozenset(o.release for o in objects if o.key.group == HELM and o.body["spec"]["chart"] == GATEWAY_CHART)
