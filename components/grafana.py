"""The place to look: Grafana with its datasources linked to each other, and everybody's dashboards."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

from pulumi import Output, ResourceOptions
from pulumi_kubernetes.core.v1 import Secret
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components import community, exposure, sign_in
from components.charts import values_file
from components.layer import Layer, LayerArgs
from components.merge import merge
from components.presets import resources
from components.settings import Settings
from components.topology import EXEMPLAR_LABEL, Topology

USER_KEY = "admin-user"


@dataclass(frozen=True)
class GrafanaArgs(LayerArgs):
    """What Grafana needs beside the rest: secrets, from birth."""

    admin_password: Output[str]
    client_secret: Output[str] | None
    """What Grafana shows Entra ID; None where it needs none."""


def datasource_links(topology: Topology) -> dict[str, dict[str, Any]]:
    """`jsonData` of each datasource, by uid: how one signal leads to the others.

    `$$` is one `$` after Grafana's own expansion of provisioning files.
    """
    prometheus, tempo, loki = (topology.datasource(uid).uid for uid in ("prometheus", "tempo", "loki"))
    return {
        prometheus: {
            "httpMethod": "POST",
            "exemplarTraceIdDestinations": [{"name": EXEMPLAR_LABEL, "datasourceUid": tempo, "urlDisplayLabel": "View trace"}],
        },
        tempo: {
            "tracesToLogsV2": {
                "datasourceUid": loki,
                # from before the span began until after it ended; Grafana's docs had the signs the wrong way round (grafana#88421)
                "spanStartTimeShift": "-5m",
                "spanEndTimeShift": "5m",
                "tags": [{"key": "service.name", "value": "service_name"}],
                # a log that came over OTLP has its trace id in structured metadata, not in its line (grafana#90335)
                "customQuery": True,
                "query": '{$${__tags}} | trace_id="$${__span.traceId}"',
            },
            "tracesToMetrics": {
                "datasourceUid": prometheus,
                "spanStartTimeShift": "-5m",
                "spanEndTimeShift": "5m",
                "tags": [{"key": "service.name", "value": "service"}],
                "queries": [
                    {"name": "Rate of sampled requests", "query": "sum(rate(traces_spanmetrics_calls_total{$$__tags}[5m]))"},
                    {
                        "name": "Latency of sampled requests, p95",
                        "query": "histogram_quantile(0.95, sum by (le) (rate(traces_spanmetrics_latency_bucket{$$__tags}[5m])))",
                    },
                ],
            },
            "serviceMap": {"datasourceUid": prometheus},
            "nodeGraph": {"enabled": True},
        },
        loki: {
            "derivedFields": [
                {
                    "name": "trace",
                    "matcherType": "label",
                    "matcherRegex": "trace_id",
                    "url": "$${__value.raw}",
                    "datasourceUid": tempo,
                    "urlDisplayLabel": "View trace",
                }
            ]
        },
    }


def datasources(topology: Topology) -> list[dict[str, Any]]:
    """Grafana's provisioned datasources."""
    links = datasource_links(topology)
    return [
        {
            "name": source.name,
            "type": source.type,
            "uid": source.uid,
            "access": "proxy",
            "isDefault": source.type == "prometheus",
            "url": source.service.url,
            "jsonData": links[source.uid],
        }
        for source in topology.datasources
    ]


def values(settings: Settings, topology: Topology) -> dict[str, Any]:
    """Helm values of the chart grafana."""
    admin = topology.grafana_admin
    derived: dict[str, Any] = {
        "admin": {"existingSecret": admin.name, "userKey": USER_KEY, "passwordKey": admin.key},
        "replicas": settings.grafana.replicas,  # settings allow one alone
        "resources": resources("grafana", settings.preset),
        "sidecar": {"resources": resources("grafana-sidecar", settings.preset)},
        "datasources": {"datasources.yaml": {"apiVersion": 1, "datasources": datasources(topology)}},
    }
    if settings.grafana.volume_gi is None:
        derived["persistence"] = {"enabled": False}
    else:
        derived["persistence"] = {"enabled": True, "size": f"{settings.grafana.volume_gi}Gi"}
        # one volume, one writer: the old pod must let go before the new one starts
        derived["deploymentStrategy"] = {"type": "Recreate"}
        derived["initChownData"] = {"enabled": False}  # fsGroup already makes the volume Grafana's
    address = {"grafana.ini": exposure.configuration(topology)}
    parts = (derived, address, sign_in.values(settings, topology), community.values(settings, topology))
    return reduce(merge, parts, values_file("grafana"))


class Grafana(Layer):
    """Grafana; datasources by name, dashboards by label from every namespace."""

    token = "views:Grafana"

    def __init__(self, name: str, args: GrafanaArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(name, args, opts)
        topology, admin = args.topology, args.topology.grafana_admin
        release = topology.releases.grafana
        self.namespace = self._namespace(release.namespace)
        secret = Secret(
            admin.name,
            metadata=ObjectMetaArgs(name=admin.name, namespace=admin.namespace),
            string_data={USER_KEY: args.settings.grafana.admin_user, admin.key: args.admin_password},
            opts=self._child(self.namespace),
        )
        self.release = self._release(release, values(args.settings, topology), secret, *self._client_secret(args))
        self.register_outputs({"url": topology.grafana_url})

    def _client_secret(self, args: GrafanaArgs) -> list[Secret]:
        """The Secret by which Grafana shows Entra ID who it is; none with a federated credential, or without Entra ID."""
        client = args.topology.grafana_client
        if args.client_secret is None:
            return []
        metadata = ObjectMetaArgs(name=client.name, namespace=client.namespace)
        return [Secret(client.name, metadata=metadata, string_data={client.key: args.client_secret}, opts=self._child(self.namespace))]
