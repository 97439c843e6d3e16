"""Who may do what outside its own pod: the rights that the layers give to ServiceAccounts, as data."""

from __future__ import annotations

from dataclasses import dataclass

from components.mesh_records import pod_lookup_rules
from components.names_azure import BLOB_DATA_CONTRIBUTOR
from components.topology import BlobStore, ServiceAccount, Topology

LOOK_PODS_UP = ", ".join(f"{' '.join(rule['verbs'])} {' '.join(rule['resources'])}" for rule in pod_lookup_rules())
"""What the collector's ClusterRole allows."""
ROLE_NAMES = {BLOB_DATA_CONTRIBUTOR: "Storage Blob Data Contributor"}
"""What people call the roles that Azure knows by id."""
IN_CLUSTER = "the cluster"


@dataclass(frozen=True, slots=True)
class Grant:
    """One right of one ServiceAccount."""

    account: ServiceAccount
    role: str
    """In Azure the role's id, in the cluster what its rules allow."""
    on: str
    """What it holds for: <account>/<container> in Azure."""


def place(blobs: BlobStore) -> str:
    """A blob container as a grant names it."""
    return f"{blobs.account}/{blobs.container}"


def store_grant(blobs: BlobStore) -> Grant:
    """What a store that authenticates by identity gets: its own container, and nothing of the other's."""
    return Grant(blobs.service_account, BLOB_DATA_CONTRIBUTOR, place(blobs))


def grants(topology: Topology) -> tuple[Grant, ...]:
    """All rights that a stack gives."""
    keyless = (blobs for blobs in (topology.tempo_blobs, topology.loki_blobs) if blobs.identity)
    return (Grant(topology.collector_account, LOOK_PODS_UP, IN_CLUSTER), *(store_grant(blobs) for blobs in keyless))
