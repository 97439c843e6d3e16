"""The proof of order: each rule of what a webhook covers, and each way to be too early."""

from datetime import UTC, datetime
from typing import Any

import pytest

from rehearsal import order

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
MESH = {"group": "mesh.io", "version": "v1", "kind": "Route", "resource": "routes"}


def at(second: int) -> str:
    return f"2026-01-01T10:00:{second:02d}Z"


def thing(name: str, created: int, namespace: str | None = "place", **labels: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "creationTimestamp": at(created), "labels": labels}
    return {"metadata": metadata | ({"namespace": namespace} if namespace else {})}


def deployment(name: str, available: int | None, namespace: str = "operator", **labels: str) -> dict[str, Any]:
    condition = {"type": "Available", "status": "True" if available is not None else "False", "lastTransitionTime": at(available or 0)}
    pod = {"metadata": {"labels": {"app": name, **labels}}}
    return thing(name, 0, namespace) | {"spec": {"template": pod}, "status": {"conditions": [condition]}}


def webhook(**changes: Any) -> dict[str, Any]:
    rule = {"apiGroups": ["mesh.io"], "apiVersions": ["v1"], "resources": ["routes"], "operations": ["CREATE"]}
    service = {"name": "hook", "namespace": "operator"}
    return {
        "name": "check",
        "failurePolicy": "Fail",
        "clientConfig": {"service": service},
        "rules": [rule | changes.pop("rule", {})],
        **changes,
    }


class Api:
    """An API server of paths: what it lists is what a test put there."""

    def __init__(self, **lists: list[dict[str, Any]]) -> None:
        service = thing("hook", 0, "operator") | {"spec": {"selector": {"app": "operator"}}}
        self.lists: dict[str, list[dict[str, Any]]] = {
            f"{ADMISSION}/mutatingwebhookconfigurations": [],
            f"{ADMISSION}/validatingwebhookconfigurations": [
                {"metadata": {"name": "hooks"}, "webhooks": lists.get("webhooks", [webhook()])}
            ],
            "/api/v1/namespaces": lists.get("namespaces", [thing("place", 0, None), thing("operator", 0, None)]),
            "/apis/apps/v1/deployments": lists.get("deployments", [deployment("operator", 10)]),
            "/api/v1/services": lists.get("services", [service]),
            "/api/v1/pods": lists.get("pods", []),
            "/apis/mesh.io/v2/routes": lists.get("routes", []),
            "/apis/mesh.io/v2/zones": lists.get("zones", []),
        }

    def request(self, method: str, path: str) -> dict[str, Any]:
        assert method == "GET"
        if path == "/apis":
            return {"groups": [{"name": "mesh.io", "preferredVersion": {"groupVersion": "mesh.io/v2"}}]}
        if path == "/apis/mesh.io/v2":
            return {
                "resources": [resource("routes", "Route", True), resource("routes/status", "Route", True), resource("zones", "Zone", False)]
            }
        if path == "/api/v1":
            return {"resources": [resource("pods", "Pod", True), resource("namespaces", "Namespace", False)]}
        return {"items": self.lists[path]}


def resource(name: str, kind: str, namespaced: bool) -> dict[str, Any]:
    return {"name": name, "kind": kind, "namespaced": namespaced, "verbs": ["create", "list", "get"]}


def checked(api: Api) -> list[str]:
    return [pair.thing for pair in order.prove(api).pairs]


def test_an_object_older_than_what_admits_it_is_a_violation_that_says_by_how_much() -> None:
    proof = order.prove(Api(routes=[thing("early", 7), thing("same second", 10), thing("late", 11)]))
    assert proof.violations == [
        "Route place/early: created 10:00:07, 3 s before webhook hooks/check (Deployment operator/operator) was available"
    ]
    assert len(proof.pairs) == 3


def test_an_object_is_held_against_the_webhook_in_whatever_version_it_was_sent() -> None:
    # The rule says v1, the API server lists by its preferred v2.
    assert checked(Api(routes=[thing("one", 11)])) == ["Route place/one"]


@pytest.mark.parametrize(
    ("rule", "covered"),
    [
        ({"resources": ["*"]}, ["Route place/r", "Zone z"]),
        ({"resources": ["*/*"]}, ["Route place/r", "Zone z"]),
        ({"resources": ["routes/status"]}, []),
        ({"resources": ["*"], "scope": "Namespaced"}, ["Route place/r"]),
        ({"resources": ["*"], "scope": "Cluster"}, ["Zone z"]),
        ({"operations": ["UPDATE", "DELETE"]}, []),
        ({"operations": ["*"]}, ["Route place/r"]),
        ({"apiGroups": ["*"], "resources": ["routes"]}, ["Route place/r"]),
        ({"apiGroups": ["other.io"]}, []),
    ],
)
def test_rules_cover_what_they_cover_for_the_api_server(rule: dict[str, Any], covered: list[str]) -> None:
    api = Api(webhooks=[webhook(rule=rule)], routes=[thing("r", 11)], zones=[thing("z", 11, None)])
    assert checked(api) == covered


@pytest.mark.parametrize(
    ("selector", "labels", "matches"),
    [
        ({"matchLabels": {"a": "1"}}, {"a": "1", "b": "2"}, True),
        ({"matchLabels": {"a": "1"}}, {}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, {"a": "2"}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, {}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, {"a": "1"}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {}, False),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {}, True),
        ({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "Exists"}]}, {"a": "1"}, False),
        ({}, {}, True),
    ],
)
def test_both_selectors_decide(selector: dict[str, Any], labels: dict[str, str], matches: bool) -> None:
    by_object = Api(webhooks=[webhook(objectSelector=selector)], routes=[thing("r", 11, **labels)])
    assert bool(checked(by_object)) is matches
    by_namespace = Api(
        webhooks=[webhook(namespaceSelector=selector)], routes=[thing("r", 11)], namespaces=[thing("place", 0, None, **labels)]
    )
    assert bool(checked(by_namespace)) is matches


def test_a_namespace_selector_lets_what_is_cluster_wide_pass() -> None:
    hook = webhook(rule={"resources": ["zones"]}, namespaceSelector={"matchLabels": {"a": "1"}})
    assert checked(Api(webhooks=[hook], zones=[thing("z", 11, None)])) == ["Zone z"]


def test_a_namespace_is_selected_by_its_own_labels() -> None:
    hook = webhook(rule={"apiGroups": [""], "resources": ["namespaces"]}, namespaceSelector={"matchLabels": {"a": "1"}})
    namespaces = [thing("place", 11, None, a="1"), thing("operator", 11, None)]
    assert checked(Api(webhooks=[hook], namespaces=namespaces)) == ["Namespace place"]


def test_a_webhook_that_may_fail_or_lives_behind_a_url_gates_nothing() -> None:
    elsewhere = webhook(clientConfig={"url": "https://elsewhere.invalid"})
    api = Api(webhooks=[webhook(failurePolicy="Ignore"), elsewhere], routes=[thing("early", 1)])
    assert order.prove(api).pairs == []


def test_a_webhook_without_a_policy_fails_as_the_api_server_has_it() -> None:
    hook = webhook()
    del hook["failurePolicy"]
    assert len(order.prove(Api(webhooks=[hook], routes=[thing("early", 1)])).violations) == 1


@pytest.mark.parametrize(
    ("lists", "problem"),
    [
        ({"services": []}, "there is no Service operator/hook"),
        ({"deployments": []}, "Service operator/hook selects no Deployment"),
        ({"deployments": [deployment("operator", 10, namespace="elsewhere")]}, "Service operator/hook selects no Deployment"),
        ({"deployments": [deployment("operator", None)]}, "Deployment operator/operator is not available"),
    ],
)
def test_what_a_webhook_covers_while_nothing_serves_it_is_a_violation(lists: dict[str, Any], problem: str) -> None:
    assert order.prove(Api(routes=[thing("r", 59)], **lists)).violations == [
        f"Route place/r: created 10:00:59, while webhook hooks/check never served: {problem}"
    ]


def test_a_webhook_that_serves_nobody_is_no_violation_while_nothing_is_covered() -> None:
    assert order.prove(Api(services=[])).violations == []


def injected(pods: list[dict[str, Any]], istiods: list[dict[str, Any]], **labels: str) -> order.Proof:
    namespaces = [thing("place", 0, None, **labels), thing("plain", 0, None)]
    return order.prove(Api(webhooks=[], pods=pods, deployments=istiods, namespaces=namespaces))


@pytest.mark.parametrize("labels", [{"istio-injection": "enabled"}, {"istio.io/rev": "default"}])
def test_a_pod_in_an_injected_namespace_must_not_be_older_than_istiod(labels: dict[str, str]) -> None:
    pods = [thing("early", 9), thing("late", 10), thing("elsewhere", 1, "plain")]
    proof = injected(pods, [deployment("istiod", 10, app="istiod")], **labels)
    assert [pair.thing for pair in proof.pairs] == ["Pod place/early", "Pod place/late"]
    assert proof.violations == [
        "Pod place/early: created 10:00:09, 1 s before injection (default) (Deployment operator/istiod) was available"
    ]


def test_a_revision_is_served_by_its_own_istiod() -> None:
    istiods = [deployment("istiod", 10, app="istiod"), deployment("istiod-next", 20, app="istiod", **{"istio.io/rev": "next"})]
    assert len(injected([thing("pod", 15)], istiods, **{"istio.io/rev": "next"}).violations) == 1
    assert injected([thing("pod", 15)], istiods, **{"istio-injection": "enabled"}).violations == []


def test_a_pod_that_opted_out_of_injection_waits_for_nobody() -> None:
    pod = thing("pod", 1, **{"sidecar.istio.io/inject": "false"})
    assert injected([pod], [deployment("istiod", 10, app="istiod")], **{"istio-injection": "enabled"}).pairs == []


def test_injection_without_an_istiod_is_a_violation() -> None:
    violations = injected([thing("pod", 30)], [], **{"istio-injection": "enabled"}).violations
    assert violations == ["Pod place/pod: created 10:00:30, while injection (default) never served: there is no istiod"]


def test_what_an_earlier_proof_covered_is_not_judged_by_a_later_restart() -> None:
    api = Api(routes=[thing("old", 1), thing("new", 5)])
    proof = order.prove(api, since=datetime(2026, 1, 1, 10, 0, 3, 900_000, tzinfo=UTC))
    assert [pair.thing for pair in proof.pairs] == ["Route place/new"]
    assert len(proof.violations) == 1


def test_the_summary_says_what_was_held_against_what() -> None:
    assert order.prove(Api(routes=[thing("r", 11)])).summary() == "1 pairs of object and gate hold, over 1 gates"
    assert order.prove(Api(routes=[thing("r", 1)])).summary() == "1 of 1 objects were made before what admits them"
    assert order.prove(Api()).summary() == "nothing new to hold against 1 gates"
