"""The whole program against a recording engine: providers, secrets, previews, order, names."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from components import azurite
from components.charts import ROOT
from tests import recorder, reference
from tests.recorder import Run, leaves
from tests.stacks import CLIENT_SECRET, PASSWORD, VARIANTS

Record = Callable[..., Run]
BUILT_IN = re.compile(
    r"kubernetes:(core|apps|batch|networking\.k8s\.io|rbac\.authorization\.k8s\.io|apiextensions\.k8s\.io)/|kubernetes:helm"
)
SECRETS = (PASSWORD, CLIENT_SECRET, azurite.ACCOUNT_KEY)


@pytest.fixture(scope="module", params=list(VARIANTS))
def variant(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def up(variant: str, record: Record) -> Run:
    return record(VARIANTS[variant])


@pytest.fixture(scope="module")
def preview(variant: str, record: Record) -> Run:
    return record(VARIANTS[variant], preview=True)


def test_every_kubernetes_resource_names_the_one_provider(up: Run) -> None:
    (provider,) = [r for r in up.resources.values() if r.type == "pulumi:providers:kubernetes"]
    resources = [r for r in up.resources.values() if r.custom and r.type.startswith("kubernetes:")]
    assert len(resources) > 40
    assert [r.urn for r in resources if not r.provider.startswith(provider.urn)] == []


def test_every_resource_belongs_to_a_layer(up: Run) -> None:
    orphans = [r.urn for r in up.resources.values() if r.type.startswith("kubernetes:") and "istio-stack:" not in r.parent]
    assert orphans == []


def test_a_cold_preview_leaves_no_unknown_in_any_release(preview: Run) -> None:
    releases = preview.of_kind("Release")
    assert len(releases) >= 11
    assert [r.name for r in releases if recorder.UNKNOWN in [leaf for leaf, _ in leaves(r.inputs)]] == []


def test_a_cold_preview_registers_what_an_up_registers(preview: Run, up: Run) -> None:
    # reading the load balancer's address needs its Service, which a cold preview cannot have
    assert set(preview.resources) == {urn for urn in up.resources if not urn.endswith("::gateway-address")}


def test_no_secret_stands_bare_anywhere(up: Run) -> None:
    seen = [(r.urn, secret) for r in up.resources.values() for leaf, secret in leaves(r.inputs) if any(s in str(leaf) for s in SECRETS)]
    assert len(seen) >= 4
    assert [urn for urn, secret in seen if not secret] == []


def test_secrets_go_into_secrets_only(up: Run) -> None:
    carriers = {r.kind for r in up.resources.values() for leaf, _ in leaves(r.inputs) if any(s in str(leaf) for s in SECRETS)}
    assert carriers == {"Secret"}


def test_no_layer_outputs_a_secret(up: Run) -> None:
    assert len(up.component_outputs) > 10
    assert not [urn for urn, outputs in up.component_outputs.items() for leaf, _ in leaves(outputs) if str(leaf) in SECRETS]


DEFINED_BY = {
    "telemetry.istio.io": "istiod",
    "networking.istio.io": "istiod",
    "security.istio.io": "istiod",
    "monitoring.coreos.com": "prometheus-operator-crds",
    "cert-manager.io": "cert-manager",
    "opentelemetry.io": "opentelemetry-operator",
    "monitoring.grafana.com": "alloy",
}
"""API group to the release that brings its definition and, where there is one, serves its webhook."""


def test_every_custom_resource_waits_for_the_release_that_defines_and_validates_it(up: Run) -> None:
    customs = [r for r in up.resources.values() if r.type.startswith("kubernetes:") and not BUILT_IN.match(r.type)]
    assert len(customs) >= 7
    late = []
    for resource in customs:
        group = resource.type.removeprefix("kubernetes:").split("/")[0]
        if group == "gateway.networking.k8s.io":
            definition = up.named("CustomResourceDefinition", "gateways.gateway.networking.k8s.io")
        else:
            definition = next(r for r in up.of_kind("Release") if r.name.removesuffix("-blue") == DEFINED_BY[group])
        if definition.urn not in up.waits_for(resource):
            late.append(resource.urn)
    assert late == []


def test_the_table_of_definitions_is_what_the_charts_bring() -> None:
    brought = {
        chart: {d["spec"]["group"] for d in reference.definitions(chart)}
        for chart in ("base", "prometheus-operator-crds", "cert-manager", "opentelemetry-operator", "alloy")
    }
    for group, release in DEFINED_BY.items():
        assert group in brought["base" if release == "istiod" else release]


def test_certificates_wait_for_proof_that_the_webhook_answers(up: Run) -> None:
    gate = up.named("Job", "cert-manager-gate")
    for resource in (*up.of_kind("ClusterIssuer"), up.named("Release", "opentelemetry-operator")):
        assert gate.urn in up.waits_for(resource), resource.urn


def test_the_gate_starts_with_cert_manager_and_not_after_it(up: Run) -> None:
    gate, release = up.named("Job", "cert-manager-gate"), up.named("Release", "cert-manager")
    assert release.urn not in up.waits_for(gate)


def test_stores_wait_for_their_containers_and_their_key(up: Run) -> None:
    for store in ("tempo", "loki"):
        before = up.waits_for(up.named("Release", store))
        assert up.named("Job", "create-containers").urn in before
        assert up.named("Secret", f"{store}-azure-key").urn in before
        assert up.named("ServiceAccount", store).urn in before


def test_the_gateway_waits_for_the_injector(up: Run) -> None:
    istiod = next(r for r in up.of_kind("Release") if r.name.startswith("istiod"))
    assert istiod.urn in up.waits_for(up.named("Release", "istio-ingressgateway"))


def test_the_sample_waits_for_injection_and_instrumentation(record: Record) -> None:
    run = record(VARIANTS["ambient"])
    before = run.waits_for(run.named("Deployment", "rolldice"))
    for urn in (
        run.named("Release", "istiod-blue").urn,
        run.named("Release", "ztunnel").urn,
        run.named("Instrumentation", "default").urn,
    ):
        assert urn in before


def test_the_sample_does_not_wait_for_the_gateway(record: Record) -> None:
    run = record(VARIANTS["ambient"])
    assert run.named("Release", "istio-ingressgateway").urn not in run.waits_for(run.named("Deployment", "rolldice"))


def test_nothing_but_their_definitions_keeps_independent_layers_waiting(up: Run) -> None:
    """The critical path stays short: these releases wait for no other release's pods."""
    for name in ("prom", "alloy", "grafana", "istio-base", "cert-manager"):
        waited = {up.resources[urn].name for urn in up.waits_for(up.named("Release", name)) if up.resources[urn].kind == "Release"}
        assert waited <= {"prometheus-operator-crds"}, name


def test_without_an_image_the_sample_is_off(record: Record) -> None:
    run = record({})
    assert not [r for r in run.resources.values() if r.name == "rolldice"]


def test_ambient_brings_a_waypoint_and_enrols_the_namespace(record: Record) -> None:
    run = record(VARIANTS["ambient"])
    assert run.named("Gateway", "waypoint").inputs["spec"]["gatewayClassName"] == "istio-waypoint"
    labels = run.named("Namespace", "sample").inputs["metadata"]["labels"]
    assert labels["istio.io/dataplane-mode"] == "ambient"
    assert labels["istio.io/use-waypoint"] == "waypoint"


def test_go_instrumentation_makes_its_exception_by_name(record: Record) -> None:
    run = record({"opentelemetry": {"go": True, "goExceptionNamespaces": ["shop"]}})
    assert run.named("Release", "opentelemetry-operator").inputs["values"]["manager"]["autoInstrumentation"]["go"]["enabled"] is True
    assert "go" in run.named("Instrumentation", "default").inputs["spec"]
    patch = run.named("NamespacePatch", "shop-privileged").inputs["metadata"]
    assert patch == {"name": "shop", "labels": {"pod-security.kubernetes.io/enforce": "privileged"}}


def test_without_go_nothing_is_privileged(record: Record) -> None:
    run = record({})
    assert "go" not in run.named("Instrumentation", "default").inputs["spec"]
    assert run.of_kind("NamespacePatch") == []


def test_urns_do_not_change_from_run_to_run(variant: str, up: Run, record: Record) -> None:
    assert sorted(record(VARIANTS[variant]).resources) == sorted(up.resources)


def test_urns_do_not_depend_on_sizes(record: Record) -> None:
    small, large = record({"preset": "small"}), record({"preset": "large"})
    assert set(small.resources) == set(large.resources)


def test_state_holds_no_absolute_path(up: Run) -> None:
    relative = [r for r in up.of_kind("Release") if not Path(str(r.inputs["chart"])).is_absolute()]
    # the test's own mirror lies outside the project, so its charts are the only absolute paths there are
    paths = [
        leaf for r in up.resources.values() if r not in relative for leaf, _ in leaves({k: v for k, v in r.inputs.items() if k != "chart"})
    ]
    assert not [leaf for leaf in paths if isinstance(leaf, str) and str(ROOT) in leaf]


def test_the_outputs_are_the_promised_ones(record: Record) -> None:
    run = record({"istio": {"gatewayService": "ClusterIP"}})
    assert run.outputs["grafanaUrl"] == "http://grafana.grafana.svc.cluster.local"
    assert run.outputs["otlpGrpcEndpoint"] == "http://otel-collector.observability.svc.cluster.local:4317"
    assert run.outputs["otlpHttpEndpoint"] == "http://otel-collector.observability.svc.cluster.local:4318"
    assert run.outputs["sampleUrl"] == "http://istio-ingressgateway.istio-ingress.svc.cluster.local/rolldice"
    assert run.outputs["chartVersions"]["loki"] == "18.11.0"
    assert "ztunnel" not in run.outputs["chartVersions"]


def test_the_sample_url_is_the_load_balancers_where_there_is_one(record: Record) -> None:
    assert record({}).outputs["sampleUrl"] == "http://203.0.113.7/rolldice"


def test_main_is_a_table_of_contents() -> None:
    lines = (ROOT / "__main__.py").read_text().splitlines()
    assert len(lines) < 80
    assert not [line for line in lines if re.match(r"\s*(if|for|while|try)\b", line)]
