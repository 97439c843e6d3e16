"""What AKS does to webhooks and to pods that talk to the API server, and what our values say to it."""

from __future__ import annotations

from typing import Any

import pytest

from components import alloy, cert_manager, grafana, istio, opentelemetry, prometheus
from components.config import parse
from components.topology import plan
from tests import reference

SETTINGS = parse({"grafanaAdminPassword": "x"})
NAMES = plan(SETTINGS)
BY_NAME = {"kubernetes.azure.com/set-kube-service-host-fqdn": "true"}
LEFT_ALONE = {"admissions.enforcer/disabled": "true"}
VALUES: dict[str, Any] = {
    "cert-manager": cert_manager.values(SETTINGS),
    "istiod": istio.istiod_values(SETTINGS, NAMES),
    "cni": istio.cni_values(SETTINGS),
    "kube-prometheus-stack": prometheus.values(SETTINGS),
    "opentelemetry-operator": opentelemetry.values(SETTINGS),
    "alloy": alloy.values(SETTINGS, NAMES),
    "grafana": grafana.values(SETTINGS, NAMES),
}
TALKS_TO_THE_API_SERVER = [
    ("cert-manager", "podAnnotations"),
    ("cert-manager", "webhook.podAnnotations"),
    ("cert-manager", "cainjector.podAnnotations"),
    ("istiod", "podAnnotations"),
    ("cni", "podAnnotations"),
    ("kube-prometheus-stack", "prometheusOperator.podAnnotations"),
    ("kube-prometheus-stack", "prometheus.prometheusSpec.podMetadata.annotations"),
    ("kube-prometheus-stack", "kube-state-metrics.podAnnotations"),
    ("opentelemetry-operator", "manager.podAnnotations"),
    ("alloy", "controller.podAnnotations"),
    ("grafana", "podAnnotations"),
]
WEBHOOKS_WITH_A_KEY = [
    ("cert-manager", "webhook.mutatingWebhookConfigurationAnnotations"),
    ("cert-manager", "webhook.validatingWebhookConfigurationAnnotations"),
    ("istiod", "sidecarInjectorWebhookAnnotations"),
]
WEBHOOKS_WITHOUT_A_KEY = {
    ("base", "istiod-default-validator"),
    ("istiod", "istio-validator-istio-system"),
    ("opentelemetry-operator", "opentelemetry-operator-mutation"),
    ("opentelemetry-operator", "opentelemetry-operator-validation"),
}
"""Of which decision 0009 says why nothing needs to be ignored."""


def at(chart: str, path: str) -> Any:
    here = VALUES[chart]
    for part in path.split("."):
        here = here[part]
    return here


@pytest.mark.parametrize(("chart", "path"), TALKS_TO_THE_API_SERVER)
def test_pods_that_talk_to_the_api_server_go_there_by_name(chart: str, path: str) -> None:
    assert BY_NAME.items() <= at(chart, path).items()


def test_the_gate_talks_to_the_api_server_by_name_too() -> None:
    assert cert_manager.gate_spec(SETTINGS, "v1")["template"]["metadata"]["annotations"] == BY_NAME


def test_the_collector_looks_pods_up_by_name_too() -> None:
    assert opentelemetry.collector_spec(SETTINGS, NAMES)["podAnnotations"] == BY_NAME


@pytest.mark.parametrize(("chart", "path"), WEBHOOKS_WITH_A_KEY)
def test_webhooks_whose_chart_has_a_key_ask_to_be_left_alone(chart: str, path: str) -> None:
    assert at(chart, path) == LEFT_ALONE


def test_kube_prometheus_stack_has_no_webhook_to_be_rewritten() -> None:
    assert VALUES["kube-prometheus-stack"]["prometheusOperator"]["admissionWebhooks"]["enabled"] is False


def test_every_webhook_of_the_real_charts_is_accounted_for() -> None:
    kinds = {"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"}
    asked = {chart for chart, _ in WEBHOOKS_WITH_A_KEY}
    found = {(chart, o["metadata"]["name"]) for chart in ("base", *VALUES) for o in reference.rendered(chart) if o["kind"] in kinds}
    found -= {("kube-prometheus-stack", "prom-kube-prometheus-stack-admission")}
    assert {("cert-manager", "cert-manager-webhook"), ("istiod", "istio-sidecar-injector")} <= found
    rest = {(chart, name) for chart, name in found if chart not in asked or "validator" in name}
    assert rest == WEBHOOKS_WITHOUT_A_KEY
