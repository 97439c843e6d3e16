"""What a change of one object does to what runs, rule by rule."""

from __future__ import annotations

import copy
from math import inf
from typing import Any

import pytest

from review.classes import of_object
from review.compare import differences
from review.documents import Concealed
from review.objects import Object, of_azure, of_kubernetes
from review.quantities import duration, size
from review.render import Rendering


def rendering(*objects: Object) -> Rendering:
    return Rendering("x", objects, {}, None, None, ())


def at(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with another value at a path (`~` is a slash in a name); None removes it."""
    made: Any = copy.deepcopy(body)
    here, (*steps, last) = made, [step.replace("~", "/") for step in path.split("/")]
    for step in steps:
        here = here[int(step)] if isinstance(here, list) else here.setdefault(step, {})
    if value is None:
        del here[last]
    else:
        here[last] = value
    return made


def kubernetes(api: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": "one", "namespace": "here"}, **more}


TEMPLATE = {
    "metadata": {"labels": {"app": "x"}, "annotations": {"checksum/config": "1"}},
    "spec": {"containers": [{"name": "c", "image": "i:1"}]},
}
CLAIM = {"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": "10Gi"}}, "storageClassName": "fast"}}
STATEFUL = kubernetes(
    "apps/v1", "StatefulSet", spec={"replicas": 1, "serviceName": "s", "template": TEMPLATE, "volumeClaimTemplates": [CLAIM]}
)
DEPLOYMENT = kubernetes("apps/v1", "Deployment", spec={"replicas": 1, "selector": {"matchLabels": {"app": "x"}}, "template": TEMPLATE})
JOB = kubernetes("batch/v1", "Job", spec={"backoffLimit": 1, "template": TEMPLATE})
HOOK = at(JOB, "metadata/annotations", {"helm.sh/hook": "pre-upgrade"})
SERVICE = kubernetes("v1", "Service", spec={"clusterIP": "None", "ports": [{"name": "http", "port": 80}]})
VOLUME = kubernetes("v1", "PersistentVolumeClaim", spec=CLAIM["spec"])
BINDING = kubernetes("rbac.authorization.k8s.io/v1", "RoleBinding", roleRef={"name": "a"}, subjects=[{"name": "b"}])
POLICY = kubernetes("networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": {}})
DEFINITION = kubernetes("apiextensions.k8s.io/v1", "CustomResourceDefinition", spec={"scope": "Namespaced"})
PERIODS = """schema_config:
  configs:
  - {from: 2024-04-01, schema: v13}
  - {from: 2025-01-01, schema: v13}
limits_config: {retention_period: %s}
"""
CONFIG = kubernetes("v1", "ConfigMap", data={"config.yaml": PERIODS % "720h"})
PROMETHEUS = kubernetes(
    "monitoring.coreos.com/v1", "Prometheus", spec={"retention": "15d", "replicas": 1, "storage": {"volumeClaimTemplate": CLAIM}}
)
STORAGE = "spec/volumeClaimTemplates/0/spec/resources/requests/storage"
OPERATED_STORAGE = "spec/storage/volumeClaimTemplate/spec/resources/requests/storage"


@pytest.mark.parametrize(
    ("body", "path", "value", "expected"),
    [
        (STATEFUL, "spec/replicas", 2, "safe"),
        (STATEFUL, "spec/template/spec/containers/0/image", "i:2", "restart"),
        (STATEFUL, "spec/template/metadata/annotations/checksum~config", "2", "restart"),
        (STATEFUL, "spec/serviceName", "t", "recreate"),
        (STATEFUL, "spec/podManagementPolicy", "Parallel", "recreate"),
        (STATEFUL, STORAGE, "20Gi", "recreate"),
        (STATEFUL, STORAGE, "5Gi", "data loss"),
        (STATEFUL, "spec/volumeClaimTemplates", None, "data loss"),
        (STATEFUL, "spec/persistentVolumeClaimRetentionPolicy/whenDeleted", "Delete", "data loss"),
        (STATEFUL, "metadata/labels/helm.sh~chart", "x-2", "safe"),
        (DEPLOYMENT, "spec/selector/matchLabels/app", "y", "recreate"),
        (DEPLOYMENT, "spec/template/metadata/labels/helm.sh~chart", "x-2", "restart"),
        (DEPLOYMENT, "spec/replicas", 3, "safe"),
        (JOB, "spec/template/spec/containers/0/image", "i:2", "recreate"),
        (JOB, "spec/backoffLimit", 3, "safe"),
        (HOOK, "spec/template/spec/containers/0/image", "i:2", "safe"),
        (SERVICE, "spec/clusterIP", None, "recreate"),
        (SERVICE, "spec/ports/0/port", 81, "safe"),
        (VOLUME, "spec/resources/requests/storage", "20Gi", "safe"),
        (VOLUME, "spec/resources/requests/storage", "5000Mi", "data loss"),
        (VOLUME, "spec/storageClassName", "slow", "recreate"),
        (BINDING, "roleRef/name", "c", "recreate"),
        (BINDING, "subjects/0/name", "c", "access"),
        (POLICY, "spec/podSelector/matchLabels", {"a": "b"}, "access"),
        (DEFINITION, "spec/scope", "Cluster", "CRD"),
        (CONFIG, "data/config.yaml", PERIODS % "1000h", "safe"),
        (CONFIG, "data/config.yaml", PERIODS % "0s", "safe"),
        (CONFIG, "data/config.yaml", PERIODS % "100h", "data loss"),
        (CONFIG, "data/config.yaml", (PERIODS % "720h").replace("2025-01-01", "2025-02-01"), "data loss"),
        (CONFIG, "data/config.yaml", (PERIODS % "720h").replace("limits", "  - {from: 2027-01-01, schema: v14}\nlimits"), "safe"),
        (PROMETHEUS, "spec/retention", "2w", "data loss"),
        (PROMETHEUS, "spec/retention", "3w", "safe"),
        (PROMETHEUS, "spec/replicas", 2, "safe"),
        (PROMETHEUS, "spec/logLevel", "debug", "restart"),
        (PROMETHEUS, OPERATED_STORAGE, "5Gi", "data loss"),
        (PROMETHEUS, OPERATED_STORAGE, "20Gi", "restart"),
        (PROMETHEUS, "spec/storage", None, "data loss"),
    ],
)
def test_a_change_of_an_object_in_the_cluster_has_the_class_of_what_it_does(body: Any, path: str, value: Any, expected: str) -> None:
    (found,) = differences(rendering(of_kubernetes(body, "l")), rendering(of_kubernetes(at(body, path, value), "l")))
    assert of_object(found).kind == expected


ACCOUNT = {
    "accountName": "a",
    "kind": "StorageV2",
    "location": "westeurope",
    "minimumTlsVersion": "TLS1_2",
    "tags": {"a": "b"},
    "networkRuleSet": {"defaultAction": "Deny"},
}
BLOBS = {"deleteRetentionPolicy": {"days": 7, "enabled": True}}


@pytest.mark.parametrize(
    ("kind", "inputs", "path", "value", "expected"),
    [
        ("StorageAccount", ACCOUNT, "accountName", "b", "recreate"),
        ("StorageAccount", ACCOUNT, "kind", "BlobStorage", "recreate"),
        ("StorageAccount", ACCOUNT, "location", "northeurope", "recreate"),
        ("StorageAccount", ACCOUNT, "networkRuleSet/defaultAction", "Allow", "access"),
        ("StorageAccount", ACCOUNT, "minimumTlsVersion", "TLS1_0", "access"),
        ("StorageAccount", ACCOUNT, "tags/a", "c", "safe"),
        ("BlobContainer", {"containerName": "loki"}, "containerName", "logs", "data loss"),
        ("BlobServiceProperties", BLOBS, "deleteRetentionPolicy/days", 3, "data loss"),
        ("BlobServiceProperties", BLOBS, "deleteRetentionPolicy/days", 14, "safe"),
        ("RoleAssignment", {"principalId": "p"}, "principalId", "q", "access"),
        ("RoleAssignment", {"scope": "/a"}, "scope", "/b", "recreate"),
    ],
)
def test_a_change_of_a_resource_in_azure_has_the_class_of_what_it_does(
    kind: str, inputs: dict[str, Any], path: str, value: Any, expected: str
) -> None:
    token = f"azure-native:storage:{kind}"
    before, after = of_azure(token, "x", inputs, "storage"), of_azure(token, "x", at(inputs, path, value), "storage")
    (found,) = differences(rendering(before), rendering(after))
    assert of_object(found).kind == expected


@pytest.mark.parametrize(
    ("body", "added", "removed"),
    [
        (STATEFUL, "safe", "data loss"),
        (DEPLOYMENT, "safe", "restart"),
        (DEFINITION, "CRD", "data loss"),
        (BINDING, "access", "access"),
        (SERVICE, "safe", "safe"),
        (VOLUME, "safe", "data loss"),
    ],
)
def test_what_comes_or_goes_has_a_class(body: dict[str, Any], added: str, removed: str) -> None:
    there = rendering(of_kubernetes(body, "l"))
    (new,), (gone,) = differences(rendering(), there), differences(there, rendering())
    assert (of_object(new).kind, of_object(gone).kind) == (added, removed)


def test_a_secret_that_changes_is_seen_and_not_said() -> None:
    secret = kubernetes("v1", "Secret", data={"password": Concealed("one")})
    after = kubernetes("v1", "Secret", data={"password": Concealed("two")})
    same = kubernetes("v1", "Secret", data={"password": Concealed("one")})
    (found,) = differences(rendering(of_kubernetes(secret, "l")), rendering(of_kubernetes(after, "l")))
    assert [(f.where, f"{f.before}", f"{f.after}") for f in found.fields] == [("data.password", "(secret)", "(secret)")]
    assert differences(rendering(of_kubernetes(secret, "l")), rendering(of_kubernetes(same, "l"))) == []


def test_the_order_of_keys_and_of_named_elements_is_no_change() -> None:
    ports = [{"name": "a", "port": 1}, {"name": "b", "port": 2}]
    one = kubernetes("v1", "Service", spec={"ports": ports, "type": "ClusterIP"})
    other = kubernetes("v1", "Service", spec={"type": "ClusterIP", "ports": ports[::-1]})
    found = differences(rendering(of_kubernetes(one, "l")), rendering(of_kubernetes(other, "l")))
    assert [d.fields for d in found] == []


@pytest.mark.parametrize(
    ("text", "expected"), [("15d", 1_296_000), ("1h30m", 5400), ("0s", inf), (0, inf), (37, 37), ("soon", None), (True, None)]
)
def test_lengths_of_time(text: object, expected: float | None) -> None:
    assert duration(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("1Gi", 2**30), ("184320MiB", 184320 * 2**20), ("5G", 5e9), ("7", 7), ("much", None)])
def test_sizes(text: object, expected: float | None) -> None:
    assert size(text) == expected
