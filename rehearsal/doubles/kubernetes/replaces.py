"""Which changes of an object replace it, as the API server does not let them change in place."""

from typing import Any

from rehearsal.doubles.kubernetes.shapes import group_of

_WORKLOAD = (".spec.selector",)
_POD_FIELDS = (
    "affinity", "automountServiceAccountToken", "dnsConfig", "dnsPolicy", "enableServiceLinks", "hostAliases", "hostIPC", "hostNetwork",
    "hostPID", "hostname", "imagePullSecrets", "nodeName", "nodeSelector", "overhead", "preemptionPolicy", "priority",
    "priorityClassName", "readinessGates", "restartPolicy", "runtimeClassName", "schedulerName", "securityContext", "serviceAccount",
    "serviceAccountName", "shareProcessNamespace", "subdomain", "terminationGracePeriodSeconds", "volumes",
)  # fmt: skip
_CONTAINER_FIELDS = (
    "args", "command", "env", "image", "imagePullPolicy", "lifecycle", "livenessProbe", "ports", "readinessProbe", "resources",
    "securityContext", "stdin", "stdinOnce", "terminationMessagePath", "terminationMessagePolicy", "tty", "volumeDevices",
    "volumeMounts", "workingDir",
)  # fmt: skip
_VOLUME_SOURCES = (
    "awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "csi", "fc", "flexVolume", "flocker", "gcePersistentDisk",
    "glusterfs", "hostPath", "iscsi", "local", "nfs", "photonPersistentDisk", "portworxVolume", "quobyte", "rbd", "scaleIO", "storageos",
    "vsphereVolume",
)  # fmt: skip
_POD = (
    *(f".spec.{field}" for field in _POD_FIELDS),
    *(f".spec.{group}.*.{field}" for group in ("containers", "initContainers") for field in _CONTAINER_FIELDS),
)
_FIELDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("apps", "DaemonSet"): _WORKLOAD,
    ("apps", "Deployment"): _WORKLOAD,
    ("apps", "StatefulSet"): (
        *_WORKLOAD,
        ".spec.podManagementPolicy",
        ".spec.revisionHistoryLimit",
        ".spec.serviceName",
        ".spec.volumeClaimTemplates",
    ),
    ("batch", "Job"): (".spec.completions", ".spec.parallelism", ".spec.selector", ".spec.template"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): (".roleRef",),
    ("rbac.authorization.k8s.io", "RoleBinding"): (".roleRef",),
    ("storage.k8s.io", "StorageClass"): (".parameters", ".provisioner"),
    ("", "PersistentVolume"): tuple(f".spec.{source}" for source in _VOLUME_SOURCES),
    ("", "PersistentVolumeClaim"): (".spec.accessModes", ".spec.selector", ".spec.storageClassName", ".spec.volumeName"),
    ("", "Pod"): _POD,
    ("", "ResourceQuota"): (".spec.scopes",),
    ("", "Secret"): (".type",),
    ("", "Service"): (".spec.clusterIP",),
}
IDENTITY = (".metadata.name", ".metadata.namespace")


def forcing_fields(obj: dict[str, Any], mutable_config_maps: bool, mutable_secrets: bool) -> tuple[str, ...]:
    """The fields whose change replaces the object, as dotted paths with `*` for any list item."""
    group, kind = group_of(obj), obj.get("kind", "")
    group = "" if group == "core" else group
    frozen = bool(obj.get("immutable"))
    if (group, kind) == ("", "Secret") and (frozen or not mutable_secrets):
        return (*IDENTITY, ".type", ".stringData", ".data")
    if (group, kind) == ("", "ConfigMap") and (frozen or not mutable_config_maps):
        return (*IDENTITY, ".binaryData", ".data")
    return (*IDENTITY, *_FIELDS.get((group, kind), ()))


def forces(path: tuple[str | int, ...], value: Any, fields: tuple[str, ...]) -> bool:
    """Whether a change to `value` at the path touches one of the fields."""
    return any(_touches(path, value, field.strip(".").split(".")) for field in fields)


def _touches(path: tuple[str | int, ...], value: Any, field: list[str]) -> bool:
    for step, part in zip(path, field, strict=False):
        if part != step and not (part == "*" and isinstance(step, int)):
            return False
    return len(field) <= len(path) or _contains(value, field[len(path) :])


def _contains(value: Any, field: list[str]) -> bool:
    if not field:
        return True
    if field[0] == "*":
        return isinstance(value, list) and any(_contains(item, field[1:]) for item in value)
    return isinstance(value, dict) and field[0] in value and _contains(value[field[0]], field[1:])
