"""Objects through the double, on a real API server: what is created, awaited, taken over, refused and deleted."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from rehearsal.control_plane import ControlPlane
from rehearsal.doubles.kubernetes import network
from tests.rehearsal import double_client
from tests.rehearsal.double_client import Client, secret

_CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
_DEPLOYMENT = "kubernetes:apps/v1:Deployment"
_NUMBERS = itertools.count()


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    name = f"double-{os.getpid()}-{next(_NUMBERS)}"
    control_plane.api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    control_plane.api.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def double(control_plane: ControlPlane) -> Iterator[Client]:
    with double_client.client(str(control_plane.kubeconfig), context="rehearsal") as found:
        yield found


def _object(namespace: str, kind: str, api_version: str = "v1", annotations: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    metadata = {"name": "thing", "namespace": namespace, **({"annotations": annotations} if annotations else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def _config_map(namespace: str, value: str = "ours", **more: Any) -> dict[str, Any]:
    return _object(namespace, "ConfigMap", data={"v": value}, **more)


def _workload(namespace: str, kind: str, annotations: dict[str, str] | None = None, pod: dict[str, Any] | None = None) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "thing"}}, "spec": {"containers": [{"name": "c", "image": "c:1"}], **(pod or {})}}
    spec = {"selector": {"matchLabels": {"app": "thing"}}, "template": template}
    return _object(namespace, kind, "apps/v1", annotations, spec=spec)


def test_a_taken_field_is_a_conflict_until_it_is_forced(double: Client, control_plane: ControlPlane, namespace: str) -> None:
    state = double.create(_CONFIG_MAP, _config_map(namespace)).state
    path = f"/api/v1/namespaces/{namespace}/configmaps/thing"
    control_plane.api.request("PATCH", f"{path}?fieldManager=somebody-else", {"data": {"v": "theirs"}})
    refused = double.update(_CONFIG_MAP, state, _config_map(namespace, "ours too"))
    assert "server-side apply field conflict detected" in refused.error and 'conflict with "somebody-else"' in refused.error
    forced = double.update(_CONFIG_MAP, state, _config_map(namespace, "ours too", annotations={"pulumi.com/patchForce": "true"}))
    assert forced.state["data"] == {"v": "ours too"}


def test_existing_objects_are_taken_over_where_the_provider_says_so(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.api.create(f"/api/v1/namespaces/{namespace}/configmaps", _config_map(namespace, "theirs"))
    with double_client.client(str(control_plane.kubeconfig), upsertExistingObjects="true", enablePatchForce="true") as double:
        assert double.create(_CONFIG_MAP, _config_map(namespace)).state["data"] == {"v": "ours"}


def test_a_field_that_is_ignored_stays_as_it_is(double: Client, control_plane: ControlPlane, namespace: str) -> None:
    state = double.create(_CONFIG_MAP, {**_config_map(namespace), "data": {"v": "ours", "w": "one"}}).state
    path = f"/api/v1/namespaces/{namespace}/configmaps/thing"
    control_plane.api.request("PATCH", f"{path}?fieldManager=somebody-else", {"data": {"v": "theirs"}})
    news = {**_config_map(namespace), "data": {"v": "ours too", "w": "two"}}
    assert double.diff(_CONFIG_MAP, state, news, ignoreChanges=["data.v"])["replaces"] == ["data.w"]
    assert double.update(_CONFIG_MAP, state, news, ignoreChanges=["data.v"]).state["data"] == {"v": "theirs", "w": "two"}


def test_a_patch_resource_owns_its_fields_and_leaves_the_object(double: Client, control_plane: ControlPlane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    control_plane.api.create(path, _config_map(namespace, "theirs"))
    patch = {**_config_map(namespace), "data": {"w": "ours"}}
    state = double.create("kubernetes:core/v1:ConfigMapPatch", patch).state
    assert state["data"] == {"v": "theirs", "w": "ours"}
    assert not double.delete("kubernetes:core/v1:ConfigMapPatch", f"{namespace}/thing", state).error
    assert control_plane.api.request("GET", f"{path}/thing")["data"] == {"v": "theirs"}


def test_secrets_stay_secret_in_the_state(double: Client, namespace: str) -> None:
    inputs = {**_config_map(namespace), "data": {"v": "plain", "s": secret("hidden")}}
    state = double.create(_CONFIG_MAP, inputs).state
    assert state["data"] == state["__inputs"]["data"] == {"v": "plain", "s": secret("hidden")}
    read = double.read(_CONFIG_MAP, f"{namespace}/thing", state, inputs)
    assert read.state["data"]["s"] == secret("hidden") == read.inputs["data"]["s"]


def test_an_object_waits_for_its_namespace(double: Client, control_plane: ControlPlane) -> None:
    name = f"later-{os.getpid()}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    later = threading.Timer(0.5, control_plane.api.create, ("/api/v1/namespaces", body))
    later.start()
    answer = double.create(_CONFIG_MAP, _config_map(name))
    later.join()
    control_plane.api.request("DELETE", f"/api/v1/namespaces/{name}")
    assert answer.body["id"] == f"{name}/thing"


def test_a_custom_resource_waits_for_its_definition_and_is_gone_with_it(double: Client, control_plane: ControlPlane) -> None:
    group = f"double{os.getpid()}.example.com"
    schema = {"openAPIV3Schema": {"type": "object", "x_kubernetes_preserve_unknown_fields": True}}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": schema}]
    spec = {"group": group, "scope": "Cluster", "names": {"kind": "Thing", "plural": "things"}, "versions": versions}
    api_version, kind = "apiextensions.k8s.io/v1", "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition"
    definition = {"apiVersion": api_version, "kind": "CustomResourceDefinition", "metadata": {"name": f"things.{group}"}, "spec": spec}
    thing, type_of_thing = {"apiVersion": f"{group}/v1", "kind": "Thing", "metadata": {"name": "one"}}, f"kubernetes:{group}/v1:Thing"
    assert double.create(type_of_thing, thing, preview=True).state == thing
    made: list[Any] = []
    first = threading.Timer(0.5, lambda: made.append(double.create(kind, definition)))
    first.start()
    # Check had to assume a namespace, while nobody knew the kind; the API server drops it.
    answer = double.create(type_of_thing, {**thing, "metadata": {"name": "one", "namespace": "default"}})
    first.join()
    assert answer.body["id"] == "one"
    assert double.diff(type_of_thing, answer.state, thing) == {"changes": "DIFF_NONE", "hasDetailedDiff": True}
    versions_kept = made[0].state["__inputs"]["spec"]["versions"]
    assert versions_kept[0]["schema"]["openAPIV3Schema"]["x_kubernetes_preserve_unknown_fields"] is True
    assert not double.delete(kind, f"things.{group}", made[0].state).error
    # With its definition went the resource, so there is nothing to delete, and nothing to read.
    assert not double.delete(type_of_thing, "one", answer.state).error
    assert double.read(type_of_thing, "one", answer.state, thing).body == {}


def test_a_kind_that_does_not_come_is_named(double: Client, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rehearsal.doubles.kubernetes.applying._RETRIES", 1)
    answer = double.create("kubernetes:example.com/v1:Nothing", _object(namespace, "Nothing", "example.com/v1"))
    assert "Verify that any required CRDs have been created: no matches for kind" in answer.error


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_a_workload_is_ready_when_its_pods_are(double: Client, namespace: str, kind: str) -> None:
    state = double.create(f"kubernetes:apps/v1:{kind}", _workload(namespace, kind)).state
    status = state["status"]
    assert status.get("readyReplicas", status.get("numberReady", 0)) >= 1
    assert not double.delete(f"kubernetes:apps/v1:{kind}", f"{namespace}/thing", state).error


@pytest.mark.parametrize(
    ("kind", "spec", "reason"),
    [
        ("Deployment", {}, "Minimum number of live Pods was not attained"),
        ("StatefulSet", {}, "0 out of 1 replicas succeeded readiness checks"),
        # one that no node is for is ready; this one's pods are not for an hour
        ("DaemonSet", {"minReadySeconds": 3600}, "timed out waiting for the condition"),
    ],
)
def test_a_workload_that_does_not_get_ready_is_kept_with_the_reasons(
    double: Client, namespace: str, kind: str, spec: dict[str, Any], reason: str
) -> None:
    never = _workload(namespace, kind, {"pulumi.com/timeoutSeconds": "1"}, None if spec else {"nodeSelector": {"no": "where"}})
    never["spec"] |= spec
    answer = double.create(f"kubernetes:apps/v1:{kind}", never)
    assert "was successfully created, but the Kubernetes API server reported that it failed" in answer.error
    assert answer.kept.id == f"{namespace}/thing" and any(reason in said for said in answer.kept.reasons)
    assert answer.kept.properties["__inputs"]["metadata"]["annotations"] == {"pulumi.com/timeoutSeconds": "1"}


def test_an_await_can_be_left_out(double: Client, namespace: str) -> None:
    never = _workload(namespace, "Deployment", {"pulumi.com/skipAwait": "true"}, {"nodeSelector": {"no": "where"}})
    state = double.create(_DEPLOYMENT, never).state
    # a refresh does not look either, but does without the annotation
    assert not double.read(_DEPLOYMENT, f"{namespace}/thing", state, never).error
    seen = double.read(
        _DEPLOYMENT, f"{namespace}/thing", state, _workload(namespace, "Deployment", None, {"nodeSelector": {"no": "where"}})
    )
    assert "Resource 'thing' was created but failed to initialize" in seen.error
    assert "Minimum number of live Pods was not attained" in seen.kept.reasons and seen.kept.inputs["kind"] == "Deployment"


def test_a_cancel_ends_what_waits(double: Client, namespace: str) -> None:
    threading.Timer(0.7, double.call, ("Cancel", {})).start()
    began = time.monotonic()
    answer = double.create(_DEPLOYMENT, _workload(namespace, "Deployment", None, {"nodeSelector": {"no": "where"}}))
    assert 'Resource operation was cancelled for "thing"' in answer.error and answer.kept.id == f"{namespace}/thing"
    assert time.monotonic() - began < 5


def test_an_update_waits_for_the_new_pods(double: Client, namespace: str) -> None:
    state = double.create(_DEPLOYMENT, _workload(namespace, "Deployment")).state
    changed = _workload(namespace, "Deployment")
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "c:2"
    after = double.update(_DEPLOYMENT, state, changed).state
    assert after["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    assert after["status"]["updatedReplicas"] == after["status"]["readyReplicas"] == 1
    never = _workload(namespace, "Deployment", None, {"nodeSelector": {"no": "where"}})
    stuck = double.update(_DEPLOYMENT, after, never, timeout=1)
    assert f'"{namespace}/thing" failed to fully initialize or become live' in stuck.error
    assert stuck.kept.properties["__inputs"]["spec"]["template"]["spec"]["nodeSelector"] == {"no": "where"}


def test_a_claim_is_awaited_until_it_is_bound(double: Client, namespace: str) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}}
    claim, kind = _object(namespace, "PersistentVolumeClaim", spec=spec), "kubernetes:core/v1:PersistentVolumeClaim"
    checked = double.check(kind, claim).inputs
    state = double.create(kind, checked).state
    assert state["status"]["phase"] in ("Bound", "Pending")
    assert double.diff(kind, state, double.check(kind, claim, checked).inputs) == {"changes": "DIFF_NONE", "hasDetailedDiff": True}


def test_a_job_that_fails_for_good_ends_the_wait(double: Client, control_plane: ControlPlane, namespace: str) -> None:
    pod = {"restartPolicy": "Never", "nodeSelector": {"no": "where"}, "containers": [{"name": "c", "image": "c:1"}]}
    job = _object(namespace, "Job", "batch/v1", spec={"activeDeadlineSeconds": 1, "template": {"spec": pod}})
    answer = double.create("kubernetes:batch/v1:Job", job, timeout=60)
    assert "Resource 'thing' was created but failed to initialize" in answer.error
    assert any(reason.startswith("[DeadlineExceeded]") for reason in answer.kept.reasons)


def test_a_service_is_ready_when_its_endpoints_have_settled(double: Client, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "SETTLE_SECONDS", 1.0)
    service = _object(namespace, "Service", spec={"selector": {"app": "thing"}, "ports": [{"port": 80}]})
    began = time.monotonic()
    double.create("kubernetes:core/v1:Service", service)
    assert time.monotonic() - began >= 1.0
    headless = {**service, "spec": {**service["spec"], "clusterIP": "None"}, "metadata": {"name": "other", "namespace": namespace}}
    began = time.monotonic()
    assert double.create("kubernetes:core/v1:Service", headless).body["id"] == f"{namespace}/other"
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("expression", ["jsonpath={.data.done}=yes", "jsonpath=.data.done", '["jsonpath={.data.done}"]'])
def test_a_field_can_be_waited_for(double: Client, control_plane: ControlPlane, namespace: str, expression: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps/thing"
    threading.Timer(0.5, control_plane.api.request, ("PATCH", path, {"data": {"done": "yes"}})).start()
    state = double.create(_CONFIG_MAP, _config_map(namespace, annotations={"pulumi.com/waitFor": expression})).state
    assert state["data"]["done"] == "yes"


def test_a_condition_that_never_holds_and_one_that_means_nothing(double: Client, namespace: str) -> None:
    waiting = _config_map(namespace, annotations={"pulumi.com/waitFor": "condition=Ready"})
    assert "timed out waiting for the condition" in double.create(_CONFIG_MAP, waiting, timeout=1).error
    wrong = _config_map(namespace, annotations={"pulumi.com/waitFor": "readiness"})
    wrong["metadata"]["name"] = "other"
    assert 'expected a "jsonpath=" or "condition=" prefix, got "readiness"' in double.create(_CONFIG_MAP, wrong).error


def test_a_delete_waits_for_finalizers_and_says_so(double: Client, control_plane: ControlPlane, namespace: str) -> None:
    inputs = _config_map(namespace)
    inputs["metadata"]["finalizers"] = ["example.com/hold"]
    state = double.create(_CONFIG_MAP, inputs).state
    answer = double.delete(_CONFIG_MAP, f"{namespace}/thing", state, timeout=1)
    assert "timed out waiting for the condition" in answer.error and answer.kept.id == f"{namespace}/thing"
    assert "finalizers might be preventing deletion (example.com/hold)" in double.listener.messages
    path = f"/api/v1/namespaces/{namespace}/configmaps/thing"
    threading.Timer(0.5, control_plane.api.request, ("PATCH", path, {"metadata": {"finalizers": None}})).start()
    assert not double.delete(_CONFIG_MAP, f"{namespace}/thing", state).error
    # and what is gone is deleted
    assert not double.delete(_CONFIG_MAP, f"{namespace}/thing", state).error


def test_an_object_is_imported_with_the_inputs_that_would_have_made_it(double: Client, control_plane: ControlPlane, namespace: str) -> None:
    control_plane.api.create(f"/api/v1/namespaces/{namespace}/configmaps", _config_map(namespace, "theirs"))
    answer = double.read(_CONFIG_MAP, f"{namespace}/thing")
    assert answer.inputs == _config_map(namespace, "theirs")
    assert double.read(_CONFIG_MAP, f"{namespace}/nothing").body == {}


def test_a_refusal_of_the_api_server_comes_in_its_own_words(double: Client, namespace: str) -> None:
    wrong = _object(namespace, "Service", spec={"ports": [{"port": 123456}]})
    answer = double.create("kubernetes:core/v1:Service", wrong)
    assert 'was not successfully created by the Kubernetes API server: Service "thing" is invalid: ' in answer.error
    assert "spec.ports[0].port: Invalid value: 123456: must be between 1 and 65535, inclusive" in answer.error


def test_a_misspelt_field_of_a_built_in_kind_does_not_go_unseen(double: Client, namespace: str) -> None:
    misspelt = {**_config_map(namespace), "binryData": {"a": "Yg=="}}
    state = double.create(_CONFIG_MAP, double.check(_CONFIG_MAP, misspelt).inputs).state
    assert list(double.diff(_CONFIG_MAP, state, misspelt)["detailedDiff"]) == ["binryData"]
    assert ".binryData: field not declared in schema" in double.update(_CONFIG_MAP, state, misspelt).error


def test_many_things_wait_at_once(double: Client, namespace: str) -> None:
    def create(number: int) -> None:
        inputs = _workload(namespace, "Deployment", None, {"nodeSelector": {"no": "where"}})
        inputs["metadata"]["name"] = f"thing-{number}"
        errors.append(double.create(_DEPLOYMENT, inputs, timeout=2).error)

    errors: list[str] = []
    threads = [threading.Thread(target=create, args=(number,)) for number in range(40)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) == 40 and all("timed out waiting to be Ready" in error for error in errors)
    assert time.monotonic() - began < 15
