"""What the control plane is given to begin with: a kubeconfig, nodes, a storage class."""

import base64
from typing import Any

STORAGE_CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "rehearsal", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "rehearsal/volumes",
    "reclaimPolicy": "Delete",
    "allowVolumeExpansion": True,
    # A claim binds without a pod: what waits for a claim alone ends, as no later pod would make it.
    "volumeBindingMode": "Immediate",
}


def node(number: int) -> dict[str, Any]:
    """A node in a zone of its own; kwok gives it its capacity."""
    name = f"node-{number}"
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/region": "rehearsal",
        "topology.kubernetes.io/zone": f"rehearsal-{number}",
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def kubeconfig(server: str, token: str, authority: bytes) -> dict[str, Any]:
    """A kubeconfig with one context, `rehearsal`, that needs no other file."""
    name = "rehearsal"
    cluster = {"server": server, "certificate-authority-data": base64.b64encode(authority).decode()}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
    }
