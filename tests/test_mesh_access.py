"""Access inside the mesh: mutual TLS where pods are in it, callers by identity, and no policy where no proxy would enforce it."""

from __future__ import annotations

from typing import Any

import pytest

from components import mesh_access, sample_app
from components.config import parse
from components.errors import ConfigurationError
from components.settings import Settings
from components.topology import plan
from tests.recorder import Registered, Run
from tests.stacks import EVERY, IMAGE, PASSWORD, settings_of
from tests.test_graph import Record


def settings(**config: Any) -> Settings:
    return parse({"grafanaAdminPassword": PASSWORD, **config})


def of_sample(chosen: Settings) -> dict[str, dict[str, Any]]:
    return sample_app.access_specs(chosen, plan(chosen))


def sources(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry["source"] for rule in spec["rules"] for entry in rule["from"]]


def test_only_the_gateways_identity_asks_for_the_sample() -> None:
    (spec,) = of_sample(settings()).values()
    assert spec["action"] == "ALLOW"
    assert sources(spec) == [{"principals": ["cluster.local/ns/istio-ingress/sa/istio-ingressgateway"]}]
    pod = sample_app.deployment_spec(settings(sampleApp={"image": IMAGE}), plan(settings()))["template"]
    assert spec["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    ports = {str(port["containerPort"]) for port in pod["spec"]["containers"][0]["ports"]}
    assert {port for rule in spec["rules"] for to in rule["to"] for port in to["operation"]["ports"]} == ports


def test_a_gateway_of_the_clusters_own_is_known_by_its_namespace() -> None:
    (spec,) = of_sample(settings_of("existing")).values()
    assert sources(spec) == [{"namespaces": ["edge"]}]


def test_in_ambient_mode_the_waypoint_is_let_in_and_lets_only_the_gateway_in() -> None:
    specs = of_sample(settings(istio={"mode": "ambient"}))
    gateway = {"principals": ["cluster.local/ns/istio-ingress/sa/istio-ingressgateway"]}
    assert sources(specs["rolldice"]) == [gateway, {"principals": ["cluster.local/ns/sample/sa/waypoint"]}]
    assert sources(specs["waypoint"]) == [gateway]
    assert specs["waypoint"]["targetRefs"] == [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": sample_app.WAYPOINT}]
    # a node's proxy knows callers and ports; a policy that asks for paths or methods it would refuse to everybody
    assert {key for rule in specs["rolldice"]["rules"] for to in rule["to"] for key in to["operation"]} == {"ports"}


def joined(run: Run, topology_labels: dict[str, str]) -> set[str]:
    labels = topology_labels.items()
    return {r.inputs["metadata"]["name"] for r in run.of_kind("Namespace") if labels <= (r.inputs["metadata"].get("labels") or {}).items()}


def places(found: list[Registered]) -> set[tuple[str, str]]:
    return {(r.inputs["metadata"]["namespace"], r.inputs["metadata"]["name"]) for r in found}


@pytest.mark.parametrize("variant", ["ambient", "distributed"])
def test_every_namespace_of_ours_in_the_mesh_is_strict_and_no_other_has_a_policy_that_nobody_enforces(variant: str, record: Record) -> None:
    chosen = settings_of(variant)
    run = record(EVERY[variant])
    members = joined(run, dict(plan(chosen).injection_labels))
    assert members == {"sample"}
    strict = run.of_kind("PeerAuthentication")
    assert places(strict) == {("sample", mesh_access.EVERY_POD)}
    assert {r.inputs["spec"]["mtls"]["mode"] for r in strict} == {"STRICT"}
    assert {namespace for namespace, _ in places(run.of_kind("AuthorizationPolicy"))} <= members


def test_namespaces_of_others_are_strict_where_settings_say_so(record: Record) -> None:
    run = record({"istio": {"strictNamespaces": ["shop", "checkout"]}})
    assert places(run.of_kind("PeerAuthentication")) == {("shop", "default"), ("checkout", "default")}


@pytest.mark.parametrize(
    ("namespaces", "line"),
    [
        (["shop", "shop"], "istio.strictNamespaces.1 is shop: it stands there twice"),
        (["sample"], "istio.strictNamespaces.0 is sample: that is the sample's, which is strict already; remove it"),
        (
            ["istio-system"],
            "istio.strictNamespaces.0 is istio-system: that is the mesh's root, and would make every namespace of it strict",
        ),
    ],
)
def test_a_namespace_that_makes_no_sense_there_is_refused(namespaces: list[str], line: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        settings(istio={"strictNamespaces": namespaces})
    assert refused.value.lines == (line,)
