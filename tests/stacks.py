"""The stacks that tests go through: one of each kind, and the chart values each of them sets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from components import alloy, cert_manager, crds, grafana, images, istio, loki, opentelemetry, prometheus, tempo
from components.config import parse
from components.merge import merge
from components.settings import Settings
from components.topology import Release, Topology, plan
from tests.azure_stacks import AZURE_VARIANTS

PASSWORD = "sentinel-password"
CLIENT_SECRET = "sentinel-client-secret"
HOST = "grafana.shop.example.com"
GUIDS = [f"00000000-0000-0000-0000-00000000000{number}" for number in range(1, 6)]
"""Ids of a tenant, an app registration and groups."""
SIGN_IN = {"clientId": GUIDS[0], "tenantId": GUIDS[1]}
REGISTRY = "registry.example.com/mirror"
IMAGE = f"{REGISTRY}/rolldice:1.0.0"
SLOS = [
    {"service": "rolldice", "namespace": "sample", "objective": 99.9, "latencyMs": 250, "latencyObjective": 99},
    {"service": "checkout", "namespace": "shop", "objective": 99.5},
]
RECEIVERS = [
    {"name": "on-call", "kind": "pagerDuty", "severities": ["critical"], "secret": {"name": "pagerduty", "key": "routing-key"}},
    {"name": "team", "kind": "slack", "channel": "#shop-alerts", "secret": {"name": "chat", "key": "slack"}},
    {"name": "office", "kind": "teams", "severities": ["warning"], "secret": {"name": "chat", "key": "teams"}},
    {
        "name": "archive",
        "kind": "email",
        "severities": ["critical", "warning", "info"],
        "to": "alerts@example.com",
        "from": "stack@example.com",
        "smarthost": "smtp.example.com:587",
        "username": "stack",
        "secret": {"name": "mail", "key": "password"},
    },
    {"name": "automation", "kind": "webhook", "severities": ["info"], "secret": {"name": "automation", "key": "url"}},
]
VARIANTS: dict[str, dict[str, Any]] = {
    "local": {},
    "ambient": {
        "istio": {"mode": "ambient", "revision": "blue"},
        "sampleApp": {"image": IMAGE},
        "preset": "medium",
        "imageRegistry": REGISTRY,
        "slos": SLOS,
        "grafana": {
            "exposure": {"host": HOST},
            "entraId": {
                **SIGN_IN,
                "clientAuthentication": "clientSecret",
                "groups": {"admin": [GUIDS[2]], "viewer": [GUIDS[3], GUIDS[4]]},
            },
        },
        "grafanaEntraClientSecret": CLIENT_SECRET,
    },
    "distributed": {
        "preset": "large",
        "imageRegistry": REGISTRY,
        "tempo": {"mode": "distributed"},
        "loki": {"mode": "distributed", "replicas": 3, "replicationFactor": 3},
        "istio": {"gatewayReplicas": 2},
        "grafana": {
            "volumeGi": 5,
            "exposure": {"host": HOST},
            "entraId": SIGN_IN,
            "communityDashboards": [{"id": 7639, "revision": 1, "folder": "Istio"}, {"id": 13639, "revision": 2, "datasource": "loki"}],
        },
        "cluster": {"oidcIssuer": "https://issuer.example.com/"},
        "opentelemetry": {
            "go": True,
            "goExceptionNamespaces": ["sample"],
            "collectorReplicas": 2,
            "tls": True,
            "trustingNamespaces": ["shop"],
        },
        "certManager": {"issuer": "acme", "acme": {"email": "platform@example.com"}},
        "sampleApp": {"image": IMAGE},
        "load": {"spansPerSecond": 1000},
        "telemetry": {
            "tailSampling": {"percentage": 2, "replicas": 2},
            "accessLogFields": "full",
            "removedMetricTags": ["source_principal", "destination_principal"],
            "statsEvictionSeconds": 3600,
        },
        "slos": SLOS,
        "alerting": {"runbooks": "https://wiki.example.com/runbooks", "receivers": RECEIVERS},
    },
}
"""Configuration of each variant, as objects."""


CANARY = {"istio": {"revision": "blue", "tag": "prod", "canary": {"revision": "green"}}, "sampleApp": {"image": IMAGE}}
"""A mesh in the middle of an upgrade."""
EVERY: dict[str, dict[str, Any]] = {**VARIANTS, **AZURE_VARIANTS, "canary": CANARY}
"""Those, and the stacks in Azure, and one in between."""


class Install(NamedTuple):
    """One chart as one stack installs it."""

    release: Release
    values: dict[str, Any]


def settings_of(variant: str) -> Settings:
    return parse({"grafanaAdminPassword": PASSWORD, **EVERY[variant]})


def installs(settings: Settings, topology: Topology | None = None) -> Iterator[Install]:
    """Every release of a stack with the values it gets; not those of what its cluster has already."""
    names = topology or plan(settings)
    for release, values in _all(settings, names):
        if release.entry in names.charts:
            yield Install(release, merge(values, images.values(release.chart, settings.image_registry)))


def _all(settings: Settings, names: Topology) -> Iterator[Install]:
    r = names.releases
    yield Install(r.crds, crds.values())
    yield Install(r.cert_manager, cert_manager.values(settings))
    yield Install(r.istio_base, istio.base_values(settings))
    yield Install(r.istiod, istio.istiod_values(settings, names))
    if r.istiod_canary is not None:
        yield Install(r.istiod_canary, istio.canary_values(settings, names))
    if settings.istio.mode == "ambient":
        yield Install(r.istio_cni, istio.cni_values(settings))
        yield Install(r.ztunnel, istio.ztunnel_values(settings))
    yield Install(r.gateway, istio.gateway_values(settings))
    yield Install(r.prometheus, prometheus.values(settings))
    yield Install(r.tempo, tempo.values(settings, names))
    yield Install(r.loki, loki.values(settings, names))
    yield Install(r.otel_operator, opentelemetry.values(settings))
    yield Install(r.alloy, alloy.values(settings, names))
    yield Install(r.grafana, grafana.values(settings, names))
