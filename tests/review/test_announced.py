"""What an `up` made anew or removed, held against the difference: by the engine's account and by the API server's uids."""

from __future__ import annotations

from typing import Any

from rehearsal.events import Operation
from review.announced import happenings
from review.compare import differences
from review.objects import Key, Object, of_azure, of_kubernetes
from review.render import Rendering


def stateful(storage: str = "1Gi") -> Object:
    claim = {"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": storage}}}}
    return of_kubernetes(body("apps/v1", "StatefulSet", spec={"volumeClaimTemplates": [claim], "replicas": 1}), "logs")


def body(version: str, kind: str, name: str = "loki", namespace: str = "loki", **more: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **more}


def rendering(*objects: Object) -> Rendering:
    return Rendering("x", objects, {}, (), None, ())


def operation(kind: str, op: str, properties: dict[str, Any], name: str = "loki") -> Operation:
    urn = f"urn:pulumi:local::istio-stack::{kind}::{name}"
    return Operation(urn, kind, op, "", 0.0, properties)


def seen(base: list[Object], head: list[Object], *operations: Operation, uids: dict[Key, tuple[str, str]] | None = None) -> list[str]:
    before = {key: one for key, (one, _) in (uids or {}).items()}
    after = {key: other for key, (_, other) in (uids or {}).items() if other}
    found = happenings(differences(rendering(*base), rendering(*head)), operations, base, before, after)
    return [str(happening) for happening in found]


KEY = stateful().key
RELEASE = {"name": "loki", "namespace": "loki"}


def test_an_object_with_another_uid_was_made_anew() -> None:
    assert seen([stateful()], [stateful("2Gi")], uids={KEY: ("1", "2")}) == [
        "StatefulSet loki/loki: recreated, announced (seen by the API server)"
    ]
    assert seen([stateful()], [stateful()], uids={KEY: ("1", "2")}) == [
        "StatefulSet loki/loki: recreated, not announced (seen by the API server)"
    ]


def test_an_object_that_only_changes_is_no_happening() -> None:
    assert seen([stateful()], [stateful("2Gi")], uids={KEY: ("1", "1")}) == []


def test_an_object_that_is_gone_was_announced_where_the_difference_removes_it() -> None:
    assert seen([stateful()], [], uids={KEY: ("1", "")}) == ["StatefulSet loki/loki: removed, announced (seen by the API server)"]
    assert seen([stateful()], [stateful()], uids={KEY: ("1", "")}) == [
        "StatefulSet loki/loki: removed, not announced (seen by the API server)"
    ]


def test_a_release_that_the_engine_replaces_is_not_announced() -> None:
    operations = [operation("kubernetes:helm.sh/v3:Release", op, RELEASE) for op in ("delete-replaced", "create-replacement")]
    assert seen([stateful()], [stateful()], *operations) == ["Release loki/loki: recreated, not announced (seen by the engine)"]


def test_an_object_of_ours_that_the_engine_replaces_is_announced_by_its_class() -> None:
    inputs = body("apps/v1", "StatefulSet")
    replaced = operation("kubernetes:apps/v1:StatefulSet", "create-replacement", inputs)
    assert seen([stateful()], [stateful("2Gi")], replaced) == ["StatefulSet loki/loki: recreated, announced (seen by the engine)"]
    assert seen([stateful()], [stateful()], replaced) == ["StatefulSet loki/loki: recreated, not announced (seen by the engine)"]


def test_a_resource_of_azure_goes_by_the_name_of_the_program() -> None:
    account = of_azure("azure-native:storage:StorageAccount", "account", {"accountName": "a"}, "storage")
    other = of_azure("azure-native:storage:StorageAccount", "account", {"accountName": "b"}, "storage")
    replaced = operation("azure-native:storage:StorageAccount", "create-replacement", {"accountName": "b"}, "account")
    assert seen([account], [other], replaced) == ["StorageAccount account: recreated, announced (seen by the engine)"]


def test_what_is_made_anew_each_time_is_no_happening() -> None:
    hook = of_kubernetes(body("v1", "ServiceAccount") | {"metadata": {"name": "a", "annotations": {"helm.sh/hook": "pre-install"}}}, "logs")
    job = of_kubernetes(body("batch/v1", "Job"), "logs")
    assert seen([hook, job], [hook, job], uids={hook.key: ("1", "2"), job.key: ("1", "")}) == []


def test_components_and_providers_are_nothing_outside_the_engine() -> None:
    provider = operation("pulumi:providers:kubernetes", "delete", {})
    provider.concrete = False
    assert seen([], [], provider) == []
