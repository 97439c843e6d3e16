"""The border: what a stack file may say, and the one clear line that each mistake gets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.config import KEYS, SECRET_KEYS, parse
from components.errors import ConfigurationError

KAFKA = "tempo-distributed 3.x needs Kafka, which this stack does not bring; use 2.26.2 (the last without Kafka) or tempo.mode single"
IMAGE = "must be an image with a tag or digest, and not `latest`, of which nobody can say later what ran"
MIRROR = "must be a folder or an http(s):// address (`helm pull` fills a folder from an OCI registry)"
SECRETS = {"grafanaAdminPassword": "x"}

MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"istoi": {}}, "istoi is not a configuration key; did you mean istio?"),
    ({"zzz": {}}, f"zzz is not a configuration key; the keys are {', '.join(KEYS + SECRET_KEYS)}"),
    ({"istio": {"mod": "sidecar"}}, "istio.mod is not a configuration key; did you mean mode?"),
    (
        {"certManager": {"issuer": "acme", "acme": {"mail": "a@b.cd", "email": "a@b.cd"}}},
        "certManager.acme.mail is not a configuration key; did you mean email?",
    ),
    (
        {"loki": {"schemaPeriods": [{"form": "2024-01-01", "from": "2024-01-01"}]}},
        "loki.schemaPeriods.0.form is not a configuration key; did you mean from?",
    ),
    ({"preset": "huge"}, "preset is 'huge': should be 'small', 'medium' or 'large'"),
    ({"tempo": "single"}, "tempo is 'single': should be an object of keys"),
    ({"istio": {"mode": "cni"}}, "istio.mode is 'cni': should be 'sidecar' or 'ambient'"),
    ({"istio": {"samplingPercentage": 101}}, "istio.samplingPercentage is 101: should be less than or equal to 100"),
    ({"istio": {"samplingPercentage": -1}}, "istio.samplingPercentage is -1: should be greater than or equal to 0"),
    ({"istio": {"samplingPercentage": "1"}}, "istio.samplingPercentage is '1': should be a valid number"),
    (
        {"istio": {"revision": "Canary_1"}},
        "istio.revision is 'Canary_1': must be a DNS label: 1 to 63 lower-case letters, digits or hyphens, no hyphen at an end",
    ),
    ({"istio": {"revision": "default"}}, "istio.revision is default: that name means no revision; remove the key"),
    ({"istio": {"gatewayReplicas": 0}}, "istio.gatewayReplicas is 0: should be greater than or equal to 1"),
    ({"istio": {"gatewayReplicas": 1.5}}, "istio.gatewayReplicas is 1.5: should be a valid integer"),
    ({"istio": {"gatewayService": "NodePort"}}, "istio.gatewayService is 'NodePort': should be 'LoadBalancer' or 'ClusterIP'"),
    ({"prometheus": {"retentionDays": 0}}, "prometheus.retentionDays is 0: should be greater than or equal to 1"),
    ({"prometheus": {"outOfOrderMinutes": 0}}, "prometheus.outOfOrderMinutes is 0: should be greater than or equal to 1"),
    ({"prometheus": {"scrapeIntervalSeconds": 1}}, "prometheus.scrapeIntervalSeconds is 1: should be greater than or equal to 5"),
    ({"prometheus": {"volumeGi": "20Gi"}}, "prometheus.volumeGi is '20Gi': should be a valid integer"),
    ({"storage": {"kind": "s3"}}, "storage.kind is 's3': should be 'azurite' or 'azure'"),
    ({"tempo": {"retentionDays": 4000}}, "tempo.retentionDays is 4000: should be less than or equal to 3650"),
    ({"tempo": {"chartVersion": "3"}}, "tempo.chartVersion is '3': must be an exact version such as 2.26.2"),
    (
        {"tempo": {"mode": "distributed", "chartVersion": "3.3.0"}},
        f"tempo.chartVersion is 3.3.0: {KAFKA}",
    ),
    ({"loki": {"mode": "simpleScalable"}}, "loki.mode is 'simpleScalable': should be 'monolithic' or 'distributed'"),
    ({"loki": {"replicas": 2, "replicationFactor": 3}}, "loki.replicas is 2: replication factor 3 needs at least 3"),
    ({"loki": {"retentionDays": True}}, "loki.retentionDays is True: should be a valid integer"),
    ({"loki": {"schemaPeriods": []}}, "loki.schemaPeriods is []: Loki needs at least one period"),
    ({"loki": {"schemaPeriods": [{"from": "April 2024"}]}}, "loki.schemaPeriods.0.from is 'April 2024': must be a day such as 2024-04-01"),
    ({"loki": {"schemaPeriods": [{"from": "2024-02-30"}]}}, "loki.schemaPeriods.from is 2024-02-30: not a date of the calendar"),
    (
        {"loki": {"schemaPeriods": [{"from": "2025-01-01"}, {"from": "2024-01-01"}]}},
        "loki.schemaPeriods is 2025-01-01, 2024-01-01: each period starts after the one before",
    ),
    ({"loki": {"schemaPeriods": [{"from": "2024-01-01", "schema": "v12"}]}}, "loki.schemaPeriods.0.schema is 'v12': should be 'v13'"),
    ({"loki": {"schemaPeriods": [{}]}}, "loki.schemaPeriods.0.from is missing: it must be set"),
    ({"certManager": {"issuer": "acme"}}, "certManager.issuer is acme: certManager.acme.email must be set"),
    (
        {"certManager": {"acme": {"email": "a@b.cd"}}},
        "certManager.acme is set while certManager.issuer is selfSigned: set issuer to acme or remove acme",
    ),
    ({"certManager": {"issuer": "acme", "acme": {"email": "nobody"}}}, "certManager.acme.email is 'nobody': must be an e-mail address"),
    (
        {"certManager": {"issuer": "acme", "acme": {"email": "a@b.cd", "server": "http://x"}}},
        "certManager.acme.server is 'http://x': must begin with https://",
    ),
    (
        {"opentelemetry": {"go": True}},
        "opentelemetry.go is true: its sidecar is privileged; name where it may run in opentelemetry.goExceptionNamespaces",
    ),
    (
        {"opentelemetry": {"goExceptionNamespaces": ["shop"]}},
        "opentelemetry.goExceptionNamespaces is set while opentelemetry.go is false: nothing would need the exception",
    ),
    ({"opentelemetry": {"go": "yes"}}, "opentelemetry.go is 'yes': should be a valid boolean"),
    (
        {"alloy": {"excludedNamespaces": ["Kube"]}},
        "alloy.excludedNamespaces.0 is 'Kube': must be a DNS label: 1 to 63 lower-case letters, digits or hyphens, no hyphen at an end",
    ),
    ({"grafana": {"adminUser": ""}}, "grafana.adminUser is '': should have at least 1 character"),
    (
        {"sampleApp": {"image": "rolldice"}},
        f"sampleApp.image is 'rolldice': {IMAGE}",
    ),
    (
        {"sampleApp": {"image": "rolldice:latest"}},
        f"sampleApp.image is 'rolldice:latest': {IMAGE}",
    ),
    (
        {"chartMirror": "oci://example.com/charts"},
        f"chartMirror is 'oci://example.com/charts': {MIRROR}",
    ),
    ({"cluster": {"kubeConfig": "x"}}, "cluster.kubeConfig is not a configuration key; did you mean kubeconfig?"),
]


@pytest.mark.parametrize(("config", "line"), MISTAKES, ids=lambda p: p[:50] if isinstance(p, str) else "")
def test_a_mistake_gets_one_clear_line(config: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse({**SECRETS, **config})
    assert caught.value.lines == (line,)


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse({"istoi": {}, "preset": "huge", "loki": {"replicas": 2, "replicationFactor": 3}})
    assert [line.split(" is ")[0] for line in caught.value.lines] == ["istoi", "grafanaAdminPassword", "preset", "loki.replicas"]


def test_a_missing_secret_says_how_to_set_it() -> None:
    with pytest.raises(
        ConfigurationError, match="grafanaAdminPassword is missing: set it with `pulumi config set --secret grafanaAdminPassword <value>`"
    ):
        parse({})


def test_a_stack_needs_nothing_but_its_secret() -> None:
    settings = parse(SECRETS)
    assert (settings.preset, settings.istio.mode, settings.tempo.mode, settings.loki.mode) == ("small", "sidecar", "single", "monolithic")


def test_retentions_are_finite_by_default() -> None:
    settings = parse(SECRETS)
    assert all(0 < days < 100 for days in (settings.tempo.retention_days, settings.loki.retention_days, settings.prometheus.retention_days))


@pytest.mark.parametrize("image", ["a/b:1.0", "ghcr.io/acme/rolldice:v2", "localhost:5000/x:1", "acme.azurecr.io/x@sha256:" + "0" * 64])
def test_pinned_images_are_taken(image: str) -> None:
    assert parse({**SECRETS, "sampleApp": {"image": image}}).sample_app.image == image


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2),
        max_size=3,
    )
)
def test_any_nonsense_ends_in_settings_or_in_lines_that_name_keys(nonsense: dict[str, Any]) -> None:
    try:
        parse({**SECRETS, "loki": nonsense, **nonsense})
    except ConfigurationError as error:
        assert error.lines
        assert all(line.strip() for line in error.lines)
