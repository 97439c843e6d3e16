"""What a change does to what runs: each field that differs, and each object that comes or goes, gets a class and the reason for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from review.compare import ABSENT, Difference, Field, configuration_moved
from review.quantities import duration, size

Class = Literal["data loss", "recreate", "CRD", "access", "restart", "safe"]
ORDER: tuple[Class, ...] = ("data loss", "recreate", "CRD", "access", "restart", "safe")
"""From the worst to the best."""
_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
_OPERATED = {"Prometheus": "prometheus", "Alertmanager": "prometheus", "OpenTelemetryCollector": "opentelemetry"}
"""Custom resources whose pods an operator rolls."""
_ACCESS = frozenset(
    {
        "Role",
        "ClusterRole",
        "RoleBinding",
        "ClusterRoleBinding",
        "NetworkPolicy",
        "AuthorizationPolicy",
        "PeerAuthentication",
        "RequestAuthentication",
        "RoleAssignment",
        "RoleDefinition",
        "FederatedIdentityCredential",
        "UserAssignedIdentity",
        "PrivateEndpoint",
    }
)
_ACCESS_FIELDS = frozenset(
    {
        "networkRuleSet",
        "publicNetworkAccess",
        "allowBlobPublicAccess",
        "allowSharedKeyAccess",
        "minimumTlsVersion",
        "enableHttpsTrafficOnly",
        "publicAccess",
        "allowCrossTenantReplication",
    }
)
_STATEFUL_MUTABLE = frozenset(
    {
        "replicas",
        "template",
        "updateStrategy",
        "ordinals",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
        "revisionHistoryLimit",
    }
)
_JOB_MUTABLE = frozenset(
    {"parallelism", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished", "suspend", "podReplacementPolicy"}
)
_STORES = frozenset({"StorageAccount", "BlobContainer", "PersistentVolumeClaim", "Namespace", "ResourceGroup"})
_AZURE_NAMES = ("accountName", "location", "kind", "resourceGroupName", "containerName", "resourceName", "roleAssignmentName", "scope")


class Judged(NamedTuple):
    """A class and why."""

    kind: Class
    why: str


SAFE = Judged("safe", "")


def worst(judged: list[Judged]) -> Judged:
    """The worst of several; safe where there is none."""
    return min(judged, key=lambda one: ORDER.index(one.kind), default=SAFE)


def of_object(d: Difference) -> Judged:
    """The class of an object as a whole: of its coming or going, or the worst of its fields."""
    kind = d.key.kind
    if d.action == "add":
        return Judged("CRD", "a new kind") if kind == "CustomResourceDefinition" else _access(kind) or SAFE
    if d.action == "remove":
        return _removed(d)
    return worst([of_field(d, changed) for changed in d.fields] + list(_folded(d)))


def _removed(d: Difference) -> Judged:
    kind = d.key.kind
    if kind == "CustomResourceDefinition":
        return Judged("data loss", "every object of this kind goes with it")
    if kind in _STORES:
        return Judged("data loss", "what it holds goes with it")
    if kind in ("StatefulSet", *_OPERATED) and _claims(d.before.get("spec") or {}):
        return Judged("data loss", "its volumes are left without an owner")
    if kind in (*_WORKLOADS, *_OPERATED):
        return Judged("restart", "its pods end")
    return _access(kind) or SAFE


def _claims(spec: Mapping[str, Any]) -> bool:
    return bool(spec.get("volumeClaimTemplates") or (spec.get("storage") or {}).get("volumeClaimTemplate"))


def _access(kind: str) -> Judged | None:
    return Judged("access", "who may do or reach what") if kind in _ACCESS else None


def _folded(d: Difference) -> Iterator[Judged]:
    """What the folded fields do all the same."""
    if configuration_moved(d):
        yield Judged("restart", "its configuration is another one")
    elif d.key.kind in _WORKLOADS and any(f.path[:2] == ("spec", "template") for f in d.noise):
        yield Judged("restart", "labels of its pods")


def of_field(d: Difference, changed: Field) -> Judged:
    """The class of one field that differs; where all below it comes or goes, the worst of that."""
    return worst([_of_leaf(d, leaf) for leaf in _below(changed)])


def _below(changed: Field) -> Iterator[Field]:
    yield changed
    whole = changed.after if changed.before == ABSENT else changed.before if changed.after == ABSENT else None
    parts = whole.items() if isinstance(whole, dict) else enumerate(whole) if isinstance(whole, list) else ()
    for key, part in parts:
        before, after = (ABSENT, part) if changed.before == ABSENT else (part, ABSENT)
        yield from _below(Field((*changed.path, str(key)), before, after))


def _of_leaf(d: Difference, changed: Field) -> Judged:
    for rule in (_data, _custom_resource_definition, _immutable, _rights, _pods):
        judged = rule(d, changed)
        if judged is not None:
            return judged
    return SAFE


def _data(d: Difference, changed: Field) -> Judged | None:
    """Volumes, retention and schema: where less is kept, or what was kept can no longer be read."""
    path = changed.path
    if d.key.group == "helm" and path[:2] != ("spec", "values"):
        return None
    if "schema_config" in path or "schemaConfig" in path:
        return _period(changed)
    if path[-1:] == ("storage",) and "requests" in path:
        return _volume(d, changed)
    if "volumeClaimTemplates" in path or "volumeClaimTemplate" in path:
        if changed.after == ABSENT:
            return Judged("data loss", "a volume is removed")
    elif path[-1:] == ("retentionSize",):
        return _less(size, changed, "keeps less")
    elif _is_retention(path):
        return _less(duration, changed, "keeps its data for less long")
    if path[-2:-1] == ("persistentVolumeClaimRetentionPolicy",) and changed.after == "Delete":
        return Judged("data loss", "volumes go with their pods")
    if d.key.kind == "BlobContainer" and path[-1] in ("containerName", "accountName"):
        return Judged("data loss", "another container; what the one before holds is left behind or removed")
    return None


def _period(changed: Field) -> Judged:
    if changed.before == ABSENT:
        return Judged("safe", "a new schema period")
    return Judged("data loss", "a schema period is append-only: what was written in it can no longer be read")


def _volume(d: Difference, changed: Field) -> Judged | None:
    before, after = size(changed.before), size(changed.after)
    if before is None or after is None:
        return Judged("data loss", "a volume is removed") if changed.after == ABSENT else None
    if after < before:
        return Judged("data loss", "no volume shrinks: it must be made anew")
    if d.key.kind == "StatefulSet":
        return Judged("recreate", "volume claims of a StatefulSet cannot be changed")
    if d.key.kind in _OPERATED:
        return Judged("restart", "the operator makes the StatefulSet anew; the volume itself must be grown by hand")
    return Judged("safe", "the volume grows")


def _is_retention(path: tuple[str, ...]) -> bool:
    name = path[-1]
    if name == "days" and "RetentionPolicy" in path[-2]:
        return True
    lower = name.lower()
    return lower.endswith(("retention", "retention_period", "retentionperiod", "retentiondays")) or name.startswith("daysAfter")


def _less(measure: Callable[[object], float | None], changed: Field, why: str) -> Judged | None:
    before, after = measure(changed.before), measure(changed.after)
    if after is None or (before is None and changed.before != ABSENT):
        return None
    return Judged("data loss", why) if before is None or after < before else Judged("safe", "keeps more")


def _custom_resource_definition(d: Difference, changed: Field) -> Judged | None:
    return Judged("CRD", "what the API server accepts of this kind") if d.key.kind == "CustomResourceDefinition" else None


def _immutable(d: Difference, changed: Field) -> Judged | None:
    kind, path = d.key.kind, changed.path
    first, last = path[0], path[-1]
    field = path[1] if len(path) > 1 and first == "spec" else ""
    hook = "helm.sh/hook" in ((d.after.get("metadata") or {}).get("annotations") or {})
    immutable = (
        (kind == "StatefulSet" and field and field not in _STATEFUL_MUTABLE)
        or (kind in ("Deployment", "DaemonSet", "ReplicaSet") and field == "selector")
        or (kind == "Job" and field and field not in _JOB_MUTABLE and not hook)
        or (kind == "Service" and field in ("clusterIP", "clusterIPs") and ABSENT not in (changed.before, changed.after))
        or (kind == "Service" and field == "clusterIP" and "None" in (changed.before, changed.after))
        or (kind == "PersistentVolumeClaim" and field and path[1:3] != ("resources", "requests"))
        or (kind == "StorageClass" and first in ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"))
        or (kind in ("RoleBinding", "ClusterRoleBinding") and first == "roleRef")
        or (kind == "Secret" and path == ("type",))
        or (kind in ("ConfigMap", "Secret") and d.before.get("immutable") is True)
        or (d.key.group.startswith("azure-native") and first == "properties" and last in _AZURE_NAMES and len(path) == 2)
    )
    if not immutable:
        return None
    if d.key.kind == "StorageAccount":
        return Judged("recreate", f"{last} cannot be changed: another account, without the blobs of this one")
    return Judged("recreate", f"{field or last} cannot be changed")


def _rights(d: Difference, changed: Field) -> Judged | None:
    labels = changed.path[-1].startswith(("pod-security.kubernetes.io/", "azure.workload.identity/"))
    pods = changed.path[:2] == ("spec", "template")
    if (labels and not pods) or _ACCESS_FIELDS.intersection(changed.path) or changed.path[-1] == "automountServiceAccountToken":
        return Judged("access", "who may do or reach what")
    return _access(d.key.kind)


def _pods(d: Difference, changed: Field) -> Judged | None:
    kind, path = d.key.kind, changed.path
    if kind in _WORKLOADS and path[:2] == ("spec", "template"):
        return Judged("restart", "its pods are rolled")
    if kind == "Job" and path[:2] == ("spec", "template"):
        return Judged("safe", "the hook runs again")
    if kind in _OPERATED and path[0] == "spec" and path[1:] != ("replicas",):
        return Judged("restart", "its operator rolls the pods")
    return None
