"""Blob storage as the stores see it: whatever the kind, each container comes with a way in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pulumi import Input, Output

from components.layer import Layer, LayerArgs
from components.settings import Settings


@dataclass(frozen=True)
class KeyAccess:
    """A store's way into its container by the account's key: secret from birth, it goes into one Secret and no value."""

    account_key: Output[str]


@dataclass(frozen=True)
class IdentityAccess:
    """A store's way into its container by a managed identity: its client id goes into the annotation of a ServiceAccount and no value."""

    client_id: Output[str]


Access = KeyAccess | IdentityAccess


@dataclass(frozen=True)
class StorageArgs(LayerArgs):
    """What blob storage needs beside the rest."""

    issuer: Input[str] | None
    """Issuer of the cluster's ServiceAccount tokens; None where nobody authenticates by them."""


class Storage(Layer):
    """The stores' containers. Whoever depends on this layer finds its container there, and `access` by the container's name."""

    access: Mapping[str, Access]


def storage_layer(settings: Settings) -> type[Storage]:
    """The layer that brings the kind of storage which settings ask for.

    Each is imported only where it is used: the Azure SDK is large, and nothing of it belongs into a stack without Azure.
    """
    if settings.storage.kind == "azure":
        from components.azure_storage import AzureStorage

        return AzureStorage
    from components.azurite import Azurite

    return Azurite
