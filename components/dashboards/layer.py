"""The views: dashboards as ConfigMaps, which Grafana's sidecar finds by their label."""

from __future__ import annotations

from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import ConfigMap
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components.charts import values_file
from components.dashboards import control_plane, links, mesh, objectives, pipeline, service, workload
from components.dashboards.kit import Kit
from components.layer import Layer, LayerArgs
from components.settings import Settings
from components.topology import Topology

FOLDER = "Istio stack"
BOARDS = {
    links.MESH: mesh.board,
    links.SERVICE: service.board,
    links.WORKLOAD: workload.board,
    links.CONTROL_PLANE: control_plane.board,
    links.PIPELINE: pipeline.board,
    links.OBJECTIVES: objectives.board,
}
"""Every dashboard by its uid."""


def dashboards(settings: Settings, topology: Topology) -> dict[str, str]:
    """JSON of every dashboard, by its uid. The same stack gives the same bytes."""
    kit = Kit(settings, topology)
    return {uid: board(kit) for uid, board in BOARDS.items()}


class Dashboards(Layer):
    """Six dashboards, one ConfigMap each, beside Grafana."""

    token = "views:Dashboards"

    def __init__(self, name: str, args: LayerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(name, args, opts)
        found_by = values_file("grafana")["sidecar"]["dashboards"]
        for uid, text in dashboards(args.settings, args.topology).items():
            metadata = ObjectMetaArgs(
                name=uid,
                namespace=args.topology.grafana.namespace,
                labels={found_by["label"]: found_by["labelValue"]},
                annotations={found_by["folderAnnotation"]: FOLDER},
            )
            ConfigMap(uid, metadata=metadata, data={f"{uid}.json": text}, opts=self._child())
        self.register_outputs({"dashboards": list(BOARDS)})
