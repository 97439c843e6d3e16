"""The rules, each a plain function over one object; `STACK_RULES` over all of a stack at once.

An object is whatever the program registers (a Helm release, a resource of Azure, an object of Kubernetes) or a chart renders.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from components.layer import POD_SECURITY
from policies.pod_security import broken
from policies.pods import pods
from review import leaks
from review.objects import HELM, Key, Object

_TAG = re.compile(r"(?P<name>[^:@]+(:\d+/[^:@]+)?)(:(?P<tag>[^@]+))?(@(?P<digest>sha256:[0-9a-f]{64}))?")
_MOVING = {"latest", "main", "master", "edge", "nightly", "stable", "dev"}
GATEWAY_CHART = "gateway"
_OPEN_TYPES = ("LoadBalancer", "NodePort")
_OLD_TLS = re.compile(r"(tls)?_?v?1[._]?[01]|(version)?tls1[01]|sslv?[23].*", re.I)
_TLS_KEYS = ("minimumTlsVersion", "minProtocolVersion", "minVersion", "min_version", "tlsMinVersion")


class Broken(NamedTuple):
    """What an object breaks: the check (rule, or rule and detail), where in the object, and how."""

    check: str
    key: Key
    where: str
    what: str


@dataclass(frozen=True)
class Facts:
    """What a rule has to know beside the object."""

    charts: Mapping[str, str]
    """Version of every chart in the lock."""
    gateways: frozenset[str]
    """The releases, as namespace/name, that are the mesh's way in."""


Rule = Callable[[Object, Facts], Iterator[Broken]]
StackRule = Callable[[Sequence[Object]], Iterator[Broken]]


def chart_version(item: Object, facts: Facts) -> Iterator[Broken]:
    """A release installs the exact version that the lock pins."""
    if item.key.group != HELM:
        return
    spec = item.body["spec"]
    locked = facts.charts.get(spec["chart"])
    if locked is None:
        yield Broken("chart-version", item.key, "spec.chart", f"{spec['chart']} is not in the lock")
    elif spec["version"] != locked:
        yield Broken("chart-version", item.key, "spec.version", f"{spec['version'] or 'no version'}, the lock pins {locked}")


def exact_image(item: Object, _: Facts) -> Iterator[Broken]:
    """An image has a tag that stays, or a digest."""
    for pod in pods(item.body):
        for container in pod.containers:
            if container.image and (wrong := _inexact(container.image)):
                yield Broken("exact-image", item.key, container.name, f"image {container.image} {wrong}")


def _inexact(image: str) -> str:
    match = _TAG.fullmatch(image)
    if match is None:
        return "is no image"
    if match["digest"]:
        return ""
    if not match["tag"]:
        return "has neither tag nor digest"
    return "has a tag that moves" if match["tag"] in _MOVING else ""


def resources(item: Object, _: Facts) -> Iterator[Broken]:
    """Every container requests CPU and memory and is limited in both."""
    for pod in pods(item.body):
        for container in pod.containers:
            said: Mapping[str, Any] = container.body.get("resources") or {}
            missing = [
                f"{what}.{unit}" for what in ("requests", "limits") for unit in ("cpu", "memory") if not (said.get(what) or {}).get(unit)
            ]
            if missing:
                yield Broken("resources", item.key, container.name, f"{', '.join(missing)} not set")


def pod_security(item: Object, _: Facts) -> Iterator[Broken]:
    """A pod is restricted, and its file system read-only."""
    for pod in pods(item.body):
        for found in broken(pod):
            yield Broken(f"pod-security.{found.check}", item.key, found.container, found.what)


def namespace_security(item: Object, _: Facts) -> Iterator[Broken]:
    """A namespace of ours has the API server refuse pods that are less than restricted."""
    if item.key.kind != "Namespace" or item.key.group:
        return
    level = ((item.body.get("metadata") or {}).get("labels") or {}).get(POD_SECURITY, "")
    if level != "restricted":
        yield Broken("namespace-security", item.key, f"metadata.labels.{POD_SECURITY}", f"{level or 'not set'} instead of restricted")


def no_secret_literal(item: Object, _: Facts) -> Iterator[Broken]:
    """No secret stands where everybody can read it; Secrets are for that, and definitions only speak of them."""
    if item.key.kind in ("Secret", "CustomResourceDefinition"):
        return
    for leak in leaks.found(item.body, (), values=item.key.group == HELM):
        yield Broken("no-secret-literal", item.key, leak.path, f"holds {leak.nature}")


def no_public_blob(item: Object, _: Facts) -> Iterator[Broken]:
    """No blob can be read by anybody."""
    properties = _azure(item)
    if item.key.kind == "StorageAccount" and properties.get("allowBlobPublicAccess") is not False:
        yield Broken("no-public-blob", item.key, "allowBlobPublicAccess", "is not false")
    if item.key.kind == "BlobContainer" and (properties.get("publicAccess") or "None") != "None":
        yield Broken("no-public-blob", item.key, "publicAccess", f"is {properties['publicAccess']}")


def tls(item: Object, _: Facts) -> Iterator[Broken]:
    """Storage takes TLS 1.2 and nothing older; nobody else is told to take older ones."""
    properties = _azure(item)
    if item.key.kind == "StorageAccount":
        if properties.get("minimumTlsVersion") not in ("TLS1_2", "TLS1_3"):
            yield Broken("tls", item.key, "minimumTlsVersion", f"is {properties.get('minimumTlsVersion')}")
        if properties.get("enableHttpsTrafficOnly") is not True:
            yield Broken("tls", item.key, "enableHttpsTrafficOnly", "is not true")
        return
    if item.key.kind == "CustomResourceDefinition":
        return
    for path, value in _leaves(item.body):
        if path[-1] in _TLS_KEYS and isinstance(value, str) and _OLD_TLS.fullmatch(value):
            yield Broken("tls", item.key, ".".join(path), f"is {value}")


def no_load_balancer(item: Object, facts: Facts) -> Iterator[Broken]:
    """Nothing but the gateway has an address outside of the cluster."""
    if item.key.kind == "Service" and item.release not in facts.gateways:
        spec = item.body.get("spec") or {}
        if spec.get("type") in _OPEN_TYPES:
            yield Broken("no-load-balancer", item.key, "spec.type", f"is {spec['type']}")
        if spec.get("externalIPs"):
            yield Broken("no-load-balancer", item.key, "spec.externalIPs", "is set")
    if item.key.group == HELM and item.body["spec"]["chart"] != GATEWAY_CHART:
        for path, value in _leaves(item.body["spec"].get("values") or {}):
            if value in _OPEN_TYPES and "type" in path[-1].lower():
                yield Broken("no-load-balancer", item.key, f"spec.values.{'.'.join(path)}", f"is {value}")


def _azure(item: Object) -> Mapping[str, Any]:
    return item.body.get("properties") or {} if item.key.group.startswith("azure-native") else {}


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield from _leaves(child, (*path, str(key)))
    elif isinstance(value, list):
        for number, child in enumerate(value):
            yield from _leaves(child, (*path, str(number)))
    elif path:
        yield path, value


RULES: Mapping[str, Rule] = {
    "chart-version": chart_version,
    "exact-image": exact_image,
    "resources": resources,
    "pod-security": pod_security,
    "namespace-security": namespace_security,
    "no-secret-literal": no_secret_literal,
    "no-public-blob": no_public_blob,
    "tls": tls,
    "no-load-balancer": no_load_balancer,
}


def judge(item: Object, facts: Facts) -> Iterator[Broken]:
    """Every rule over one object."""
    for rule in RULES.values():
        yield from rule(item, facts)
