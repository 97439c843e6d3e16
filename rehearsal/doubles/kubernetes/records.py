"""Helm's own records of its releases: the Secrets that it keeps beside them."""

import base64
import gzip
import json
from dataclasses import dataclass
from typing import Any

from rehearsal.doubles.kubernetes.api import METADATA_ONLY, Api
from rehearsal.doubles.kubernetes.manifests import resource_names


@dataclass(frozen=True)
class Record:
    """The last revision of a release."""

    name: str
    namespace: str
    revision: int
    status: str
    chart: str
    version: str
    app_version: str
    config: dict[str, Any]
    resource_names: dict[str, list[str]]

    def as_status(self) -> dict[str, Any]:
        """The Release's `status` output."""
        return {
            "appVersion": self.app_version,
            "chart": self.chart,
            "name": self.name,
            "namespace": self.namespace,
            "revision": self.revision,
            "status": self.status,
            "version": self.version,
        }


def last_revision(api: Api, namespace: str, name: str) -> int:
    """The last revision's number, 0 when there is none."""
    path = api.resource("v1", "Secret").path(namespace)
    listed = api.get(path, {"labelSelector": f"name={name},owner=helm"}, accept=METADATA_ONLY)
    return max((int(item["metadata"]["labels"]["version"]) for item in listed.get("items") or []), default=0)


def last(api: Api, namespace: str, name: str) -> Record | None:
    """The last revision of a release, None when Helm knows no such release."""
    revision = last_revision(api, namespace, name)
    if not revision:
        return None
    secret = api.get(api.resource("v1", "Secret").path(namespace, f"sh.helm.release.v1.{name}.v{revision}"))
    # Encoded by Kubernetes as any Secret, and before that by Helm.
    packed = base64.b64decode(base64.b64decode(secret["data"]["release"]))
    data = json.loads(gzip.decompress(packed) if packed.startswith(b"\x1f\x8b") else packed)
    chart = data["chart"]["metadata"]
    return Record(
        name=data["name"],
        namespace=data["namespace"],
        revision=data["version"],
        status=data["info"]["status"],
        chart=chart["name"],
        version=chart["version"],
        app_version=chart.get("appVersion", ""),
        config=data.get("config") or {},
        resource_names=resource_names(data.get("manifest") or ""),
    )
