"""Clusters that have cert-manager, the Prometheus operator, the OpenTelemetry operator or Istio already: only what is missing is made."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from components.config import parse
from components.topology import plan
from tests.azure_stacks import EXISTING
from tests.recorder import Run
from tests.stacks import VARIANTS

Record = Callable[..., Run]
THEIRS = {
    "certManager": {"cert-manager"},
    "prometheus": {"prometheus-operator-crds", "prom"},
    "opentelemetry": {"opentelemetry-operator"},
    "istio": {"istio-base", "istiod", "istio-ingressgateway"},
}
"""Key to the releases that go when the cluster has that layer already."""
OURS = {
    "certManager": {("ClusterIssuer", "istio-stack")},
    "prometheus": {
        ("ServiceMonitor", "istio-component-monitor"),
        ("PodMonitor", "envoy-stats-monitor"),
        ("ServiceMonitor", "cert-manager"),
    },
    "opentelemetry": {("OpenTelemetryCollector", "otel"), ("Instrumentation", "default")},
    "istio": {("Telemetry", "mesh-observability")},
}
"""Key to the custom resources that are made all the same."""
CUSTOM = set().union(*OURS.values())


def releases(run: Run) -> set[str]:
    return {r.name for r in run.of_kind("Release")}


@pytest.fixture(scope="module")
def everything(record: Record) -> Run:
    return record({})


@pytest.mark.parametrize("key", THEIRS)
def test_what_the_cluster_has_is_not_installed_and_its_custom_resources_are_made(key: str, record: Record, everything: Run) -> None:
    run = record({key: EXISTING[key]})
    assert releases(everything) - releases(run) == THEIRS[key]
    assert releases(run) < releases(everything)
    made = {(r.kind, r.name) for r in run.resources.values()}
    assert made >= CUSTOM


def test_no_namespace_of_others_is_made_or_removed(record: Record) -> None:
    run = record(EXISTING)
    namespaces = {r.inputs["metadata"]["name"] for r in run.of_kind("Namespace")}
    assert namespaces == {"azurite", "tempo", "loki", "observability", "alloy", "grafana"}


def test_an_existing_cert_manager_needs_no_gate(record: Record) -> None:
    assert not [r for r in record(EXISTING).of_kind("Job") if r.name == "cert-manager-gate"]


def test_names_of_what_exists_reach_all_that_refer_to_them(record: Record) -> None:
    run = record({**EXISTING, "sampleApp": VARIANTS["ambient"]["sampleApp"]})
    prometheus = "http://kps-prometheus.monitoring.svc.cluster.local:9090"
    sources = run.named("Release", "grafana").inputs["values"]["datasources"]["datasources.yaml"]["datasources"]
    assert {s["url"] for s in sources if s["type"] == "prometheus"} == {prometheus}
    (write,) = run.named("Release", "tempo").inputs["values"]["tempo"]["metricsGenerator"]["storage"]["remote_write"]
    assert write["url"] == f"{prometheus}/api/v1/write"
    exporters = run.named("OpenTelemetryCollector", "otel").inputs["spec"]["config"]["exporters"]
    assert exporters["otlp_http/prometheus"]["endpoint"] == f"{prometheus}/api/v1/otlp"
    monitor = run.named("ServiceMonitor", "cert-manager").inputs
    assert monitor["metadata"]["namespace"] == "monitoring"
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["pki"]}
    assert monitor["spec"]["selector"]["matchLabels"] == {"app.kubernetes.io/instance": "cm"}
    assert run.named("Gateway", "rolldice").inputs["spec"]["selector"] == {"istio": "edge"}
    assert run.outputs["sampleUrl"] == "http://edge-gateway.edge.svc.cluster.local/rolldice"


def test_an_existing_mesh_without_a_gateway_gets_ours(record: Record) -> None:
    run = record({"istio": {"source": "existing", "existing": {"namespace": "mesh"}}})
    assert "istio-ingressgateway" in releases(run)
    assert not {"istio-base", "istiod"} & releases(run)
    assert run.named("Telemetry", "mesh-observability").inputs["metadata"]["namespace"] == "mesh"


def test_an_existing_ambient_mesh_has_its_node_proxies_and_definitions(record: Record) -> None:
    run = record({**EXISTING, "istio": {**EXISTING["istio"], "mode": "ambient"}})
    assert not {"istio-cni", "ztunnel"} & releases(run)
    assert run.of_kind("CustomResourceDefinition") == []


def test_versions_of_what_is_not_installed_are_not_claimed(record: Record) -> None:
    assert set(record(EXISTING).outputs["chartVersions"]) == {"tempo", "loki", "alloy", "grafana"}


def test_operators_of_others_make_no_service_of_ours() -> None:
    names = plan(parse({"grafanaAdminPassword": "x", **EXISTING}))
    assert {made.service.name for made in names.operator_services} == {"otel-collector", "otel-collector-monitoring"}
