"""What goes into the files of an export, and what others must bring."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from gitops import content
from gitops.content import Secret
from gitops.errors import ExportError
from review.documents import Concealed
from review.objects import HELM, Key, Object, of_azure, of_kubernetes
from review.render import Rendering


def item(kind: str, name: str = "one", release: str = "", resource: str = "", **more: Any) -> Object:
    metadata = {"name": name, "namespace": "here", **more.pop("metadata", {})}
    return replace(of_kubernetes({"apiVersion": "v1", "kind": kind, "metadata": metadata, **more}, "layer", release), resource=resource)


def of(*objects: Object, leaks: tuple[str, ...] = (), **clients: str) -> content.Content:
    return content.of(Rendering("x", objects, {}, None, None, leaks), clients)


def test_secrets_of_the_program_stay_out_and_are_named_with_their_keys() -> None:
    found = of(
        item("Secret", stringData={"password": Concealed("hidden"), "user": Concealed("hidden")}), item("ConfigMap", data={"a": "b"})
    )
    assert [entry.key.kind for entry in found.objects] == ["ConfigMap"]
    assert found.secrets == (Secret("here", "one", ("password", "user")),)


def test_what_a_chart_makes_of_values_goes_in_though_it_is_a_secret() -> None:
    found = of(item("Secret", release="here/prom", data={"alertmanager.yaml": Concealed(json.dumps("cm91dGU="))}))
    assert found.objects[0].body["data"] == {"alertmanager.yaml": "cm91dGU="}
    assert found.secrets == ()


def test_with_a_secret_in_clear_nothing_is_exported() -> None:
    with pytest.raises(ExportError, match=r"^secret in clear: here$"):
        of(item("ConfigMap"), leaks=("secret in clear: here",))
    with pytest.raises(ExportError, match=r"^ConfigMap here/one: holds a secret outside of a Secret"):
        of(item("ConfigMap", data={"key": Concealed("x")}))


def test_what_a_chart_makes_anew_each_time_is_refused() -> None:
    with pytest.raises(ExportError, match=r"^Secret here/one: its chart makes a part of it anew"):
        of(item("Secret", release="here/x", data={"tls.key": Concealed(json.dumps("(generated)"))}))


def test_a_hook_of_helm_is_refused() -> None:
    with pytest.raises(ExportError, match=r"^Job here/one: a hook of Helm, which files cannot run at its time"):
        of(item("Job", release="here/x", metadata={"annotations": {"helm.sh/hook": "pre-install"}}))


def test_an_object_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ExportError, match=r"^ConfigMap here/one: there are two of it$"):
        of(item("ConfigMap"), item("ConfigMap", data={"x": "y"}))


def test_secrets_that_pods_refer_to_are_named_unless_somebody_makes_them() -> None:
    pod = {
        "containers": [
            {
                "env": [
                    {"valueFrom": {"secretKeyRef": {"name": "outside", "key": "b"}}},
                    {"valueFrom": {"secretKeyRef": {"name": "outside", "key": "a"}}},
                    {"valueFrom": {"secretKeyRef": {"name": "perhaps", "key": "a", "optional": True}}},
                ]
            }
        ],
        "volumes": [{"secret": {"secretName": "issued"}}, {"secret": {"secretName": "charts"}}],
    }
    found = of(
        item("Deployment", spec={"template": {"spec": pod}}),
        item("Certificate", spec={"secretName": "issued"}),
        item("Secret", name="charts", release="here/x", data={}),
        item("Alertmanager", spec={"secrets": ["on-call"]}),
    )
    assert found.secrets == (Secret("here", "on-call", ()), Secret("here", "outside", ("a", "b")))


def test_a_definition_that_describes_references_refers_to_nothing() -> None:
    assert of(item("CustomResourceDefinition", spec={"secretKeyRef": {"properties": {}}})).secrets == ()


def test_azure_and_releases_stay_out() -> None:
    release = Object(Key(HELM, "Release", "here", "x"), "layer", {"kind": "Release"}, "here/x")
    found = of(item("ConfigMap"), release, of_azure("azure-native:storage:StorageAccount", "account", {}, "storage"))
    assert len(found.objects) == 1
    assert found.azure == ("StorageAccount account",)


def test_what_is_said_to_pulumi_is_not_said_to_others() -> None:
    (found,) = of(item("Job", metadata={"annotations": {"pulumi.com/replaceUnready": "true"}})).objects
    assert "annotations" not in found.body["metadata"]


def test_client_ids_come_from_the_user_or_are_missed() -> None:
    account = item("ServiceAccount", metadata={"annotations": {"azure.workload.identity/client-id": "client-of-loki-identity"}})
    missed, given = of(account), content.of(Rendering("x", (account,), {}, None, None, ()), {"loki-identity": "1234"})
    assert missed.unknown_clients == ("loki-identity",)
    assert "<client id of loki-identity>" in str(missed.objects[0].body)
    assert given.unknown_clients == ()
    assert "'1234'" in str(given.objects[0].body)
    with pytest.raises(ExportError, match=r"^CLIENT_IDS names tempo-identity: the stack has no such identity; it has loki-identity$"):
        content.of(Rendering("x", (account,), {}, None, None, ()), {"tempo-identity": "1"})


@pytest.mark.parametrize(
    ("kept", "entry"),
    [
        (True, item("CustomResourceDefinition", metadata={"annotations": {"helm.sh/resource-policy": "keep"}})),
        (True, item("Namespace", resource="urn:pulumi:x::istio-stack::kubernetes:core/v1:NamespacePatch::shop-privileged")),
        (False, item("Namespace", resource="urn:pulumi:x::istio-stack::kubernetes:core/v1:Namespace::shop")),
        (False, item("CustomResourceDefinition")),
    ],
)
def test_what_outlives_the_stack_is_never_pruned(kept: bool, entry: Object) -> None:
    assert content.keeps(entry) is kept
