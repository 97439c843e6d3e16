"""What Tempo and Loki share: a namespace, an identity of ours, and the account key from a Secret of ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pulumi import Output, Resource
from pulumi_kubernetes.core.v1 import Secret, ServiceAccount
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components.layer import Layer, LayerArgs
from components.topology import BlobStore, Release


@dataclass(frozen=True)
class StoreArgs(LayerArgs):
    """What a store needs beside the rest: the account key, an Output that is secret from birth and goes into one Secret, no value."""

    account_key: Output[str]


def key_environment(blobs: BlobStore) -> list[dict[str, Any]]:
    """Environment of a store's containers: the account key under the one name that both sides use."""
    return [{"name": blobs.key.key, "valueFrom": {"secretKeyRef": blobs.key.reference}}]


def key_placeholder(blobs: BlobStore) -> str:
    """What stands in a store's configuration instead of the key; the process expands it from its environment."""
    return f"${{{blobs.key.key}}}"


class Store(Layer):
    """A layer that keeps its data in blobs."""

    def _identity(self, release: Release, blobs: BlobStore, args: StoreArgs) -> list[Resource]:
        """Namespace, ServiceAccount and key Secret; all a store's release waits for.

        The ServiceAccount is ours and not the chart's, so that another way of authenticating never changes its owner.
        """
        namespace = self._namespace(release.namespace)
        metadata = ObjectMetaArgs(name=release.name, namespace=release.namespace)
        account = ServiceAccount(release.name, metadata=metadata, opts=self._child(namespace))
        key = Secret(
            blobs.key.name,
            metadata=ObjectMetaArgs(name=blobs.key.name, namespace=blobs.key.namespace),
            string_data={blobs.key.key: args.account_key},
            opts=self._child(namespace),
        )
        return [account, key]
