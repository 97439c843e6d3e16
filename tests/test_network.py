"""NetworkPolicies: the evaluator decides as Kubernetes says, and what is generated opens what the signal graph has and nothing else."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from components import network, signals
from components.config import parse
from components.network.evaluator import Namespaced, Node, Outside, Pod, Rules
from components.network.flows import flows
from components.network.parts import METRICS, pods_of
from components.network.policies import CLOSED
from components.settings import Settings
from components.signals import Graph
from components.topology import plan
from tests.recorder import Run
from tests.stacks import EVERY, PASSWORD, VARIANTS, settings_of
from tests.test_graph import Record

# the evaluator

STORE = Pod("store", "stores", {"app": "store"}, {"http": 3100})
SHOP = Pod("shop", "shop", {"app": "shop"})
ODD = Pod("odd", "stores", {"app": "odd"})
NAMESPACES = {"stores": {"kind": "data"}, "shop": {"kind": "apps"}}
API_SERVER = Outside("API server", "10.1.2.3")


def rules(*specs: dict[str, Any], home: str = "stores") -> Rules:
    return Rules([Namespaced(f"policy-{number}", home, spec) for number, spec in enumerate(specs)], NAMESPACES)


def opened(*ingress: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"podSelector": {"matchLabels": {"app": "store"}}, "policyTypes": ["Ingress"], "ingress": list(ingress), **more}


def test_a_pod_that_no_policy_selects_is_open() -> None:
    found = rules(opened())
    assert found.allows(SHOP, ODD, 1)
    assert not found.allows(SHOP, STORE, 3100)
    assert rules(opened(), home="elsewhere").allows(SHOP, STORE, 3100)


def test_a_refusal_names_the_policies_and_the_one_who_asked() -> None:
    refused = rules(opened()).refused(SHOP, STORE, 3100)
    assert refused == "Ingress of stores/store is guarded by stores/policy-0: none lets shop through at 3100/TCP"


def test_policies_only_ever_add_what_they_allow() -> None:
    found = rules({"podSelector": {}, "policyTypes": ["Ingress"]}, opened({"ports": [{"port": 3100}]}))
    assert found.allows(SHOP, STORE, 3100)
    assert not found.allows(SHOP, ODD, 3100)


@pytest.mark.parametrize(
    ("peer", "who"),
    [
        ({"podSelector": {}}, {"odd"}),
        ({"podSelector": {"matchLabels": {"app": "shop"}}}, set()),
        ({"namespaceSelector": {}}, {"odd", "shop"}),
        ({"namespaceSelector": {"matchLabels": {"kind": "apps"}}}, {"shop"}),
        ({"namespaceSelector": {"matchExpressions": [{"key": "kind", "operator": "NotIn", "values": ["apps"]}]}}, {"odd"}),
        ({"namespaceSelector": {"matchExpressions": [{"key": "kind", "operator": "Exists"}]}}, {"odd", "shop"}),
        ({"namespaceSelector": {"matchExpressions": [{"key": "kind", "operator": "DoesNotExist"}]}}, set()),
        ({"namespaceSelector": {}, "podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["shop"]}]}}, {"shop"}),
        ({"ipBlock": {"cidr": "10.1.0.0/16"}}, {"API server"}),
        ({"ipBlock": {"cidr": "10.1.0.0/16", "except": ["10.1.2.0/24"]}}, set()),
    ],
)
def test_a_peer_is_of_the_own_namespace_of_selected_ones_or_an_address(peer: dict[str, Any], who: set[str]) -> None:
    found = rules(opened({"from": [peer]}))
    assert {end.name for end in (ODD, SHOP, API_SERVER) if found.allows(end, STORE, 3100)} == who


@pytest.mark.parametrize(
    ("ports", "open_ports"),
    [
        ([{"port": 3100}], {3100}),
        ([{"port": "http"}], {3100}),
        ([{"port": "grpc"}], set()),
        ([{"port": 3000, "endPort": 3100}], {3000, 3100}),
        ([{"protocol": "UDP", "port": 3100}], set()),
        ([{"protocol": "TCP"}], {3000, 3100, 3101}),
        ([], {3000, 3100, 3101}),
    ],
)
def test_a_rule_opens_ports_by_number_name_range_or_all(ports: list[Any], open_ports: set[int]) -> None:
    found = rules(opened({"ports": ports}))
    assert {port for port in (3000, 3100, 3101) if found.allows(SHOP, STORE, port)} == open_ports


def test_a_node_reaches_its_pods_and_a_pod_on_its_network_is_the_node() -> None:
    found = rules(opened())
    assert found.allows(Node(), STORE, 3100)
    assert found.allows(SHOP, dataclasses.replace(STORE, on_host=True), 3100)
    inside = rules(opened({"from": [{"namespaceSelector": {}}]}))
    assert not inside.allows(dataclasses.replace(SHOP, on_host=True), STORE, 3100)


def test_what_leaves_is_guarded_where_a_policy_says_so() -> None:
    dns_only = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"ports": [{"protocol": "UDP", "port": 53}]}]}
    found = rules(dns_only)
    assert found.allows(STORE, SHOP, 53, "UDP")
    assert "Egress of stores/store" in found.refused(STORE, API_SERVER, 443)
    assert found.allows(SHOP, STORE, 3100)
    assert not rules({"podSelector": {}, "egress": [{"to": [{"podSelector": {}}]}]}).allows(STORE, SHOP, 80)
    assert rules({"podSelector": {}, "egress": [{"to": [{"podSelector": {}}]}], "policyTypes": ["Egress"]}).allows(STORE, ODD, 80)


# what is generated


def graph_of(settings: Settings) -> Graph:
    return signals.graph(settings, plan(settings))


def made(variant: str) -> network.Guards:
    settings = settings_of(variant)
    return network.guards(settings, graph_of(settings))


@pytest.mark.parametrize("variant", EVERY)
def test_every_signal_that_arrives_in_a_namespace_of_ours_opens_a_port_there(variant: str) -> None:
    settings = settings_of(variant)
    graph = graph_of(settings)
    opened_ports = {
        (namespace, port["port"])
        for namespace, policies in network.guards(settings, graph).of_namespace.items()
        for policy in policies
        for rule in policy.spec["ingress"]
        for port in rule.get("ports", [])
    }
    assert {("observability", 4317), ("observability", 4318), ("tempo", 4317), ("loki", 8080), ("tempo", 3200)} <= opened_ports
    scraped = {node: pods_of(node, graph.configured).namespace for node in METRICS if node in {m.target for m in graph.monitors}}
    ours = {namespace for namespace, _ in opened_ports}
    assert {(scraped[node], port) for node, ports in METRICS.items() if scraped.get(node) in ours for port in ports} <= opened_ports


@pytest.mark.parametrize("variant", EVERY)
def test_every_guarded_namespace_is_closed_but_the_control_planes_which_others_share(variant: str) -> None:
    for namespace, policies in made(variant).of_namespace.items():
        assert (next(p.name for p in policies) == CLOSED) == (namespace != "istio-system")
        assert len({p.name for p in policies}) == len(policies)


def test_namespaces_of_what_the_cluster_has_already_get_no_policy() -> None:
    assert set(made("existing").of_namespace) == {"alloy", "grafana", "loki", "observability", "tempo"}


def test_a_prometheus_of_the_clusters_own_is_let_in_by_its_namespace() -> None:
    (rule,) = [rule for policy in made("existing")["tempo"] for rule in policy.spec["ingress"] if "monitoring" in str(rule)]
    assert {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}} in rule["from"]


def test_what_the_api_server_calls_is_open_to_any_address() -> None:
    """In AKS its calls come through a tunnel or from an address that nobody promises."""
    for namespace, port in (("cert-manager", 10250), ("opentelemetry-operator", 9443), ("istio-system", 15017)):
        (rule,) = [
            rule
            for p in made("local")[namespace]
            for rule in p.spec["ingress"]
            if {"port": port, "protocol": "TCP"} in rule.get("ports", [])
        ]
        assert "from" not in rule


def test_settings_turn_all_of_it_off() -> None:
    settings = parse({"grafanaAdminPassword": PASSWORD, "network": {"policies": False}})
    assert network.guards(settings, graph_of(settings)).of_namespace == {}


def test_what_stays_within_its_pods_needs_no_flow() -> None:
    assert [flow for flow in flows(graph_of(settings_of("local"))) if flow.source == flow.target] == []


def test_a_namespace_comes_with_its_policies(record: Record) -> None:
    run: Run = record(VARIANTS["local"])
    made_policies = run.of_kind("NetworkPolicy")
    expected = {(namespace, p.name) for namespace, policies in made("local").of_namespace.items() for p in policies}
    assert {(r.inputs["metadata"]["namespace"], r.inputs["metadata"]["name"]) for r in made_policies} == expected
    for policy in made_policies:
        namespace = run.named("Namespace", policy.inputs["metadata"]["namespace"])
        assert policy.parent == namespace.parent
        assert namespace.urn in policy.dependencies
