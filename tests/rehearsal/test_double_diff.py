"""Diff of the double: which fields change, and which changes replace."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearsal.doubles.kubernetes import diff, replaces
from rehearsal.doubles.kubernetes.values import UNKNOWN

_JSON = st.recursive(
    st.booleans() | st.integers(0, 3) | st.sampled_from(["a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
_OBJECTS = st.dictionaries(st.sampled_from("abc"), _JSON, max_size=3)


def _changes(old: dict[str, Any], new: dict[str, Any], forcing: tuple[str, ...] = ()) -> dict[str, str]:
    found = diff.changes(diff.merge_patch(old, new), old, new, old, forcing)
    return {path: change.kind for path, change in found.items()}


def _applied(target: Any, patch: dict[str, Any]) -> Any:
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _applied(result.get(key), value) if isinstance(value, dict) else value
    return result


@given(_OBJECTS, _OBJECTS)
def test_the_patch_of_two_objects_makes_one_of_the_other(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert diff.same(_applied(old, diff.merge_patch(old, new)), new)


@given(_OBJECTS, _OBJECTS)
def test_two_objects_differ_exactly_when_there_are_changes(old: dict[str, Any], new: dict[str, Any]) -> None:
    patch = diff.merge_patch(old, new)
    assert bool(patch) is not diff.same(old, new)
    assert not diff.changes({}, old, new, old, ())


@given(st.lists(st.text(min_size=1, max_size=4, alphabet='ab."[]') | st.integers(0, 9), min_size=1, max_size=4))
def test_a_path_is_read_as_it_was_written(steps: list[str | int]) -> None:
    # a path begins with a field, and a field that is a number cannot be told from an index
    assert diff.parsed(diff.written(("a", *steps))) == ("a", *steps)


def test_fields_are_named_by_their_paths() -> None:
    old = {"spec": {"a": 1, "gone": 2}, "labels": {"x/y.z": "1"}}
    new = {"spec": {"a": 2, "new": 3}, "labels": {"x/y.z": "2"}}
    assert _changes(old, new) == {"spec.a": "UPDATE", "spec.gone": "DELETE", "spec.new": "ADD", 'labels["x/y.z"]': "UPDATE"}


def test_of_a_list_only_what_differs_changes() -> None:
    old = {"items": [{"a": 1, "b": 1}, {"a": 2}, {"a": 3}]}
    assert _changes(old, {"items": [{"a": 1}, {"a": 9}]}) == {"items[0].b": "DELETE", "items[1].a": "UPDATE", "items[2]": "DELETE"}
    assert _changes(old, {"items": [*old["items"], {"a": 4}]}) == {"items[3]": "ADD"}


def test_true_is_not_one_and_one_is_one_point_nought() -> None:
    assert _changes({"a": 1}, {"a": True}) == {"a": "UPDATE"}
    assert _changes({"a": 1}, {"a": 1.0}) == {}


def test_a_value_that_is_not_known_yet_is_a_change() -> None:
    assert _changes({"data": {"v": "one"}}, {"data": {"v": UNKNOWN}}, (".data",)) == {"data.v": "UPDATE_REPLACE"}
    assert _changes({"data": {}}, {"data": {"v": UNKNOWN}}) == {"data.v": "ADD"}


def test_ignored_fields_are_named_with_all_that_is_in_them() -> None:
    assert diff.is_ignored("spec.replicas", ["spec.replicas"])
    assert diff.is_ignored("spec.template.spec.containers[1].image", ["spec.template.spec.containers[*].image"])
    assert diff.is_ignored('metadata.annotations["a.b/c"]', ["metadata.annotations"])
    assert not diff.is_ignored("spec.replicas", ["spec.replicas.more", "spec.replica"])


def _object(api_version: str, kind: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "namespace": "y"}, **fields}


_POD = {"containers": [{"name": "c", "image": "c:1"}]}


@pytest.mark.parametrize(
    ("old", "new", "replaced"),
    [
        (_object("apps/v1", "Deployment", spec={"selector": {"matchLabels": {"a": "1"}}}),
         _object("apps/v1", "Deployment", spec={"selector": {"matchLabels": {"a": "2"}}}), "spec.selector.matchLabels.a"),
        (_object("apps/v1", "DaemonSet", spec={"selector": {"matchLabels": {"a": "1"}}}),
         _object("apps/v1", "DaemonSet", spec={"selector": {"matchLabels": {"b": "1"}}}), "spec.selector.matchLabels.b"),
        (_object("apps/v1", "StatefulSet", spec={"serviceName": "a"}), _object("apps/v1", "StatefulSet", spec={"serviceName": "b"}),
         "spec.serviceName"),
        (_object("apps/v1", "StatefulSet", spec={}), _object("apps/v1", "StatefulSet", spec={"volumeClaimTemplates": [{}]}),
         "spec.volumeClaimTemplates"),
        (_object("batch/v1", "Job", spec={"template": {"spec": _POD}}),
         _object("batch/v1", "Job", spec={"template": {"spec": {"containers": [{"name": "c", "image": "c:2"}]}}}),
         "spec.template.spec.containers[0].image"),
        (_object("v1", "Pod", spec=_POD), _object("v1", "Pod", spec={"containers": [{"name": "c", "image": "c:2"}]}),
         "spec.containers[0].image"),
        (_object("v1", "PersistentVolumeClaim", spec={"storageClassName": "a"}),
         _object("v1", "PersistentVolumeClaim", spec={"storageClassName": "b"}), "spec.storageClassName"),
        (_object("v1", "Service", spec={"clusterIP": "None"}), _object("v1", "Service", spec={"clusterIP": "10.0.0.1"}), "spec.clusterIP"),
        (_object("v1", "ConfigMap", data={"a": "1"}), _object("v1", "ConfigMap", data={"a": "1", "b": "2"}), "data.b"),
        (_object("v1", "ConfigMap", binaryData={"a": "1"}), _object("v1", "ConfigMap", binaryData={"a": "2"}), "binaryData.a"),
        (_object("v1", "Secret", type="a"), _object("v1", "Secret", type="b"), "type"),
        (_object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", roleRef={"name": "a"}),
         _object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", roleRef={"name": "b"}), "roleRef.name"),
        (_object("storage.k8s.io/v1", "StorageClass", provisioner="a"), _object("storage.k8s.io/v1", "StorageClass", provisioner="b"),
         "provisioner"),
        (_object("example.com/v1", "Thing"), {**_object("example.com/v1", "Thing"), "metadata": {"name": "z", "namespace": "y"}},
         "metadata.name"),
    ],
)  # fmt: skip
def test_a_change_of_a_field_that_cannot_change_replaces(old: dict[str, Any], new: dict[str, Any], replaced: str) -> None:
    found = _changes(old, new, replaces.forcing_fields(new, mutable_config_maps=False, mutable_secrets=False))
    assert [path for path, kind in found.items() if kind.endswith("_REPLACE") and not kind.startswith("DELETE")] == [replaced]


@pytest.mark.parametrize(
    ("kind", "fields", "changed"),
    [
        ("Deployment", {"spec": {"replicas": 1, "template": {"spec": _POD}}}, {"spec": {"replicas": 2, "template": {"spec": _POD}}}),
        ("Job", {"spec": {"template": {}, "ttlSecondsAfterFinished": 1}}, {"spec": {"template": {}, "ttlSecondsAfterFinished": 2}}),
        ("StatefulSet", {"spec": {"replicas": 1}}, {"spec": {"replicas": 2}}),
    ],
)
def test_other_fields_of_a_workload_change_in_place(kind: str, fields: dict[str, Any], changed: dict[str, Any]) -> None:
    group = {"Job": "batch/v1"}.get(kind, "apps/v1")
    old, new = _object(group, kind, **fields), _object(group, kind, **changed)
    assert list(_changes(old, new, replaces.forcing_fields(new, False, False)).values()) == ["UPDATE"]


def test_data_changes_in_place_where_the_provider_says_so_unless_the_object_is_frozen() -> None:
    for kind in ("ConfigMap", "Secret"):
        old, new = _object("v1", kind, data={"a": "MQ=="}), _object("v1", kind, data={"a": "Mg=="})
        assert _changes(old, new, replaces.forcing_fields(new, True, True)) == {"data.a": "UPDATE"}
        frozen = {**new, "immutable": True}
        assert _changes({**old, "immutable": True}, frozen, replaces.forcing_fields(frozen, True, True)) == {"data.a": "UPDATE_REPLACE"}


def test_a_release_is_compared_with_what_helm_has_not_with_what_was_asked_before() -> None:
    asked, live = {"values": {"a": 1, "gone": 1}}, {"values": {"a": 2, "gone": 1, "more": 3}, "status": {}}
    patch = diff.three_way_patch(asked, {"values": {"a": 1}}, live)
    assert patch == {"values": {"a": 1, "gone": None}}
