"""An object of a rendering: what it is, where it comes from, and the file it is written to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

AZURE = "azure-native"
HELM = "helm"
"""Group of a release, which is an object of ours alone."""
_CLUSTER_SCOPED = frozenset(
    {
        "APIService",
        "CSIDriver",
        "ClusterIssuer",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "FlowSchema",
        "GatewayClass",
        "IngressClass",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "PriorityLevelConfiguration",
        "RuntimeClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "VolumeAttributesClass",
    }
)


class Key(NamedTuple):
    """What an object goes by, through every version of it."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Object:
    """One object of one layer."""

    key: Key
    layer: str
    body: Mapping[str, Any]
    release: str = ""
    """`namespace/name` of the Helm release that brings it, if one does."""
    resource: str = ""
    """URN of the resource of the program that it belongs to."""


def of_kubernetes(body: Mapping[str, Any], layer: str, release: str = "") -> Object:
    """An object with apiVersion, kind and metadata; without a namespace of its own it is in that of its release."""
    metadata = body.get("metadata") or {}
    kind = body["kind"]
    own = metadata.get("namespace") or release.partition("/")[0] or "default"
    namespace = "" if kind in _CLUSTER_SCOPED else own
    group = body["apiVersion"].rpartition("/")[0]
    if namespace and metadata.get("namespace") != namespace:
        body = {**body, "metadata": {**metadata, "namespace": namespace}}
    return Object(Key(group, kind, namespace, metadata.get("name") or metadata.get("generateName", "")), layer, body, release)


def of_azure(token: str, name: str, inputs: Mapping[str, Any], layer: str) -> Object:
    """A resource of Azure, by the name that the program gives it; its own name may be changed."""
    provider, _, kind = token.rpartition(":")
    return Object(Key(provider, kind, "", name), layer, {"type": token, "properties": dict(inputs)})


def paths(objects: Iterable[Object]) -> dict[str, Object]:
    """The file of each object below the folder of its stack, in the order of the files: layer/kind/namespace.name.yaml."""
    found: dict[str, Object] = {}
    taken: set[str] = set()
    for item in sorted(objects, key=lambda item: (item.layer, item.key.kind, item.key)):
        key = item.key
        name = _plain(f"{key.namespace}.{key.name}" if key.namespace else key.name)
        path = f"{item.layer}/{key.kind}/{name}.yaml"
        if path.lower() in taken:
            path = f"{item.layer}/{key.kind}.{key.group or 'core'}/{name}.yaml"
        number = 2
        while path.lower() in taken:  # a chart may bring one object several times, for different hooks
            path, number = re.sub(r"(~\d+)?\.yaml$", f"~{number}.yaml", path), number + 1
        taken.add(path.lower())
        found[path] = item
    return dict(sorted(found.items()))


def _plain(text: str) -> str:
    """A name that every file system takes."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)
