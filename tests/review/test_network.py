"""Policies against rendered pods: every connection of a stack is let through, and nobody else reaches a store."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
import yaml

from components import signals
from components.config import parse
from components.network import proof
from components.network.evaluator import Namespaced, Pod, Rules
from components.network.world import STRANGER, World, world
from components.signals import Graph
from components.topology import plan
from review.recorder import ROOT
from review.render import Rendering
from review.work import render
from tests import reference
from tests.stacks import EVERY, HOST, IMAGE, PASSWORD, installs, settings_of

CONFIGS: dict[str, dict[str, Any]] = {
    "sidecar": {"sampleApp": {"image": IMAGE}, "opentelemetry": {"tls": True}, "grafana": {"exposure": {"host": HOST}}},
    "ambient": EVERY["ambient"],
    "keyless-distributed": EVERY["keyless-distributed"],
    "existing": EVERY["existing"],
}
OPEN_TO_ALL = {
    ("observability", "collector/otel", 4317),
    ("observability", "collector/otel", 4318),
    ("cert-manager", "deployment/cert-manager-webhook", 10250),
    ("opentelemetry-operator", "deployment/opentelemetry-operator", 9443),
    ("istio-system", "deployment/istiod", 15012),
    ("istio-system", "deployment/istiod", 15017),
}
"""What any pod of the cluster reaches of what is guarded: where signals go in, and what the API server and proxies call under TLS."""


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rendering]:
    root = tmp_path_factory.mktemp("checkout")
    for part in (*(path for path in ROOT.iterdir() if not path.name.startswith((".", "Pulumi."))), ROOT / "Pulumi.yaml"):
        (root / part.name).symlink_to(part)
    for name, config in CONFIGS.items():
        everything = {"grafanaAdminPassword": {"secure": "v1:AAAA"}, **config}
        document = {"config": {f"istio-stack:{key}": value for key, value in everything.items()}}
        (root / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump(document))
    return render(list(CONFIGS), root, bundles=True)


@pytest.fixture(scope="module")
def worlds(rendered: dict[str, Rendering]) -> dict[str, World]:
    return {name: world(item.body for item in rendering.objects) for name, rendering in rendered.items()}


def graph_of(name: str) -> Graph:
    settings = parse({"grafanaAdminPassword": PASSWORD, **CONFIGS[name]})
    return signals.graph(settings, plan(settings, "istio-stack", name))


@pytest.mark.parametrize("name", CONFIGS)
def test_everything_that_a_stack_needs_is_let_through(name: str, worlds: dict[str, World]) -> None:
    found, graph = worlds[name], graph_of(name)
    assert proof.broken(found, graph) == []
    whys = {one.why.partition(" ")[0] for one in proof.needed(found, graph)}
    assert {"span", "log", "metric", "query", "chunk", "block", "scrape", "webhook", "DNS", "API", "probe"} <= whys | (
        {"webhook"} if name == "existing" else set()
    )
    assert len(list(proof.needed(found, graph))) > 100


@pytest.mark.parametrize("name", CONFIGS)
def test_a_stranger_reaches_nothing_guarded_but_where_signals_and_webhook_calls_go_in(name: str, worlds: dict[str, World]) -> None:
    found = worlds[name]
    guarded = {policy.namespace for policy in found.rules.policies}
    reached = {
        (namespace, pod.replace("istiod-blue", "istiod"), port)
        for namespace, pod, port in proof.reached(found)
        if namespace in guarded and not pod.endswith(("istio-cni-node", "ztunnel"))  # beside istiod, and no part of what is guarded
    }
    assert reached == {place for place in OPEN_TO_ALL if place[0] in guarded}


def pods(found: World, namespace: str) -> list[Pod]:
    return found.selected(namespace, {})


def test_people_reach_grafana_through_the_gateway_and_nobody_else_does(worlds: dict[str, World]) -> None:
    found, graph = worlds["ambient"], graph_of("ambient")
    (gateway,), (grafana,) = pods(found, "istio-ingress"), found.selected("grafana", {"app.kubernetes.io/name": "grafana"})
    assert found.rules.allows(gateway, grafana, 3000) and not found.rules.allows(STRANGER, grafana, 3000)
    assert [(one.target, one.port) for one in proof.needed(found, graph) if one.source == proof.BROWSERS] == [(gateway, 443)]
    shut = Namespaced("shut", "istio-ingress", {"podSelector": {}, "policyTypes": ["Ingress"]})
    closed = dataclasses.replace(found, rules=Rules([*found.rules.policies, shut], found.rules.namespaces))
    (line,) = [line for line in proof.broken(closed, graph) if line.startswith("view ")]
    assert "none lets browsers through at 443/TCP" in line


def test_an_application_reads_no_store_and_the_gateway_no_metrics(worlds: dict[str, World]) -> None:
    found = worlds["sidecar"]
    (sample,), (gateway,) = pods(found, "sample"), pods(found, "istio-ingress")
    (loki,) = found.selected("loki", {"app.kubernetes.io/component": "single-binary"})
    (tempo,), (grafana,) = (
        found.selected("tempo", {"app.kubernetes.io/name": "tempo"}),
        found.selected("grafana", {"app.kubernetes.io/name": "grafana"}),
    )
    (prometheus,) = found.selected("prometheus", {"app.kubernetes.io/name": "prometheus"})
    (collector,) = found.selected("observability", {"app.kubernetes.io/component": "opentelemetry-collector"})
    refused = [
        (sample, loki, 3100), (sample, loki, 9095), (sample, tempo, 3200), (sample, tempo, 4317), (sample, prometheus, 9090),
        (sample, grafana, 3000), (gateway, prometheus, 9090), (gateway, tempo, 4317), (collector, loki, 3100), (collector, tempo, 3200),
        (grafana, tempo, 4317), (grafana, loki, 3100), (loki, tempo, 3200), (sample, collector, 8888), (STRANGER, collector, 13133),
    ]  # fmt: skip
    assert [(s.name, t.name, port) for s, t, port in refused if found.rules.allows(s, t, port)] == []
    let_in = [
        (sample, collector, 4318),
        (gateway, collector, 4317),
        (collector, tempo, 4317),
        (grafana, tempo, 3200),
        (prometheus, loki, 3100),
    ]
    assert [(s.name, t.name, port) for s, t, port in let_in if not found.rules.allows(s, t, port)] == []


def test_parts_of_a_distributed_store_reach_each_other_and_only_their_doors_are_open(worlds: dict[str, World]) -> None:
    found = worlds["keyless-distributed"]
    (ingester,) = found.selected("tempo", {"app.kubernetes.io/component": "ingester"})
    (distributor,) = found.selected("tempo", {"app.kubernetes.io/component": "distributor"})
    (grafana,) = found.selected("grafana", {"app.kubernetes.io/name": "grafana"})
    assert found.rules.allows(distributor, ingester, 9095)
    assert found.rules.allows(ingester, distributor, 7946)
    assert not found.rules.allows(grafana, ingester, 3200)
    assert not found.rules.allows(grafana, distributor, 3200)


@pytest.mark.parametrize(
    "lost", [("loki", "loki-gateway"), ("tempo", "tempo"), ("observability", "otel-collector"), ("cert-manager", "cert-manager-webhook")]
)
def test_a_policy_that_is_missing_is_noticed(lost: tuple[str, str], worlds: dict[str, World]) -> None:
    found = worlds["sidecar"]
    left = [policy for policy in found.rules.policies if (policy.namespace, policy.name) != lost]
    assert len(left) == len(found.rules.policies) - 1
    lines = proof.broken(
        World(found.pods, found.services, found.monitors, found.webhooks, Rules(left, found.rules.namespaces)), graph_of("sidecar")
    )
    assert lines
    assert all(f"guarded by {lost[0]}/" in line for line in lines)


def test_an_egress_policy_that_forgets_names_login_and_blobs_is_noticed(worlds: dict[str, World]) -> None:
    found = worlds["keyless-distributed"]
    forgetful = Namespaced("out", "tempo", {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [{"podSelector": {}}]}]})
    rules = Rules([*found.rules.policies, forgetful], found.rules.namespaces)
    lines = "\n".join(
        proof.broken(World(found.pods, found.services, found.monitors, found.webhooks, rules), graph_of("keyless-distributed"))
    )
    for what in ("DNS of", "workload identity of", "block of tempo to https://", "metric of generator to", "API server for"):
        assert what in lines


def test_the_real_charts_pods_are_those_that_the_policies_select(rendered: dict[str, Rendering]) -> None:
    """Labels and ports of bundles are held to the real charts field by field; here the real ones stand in their place altogether."""
    settings = settings_of("local")
    own = [item.body for item in rendered["sidecar"].objects if not item.release]
    real = []
    for install in installs(settings):
        for body in copy.deepcopy(reference.rendered(install.release.chart)) if install.release.chart != "prometheus-operator-crds" else ():
            body["metadata"].setdefault("namespace", install.release.namespace)
            real.append(body)
    found = world([*own, *real])
    assert len(found.pods) > 15
    # the gateway's exporter is on in the rendering there and off in this stack
    lines = [line for line in proof.broken(found, graph_of("sidecar")) if "4040" not in line]
    assert lines == []
    # what the renderings there have on and this stack has off
    off = {("loki", "deployment/loki-gateway", 4040), ("loki", "deployment/loki-gateway", 8514)}
    guarded = {policy.namespace for policy in found.rules.policies}
    assert {place for place in proof.reached(found) if place[0] in guarded} - off == OPEN_TO_ALL
