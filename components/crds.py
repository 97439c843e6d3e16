"""The shared vocabulary: custom resource definitions that several layers use, installed before any of them.

With the Prometheus operator's CRDs first, every later chart may bring its monitors, and nothing waits for Prometheus itself.
"""

from __future__ import annotations

from typing import Any

from pulumi import ResourceOptions
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components.charts import ROOT, Charts, values_file
from components.errors import ConfigurationError
from components.layer import PRIVILEGED, Layer, LayerArgs
from components.merge import parse_all_yaml


def values() -> dict[str, Any]:
    """Helm values of the chart prometheus-operator-crds."""
    return values_file("prometheus-operator-crds")


def gateway_api_definitions(charts: Charts) -> list[dict[str, Any]]:
    """The CustomResourceDefinitions of the locked Gateway API manifest. Raises ConfigurationError where it holds none."""
    path = charts.archive("gateway-api")
    documents = parse_all_yaml((ROOT / path).read_text(), path)
    definitions = [d for d in documents if d.get("kind") == "CustomResourceDefinition"]
    if not definitions:
        raise ConfigurationError(f"{path}: holds no CustomResourceDefinition, so it is not the Gateway API's manifest")
    return definitions


class Crds(Layer):
    """The Prometheus operator's CRDs by their chart; in ambient mode the Gateway API's, which waypoints need and Istio does not ship.

    What an existing operator or mesh needs is there already.
    """

    token = "definitions:Crds"

    def __init__(self, name: str, args: LayerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(name, args, opts)
        release = args.topology.releases.crds
        if args.settings.prometheus.source == "install":
            # Prometheus lives in it, and the exporter that looks at each node from inside
            self._release(release, values(), self._namespace(release.namespace, PRIVILEGED))
        for definition in gateway_api_definitions(args.charts) if "gateway-api" in args.topology.charts else []:
            metadata = definition["metadata"]
            CustomResource(
                metadata["name"],
                api_version=definition["apiVersion"],
                kind="CustomResourceDefinition",
                metadata=ObjectMetaArgs(name=metadata["name"], annotations=metadata.get("annotations"), labels=metadata.get("labels")),
                spec=definition["spec"],
                opts=self._child(),
            )
        self.register_outputs({"namespace": release.namespace})
