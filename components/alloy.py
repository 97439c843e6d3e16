"""Log shipping: Alloy reads the standard output of pods and pushes it to Loki, except what arrives over OTLP anyway."""

from __future__ import annotations

from typing import Any

from pulumi import ResourceOptions

from components.charts import values_file
from components.layer import Layer, LayerArgs
from components.merge import merge
from components.presets import resources
from components.settings import Settings
from components.topology import Topology

OTLP_LOG_LANGUAGES = ("java", "python", "dotnet")
"""Languages whose auto-instrumentation sends logs over OTLP. Go's agent sends none, and Node's is told not to."""
_ANNOTATION = "__meta_kubernetes_pod_annotation_instrumentation_opentelemetry_io_inject_"
MESH_CONTAINERS = "istio-proxy|istio-init|istio-validation"

CONFIG = """\
logging {{
  level = "info"
}}
loki.source.podlogs "pods" {{
  forward_to = [loki.write.loki.receiver]
  // lines from before the agent are older than Loki takes
  tail_from_end = true
  // without it every agent reads every pod of the cluster
  node_filter {{
    enabled = true
  }}
}}
loki.write "loki" {{
  endpoint {{
    url = "{url}/loki/api/v1/push"
  }}
}}
"""


def values(settings: Settings, topology: Topology) -> dict[str, Any]:
    """Helm values of the chart alloy."""
    derived = {
        "alloy": {"configMap": {"content": CONFIG.format(url=topology.loki.url)}, "resources": resources("alloy", settings.preset)},
    }
    return merge(values_file("alloy"), derived)


def service_name_rules() -> list[dict[str, Any]]:
    """Relabelings that name a line's service as its spans and OTLP logs name it, weakest first: the rule of components/mesh_records.py.

    A ReplicaSet is a Deployment's, its hash left out, and a Job with a time in its name a CronJob's.
    """
    owner = ["__meta_kubernetes_pod_controller_kind", "__meta_kubernetes_pod_controller_name"]
    sources = (
        (["__meta_kubernetes_pod_name"], "(.+)"),
        (owner, r"(?:StatefulSet|DaemonSet|Job|ReplicaSet);(.+)"),
        (owner, r"ReplicaSet;(.+)-[a-z0-9]+"),
        (owner, r"Job;(.+)-[0-9]{8,10}"),
        (["__meta_kubernetes_pod_label_app_kubernetes_io_name"], "(.+)"),
        (["__meta_kubernetes_pod_label_app_kubernetes_io_instance"], "(.+)"),
        (["__meta_kubernetes_pod_annotation_resource_opentelemetry_io_service_name"], "(.+)"),
    )
    return [{"action": "replace", "sourceLabels": labels, "regex": regex, "targetLabel": "service_name"} for labels, regex in sources]


def pod_logs_spec(settings: Settings) -> dict[str, Any]:
    """Spec of the PodLogs: which pods are read, under which labels.

    An application container whose logs go over OTLP is left out; the mesh's containers in the same pod are not.
    """
    excluded = settings.alloy.excluded_namespaces
    namespaces: dict[str, Any] = {}
    if excluded:
        namespaces = {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": list(excluded)}]}
    annotations = [f"{_ANNOTATION}{language}" for language in OTLP_LOG_LANGUAGES]
    # an application container is one that is not the mesh's; its pod is instrumented if any annotation is set and not "false"
    mark = {"action": "replace", "sourceLabels": annotations, "separator": ";", "targetLabel": "__tmp_instrumented"}
    return {
        "selector": {},
        "namespaceSelector": namespaces,
        "relabelings": [
            {**mark, "regex": r".*?([^;]+).*", "replacement": "yes"},
            {**mark, "regex": r"(false|;)+", "replacement": "no"},
            {
                "action": "replace",
                "sourceLabels": ["__meta_kubernetes_pod_container_name"],
                "regex": f"({MESH_CONTAINERS})",
                "replacement": "no",
                "targetLabel": "__tmp_instrumented",
            },
            {"action": "drop", "sourceLabels": ["__tmp_instrumented"], "regex": "yes"},
            {"action": "replace", "sourceLabels": ["__meta_kubernetes_namespace"], "targetLabel": "namespace"},
            {"action": "replace", "sourceLabels": ["__meta_kubernetes_pod_name"], "targetLabel": "pod"},
            {"action": "replace", "sourceLabels": ["__meta_kubernetes_pod_container_name"], "targetLabel": "container"},
            *service_name_rules(),
        ],
    }


class Alloy(Layer):
    """Alloy on every node, with the PodLogs that tell it what to read."""

    token = "shipping:Alloy"

    def __init__(self, name: str, args: LayerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(name, args, opts)
        release = args.topology.releases.alloy
        namespace = self._namespace(release.namespace)
        self.release = self._release(release, values(args.settings, args.topology), namespace)
        # the definition comes with the release
        self._custom("monitoring.grafana.com/v1alpha2", "PodLogs", "pods", release.namespace, pod_logs_spec(args.settings), [self.release])
        self.register_outputs({"namespace": release.namespace})
