"""Check of an object: its normal form, its name, its namespace."""

import hashlib
import secrets
from typing import Any

from rehearsal.doubles.kubernetes import shapes
from rehearsal.doubles.kubernetes.cluster import Cluster
from rehearsal.doubles.kubernetes.errors import Refusal
from rehearsal.doubles.kubernetes.values import Unknown, keep_secrets


class Naming:
    """What the engine says about the name of an object that has none."""

    def __init__(self, resource_name: str, random_seed: bytes, mode: str = "", proposed: str = "") -> None:
        self._resource_name = resource_name
        self._random_seed = random_seed
        self._mode = mode
        self._proposed = proposed

    def name(self) -> str:
        """A name of its own for the object."""
        if self._mode == "DISABLE":
            raise Refusal("autonaming is disabled, resource requires the .metadata.name field to be set")
        if self._mode in ("ENFORCE", "PROPOSE"):
            return self._proposed
        digits = hashlib.sha256(self._random_seed).hexdigest() if self._random_seed else secrets.token_hex(4)
        return f"{self._resource_name}-{digits[:8]}"


def check(cluster: Cluster, urn_type: str, olds: dict[str, Any], news: dict[str, Any], naming: Naming) -> dict[str, Any]:
    """The inputs as the provider wants them. Refusal where they cannot be an object."""
    if urn_type.rpartition(":")[2].endswith("List") and "items" in news:
        raise Refusal(
            "list resources exist for compatibility with YAML manifests and Helm charts, and cannot be created directly. "
            "Use the underlying resource type instead"
        )
    inputs = shapes.normal(shapes.from_inputs(news))
    if shapes.is_patch(urn_type, inputs) and not _is_named(inputs):
        raise Refusal("patch resources require the `.metadata.name` field to be set")
    if not _is_named(inputs) and not isinstance(inputs.get("metadata"), Unknown):
        _name(inputs, shapes.from_inputs(olds), naming)
    if cluster.default_namespace and not _has(inputs, "namespace") and cluster.is_namespaced(inputs):
        _set(inputs, "namespace", cluster.default_namespace)
    cluster.remember_crd(inputs)
    checked = shapes.to_properties(inputs)
    keep_secrets(checked, news)
    return checked


def _name(inputs: dict[str, Any], olds: dict[str, Any], naming: Naming) -> None:
    if _has(inputs, "generateName"):
        raise Refusal("the `.metadata.generateName` field is not supported in Server-Side Apply mode")
    if olds:
        if shapes.annotation(olds, shapes.AUTONAMED) != "true":
            return
        name = shapes.name_of(olds)
    else:
        name = naming.name()
    _set(inputs, "name", name)
    annotations = inputs["metadata"].get("annotations")
    if not isinstance(annotations, Unknown):
        _set(inputs, "annotations", {**(annotations or {}), shapes.AUTONAMED: "true"})


def _is_named(inputs: dict[str, Any]) -> bool:
    return _has(inputs, "name")


def _has(inputs: dict[str, Any], key: str) -> bool:
    metadata = inputs.get("metadata")
    return isinstance(metadata, Unknown) or bool(shapes.metadata_of(inputs).get(key))


def _set(inputs: dict[str, Any], key: str, value: Any) -> None:
    inputs["metadata"] = {**shapes.metadata_of(inputs), key: value}
