"""What Tempo and Loki share: a namespace, a ServiceAccount of ours, and a way into their blob container by identity or by key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pulumi import CustomTimeouts, Input, Resource
from pulumi_kubernetes.batch.v1 import Job
from pulumi_kubernetes.core.v1 import ConfigMap, Namespace, Secret, ServiceAccount
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components import blob_gate
from components.layer import Layer, LayerArgs
from components.script_job import config_name
from components.storage import Access, IdentityAccess
from components.topology import BlobStore, Release

KEY_GENERATION = "istio-stack/key-generation"
"""Annotation of the stores' pods: another generation of the key is another pod, as a process reads its environment but once."""


@dataclass(frozen=True)
class StoreArgs(LayerArgs):
    """What a store needs beside the rest: the way into each container, by the container's name."""

    access: Mapping[str, Access]


def key_environment(blobs: BlobStore) -> list[dict[str, Any]]:
    """Environment of a store's containers: the account key under the one name that both sides use; nothing with an identity."""
    return [] if blobs.identity else [{"name": blobs.key.key, "valueFrom": {"secretKeyRef": blobs.key.reference}}]


def key_placeholder(blobs: BlobStore) -> str:
    """What stands in a store's configuration instead of the key; the process expands it from its environment."""
    return f"${{{blobs.key.key}}}"


def pod_metadata(blobs: BlobStore) -> dict[str, dict[str, str]]:
    """Chart values that every pod of a store needs: the label by which the webhook knows it, or the generation of its key."""
    if blobs.identity:
        return {"podLabels": dict(blob_gate.POD_LABEL)}
    return {"podAnnotations": {KEY_GENERATION: str(blobs.key_generation)}} if blobs.key_generation else {}


class Store(Layer):
    """A layer that keeps its data in blobs."""

    def _identity(self, release: Release, blobs: BlobStore, args: StoreArgs) -> list[Resource]:
        """Namespace, ServiceAccount, the Secret with the key if there is one, and proof that the way in works: what a release waits for.

        The ServiceAccount is ours and not the chart's, so that another way of authenticating never changes its owner.
        """
        namespace = self._namespace(release.namespace)
        access = args.access[blobs.container]
        annotations = {blob_gate.CLIENT_ANNOTATION: access.client_id} if isinstance(access, IdentityAccess) else None
        metadata = ObjectMetaArgs(name=blobs.service_account.name, namespace=blobs.service_account.namespace, annotations=annotations)
        account = ServiceAccount(
            blobs.service_account.name,
            metadata=metadata,
            automount_service_account_token=False,  # of the cluster; Azure's is mounted by its webhook, and no store asks Kubernetes
            opts=self._child(namespace),
        )
        if isinstance(access, IdentityAccess):
            return [account, self._gate(blobs, {blob_gate.CLIENT_ANNOTATION: access.client_id}, args, namespace, account)]
        key = Secret(
            blobs.key.name,
            metadata=ObjectMetaArgs(name=blobs.key.name, namespace=blobs.key.namespace),
            string_data={blobs.key.key: access.account_key},
            opts=self._child(namespace),
        )
        if args.settings.storage.kind == "azurite":
            return [account, key]  # the Job that made the containers has just proven this key, and pods start one after the other
        generation = pod_metadata(blobs).get("podAnnotations", {})
        return [account, key, self._gate(blobs, generation, args, namespace, account, key)]

    def _gate(
        self, blobs: BlobStore, annotations: Mapping[str, Input[str]], args: StoreArgs, namespace: Namespace, *needs: Resource
    ) -> Job:
        """A Job that ends once the store may use its container."""
        name = f"{blobs.container}-{blob_gate.NAME}"
        script = config_name(blob_gate.NAME, blob_gate.SCRIPT)
        config = ConfigMap(
            name,
            metadata=ObjectMetaArgs(name=script, namespace=blobs.service_account.namespace),
            data={blob_gate.SCRIPT.name: blob_gate.SCRIPT.read_text()},
            opts=self._child(namespace),
        )
        wait = f"{blob_gate.SPREAD_SECONDS // 60 + 6}m"
        return Job(
            name,
            metadata=ObjectMetaArgs(name=blob_gate.NAME, namespace=blobs.service_account.namespace, annotations=blob_gate.RUN_AGAIN),
            spec=blob_gate.job_spec(blobs, script, annotations, args.settings.preset, args.settings.image_registry),
            opts=self._child(config, *needs, delete_before_replace=True, custom_timeouts=CustomTimeouts(create=wait, update=wait)),
        )
