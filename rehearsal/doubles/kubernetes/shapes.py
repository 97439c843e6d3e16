"""Shapes of objects: names and annotations, the normal form of inputs, live state cut down to what was asked for."""

import base64
import binascii
from typing import Any

from rehearsal.doubles.kubernetes import quantities
from rehearsal.doubles.kubernetes.values import has_unknown, revealed

AUTONAMED = "pulumi.com/autonamed"
_READ_ONLY = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "uid",
)
_BUILT_IN_GROUPS = frozenset(
    {
        "", "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "apps", "authentication.k8s.io",
        "authorization.k8s.io", "autoscaling", "batch", "certificates.k8s.io", "coordination.k8s.io", "core", "discovery.k8s.io",
        "events.k8s.io", "extensions", "flowcontrol.apiserver.k8s.io", "networking.k8s.io", "node.k8s.io", "policy",
        "rbac.authorization.k8s.io", "resource.k8s.io", "scheduling.k8s.io", "storage.k8s.io",
    }
)  # fmt: skip
_CLUSTER_SCOPED = frozenset(
    {
        "APIService", "CertificateSigningRequest", "ClusterRole", "ClusterRoleBinding", "CSIDriver", "CSINode", "ComponentStatus",
        "ClusterTrustBundle", "CustomResourceDefinition", "DeviceClass", "FlowSchema", "IngressClass", "IPAddress",
        "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration", "Namespace", "Node",
        "PersistentVolume", "PriorityClass", "PriorityLevelConfiguration", "ResourceSlice", "RuntimeClass", "SelfSubjectAccessReview",
        "SelfSubjectReview", "SelfSubjectRulesReview", "ServiceCIDR", "StorageClass", "SubjectAccessReview", "TokenReview",
        "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration", "VolumeAttachment",
        "VolumeAttributesClass",
    }
)  # fmt: skip
# Python has no dashes in names: the SDK writes these with underscores, the API server with dashes.
_DASHED = {
    f"x_kubernetes_{name}": "x-kubernetes-" + name.replace("_", "-")
    for name in (
        "embedded_resource", "int_or_string", "list_map_keys", "list_type", "map_type", "preserve_unknown_fields", "validations",
    )
}  # fmt: skip
_UNDERSCORED = {dashed: underscored for underscored, dashed in _DASHED.items()}


def group_of(obj: dict[str, Any]) -> str:
    """The API group, empty for the core one."""
    api_version = obj.get("apiVersion")
    return api_version.rpartition("/")[0] if isinstance(api_version, str) else ""


def is_built_in(obj: dict[str, Any]) -> bool:
    """Whether Kubernetes itself defines the kind."""
    return group_of(obj) in _BUILT_IN_GROUPS


def is_cluster_scoped(kind: str) -> bool:
    """Of a built-in kind, whether it lives outside of namespaces."""
    return kind in _CLUSTER_SCOPED


def is_crd(obj: dict[str, Any]) -> bool:
    """Whether the object defines a kind."""
    return obj.get("kind") == "CustomResourceDefinition" and group_of(obj) == "apiextensions.k8s.io"


def is_patch(urn_type: str, obj: dict[str, Any]) -> bool:
    """Whether the resource is one of the ...Patch types, which own some fields of an object that is not theirs."""
    return urn_type.rpartition(":")[2] == f"{obj.get('kind')}Patch"


def metadata_of(obj: dict[str, Any]) -> dict[str, Any]:
    """The metadata, empty where it is missing or unknown."""
    metadata = obj.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def name_of(obj: dict[str, Any]) -> str:
    """The object's name, empty where it is missing or unknown."""
    name = metadata_of(obj).get("name")
    return name if isinstance(name, str) else ""


def namespace_of(obj: dict[str, Any]) -> str:
    """The object's namespace, empty where it is missing or unknown."""
    namespace = metadata_of(obj).get("namespace")
    return namespace if isinstance(namespace, str) else ""


def identifier(obj: dict[str, Any]) -> str:
    """The resource's id: namespace/name, or the name alone."""
    return "/".join(part for part in (namespace_of(obj), name_of(obj)) if part)


def annotation(obj: dict[str, Any], key: str) -> str:
    """An annotation's value, empty where there is none."""
    annotations = metadata_of(obj).get("annotations")
    value = annotations.get(key) if isinstance(annotations, dict) else None
    return value if isinstance(value, str) else ""


def from_inputs(values: dict[str, Any]) -> dict[str, Any]:
    """The Kubernetes object of Pulumi's inputs: no envelopes, keys as the API server writes them."""
    return _renamed(revealed(values), _DASHED)


def to_properties(obj: dict[str, Any]) -> dict[str, Any]:
    """The other way round."""
    return _renamed(obj, _UNDERSCORED)


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {names.get(key, key): _renamed(item, names) for key, item in value.items()}
    return [_renamed(item, names) for item in value] if isinstance(value, list) else value


def normal(obj: dict[str, Any]) -> dict[str, Any]:
    """The inputs in the form that the API server would give back, so that only real changes are changes."""
    if is_built_in(obj) and not has_unknown(obj):
        if obj.get("kind") == "Secret":
            obj = _normal_secret(obj)
        elif is_crd(obj):
            obj = {key: value for key, value in obj.items() if key != "status"}
        else:
            obj = quantities.canonical_throughout(obj)
    metadata = obj.get("metadata")
    if isinstance(metadata, dict):
        obj = {**obj, "metadata": {key: value for key, value in metadata.items() if key not in _READ_ONLY}}
    return obj


def _normal_secret(obj: dict[str, Any]) -> dict[str, Any]:
    data = {key: _normal_base64(value) for key, value in (obj.get("data") or {}).items()}
    for key, text in (obj.get("stringData") or {}).items():
        data[key] = base64.b64encode(str(text).encode()).decode()
    kept = {key: value for key, value in obj.items() if key not in ("data", "stringData")}
    return {**kept, "data": data} if data or "data" in obj else kept


def _normal_base64(text: Any) -> Any:
    try:
        return base64.b64encode(base64.b64decode(text)).decode()
    except (binascii.Error, TypeError, ValueError):
        # The API server will refuse it, in its own words.
        return text


def pruned(live: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """The live state, of it only what the inputs speak of.

    An empty or false value of the inputs counts as there: the API server leaves those out of built-in kinds.
    """
    return _pruned_map(live, inputs, keep_empty=is_built_in(inputs))


def _pruned_map(live: dict[str, Any], inputs: dict[str, Any], keep_empty: bool) -> dict[str, Any]:
    result = {key: _pruned(value, inputs[key], keep_empty) for key, value in live.items() if key in inputs}
    if keep_empty:
        result |= {key: value for key, value in inputs.items() if key not in live and not value and value is not None}
    return result


def _pruned(live: Any, wanted: Any, keep_empty: bool) -> Any:
    if isinstance(live, dict) and isinstance(wanted, dict):
        return _pruned_map(live, wanted, keep_empty)
    if isinstance(live, list) and isinstance(wanted, list):
        return [_pruned(item, want, keep_empty) for item, want in zip(live, wanted, strict=False)]
    return live
