"""The address plan against the real charts: every name that a layer relies on exists where it is looked for."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.topology import BlobStore, SecretKey, Service, Topology, collector_service, kube_prometheus_fullname, plan
from tests import reference
from tests.stacks import VARIANTS, settings_of

CHART_OF_SERVICE = {
    "tempo_otlp": ("tempo", "tempo-distributed"),
    "tempo": ("tempo", "tempo-distributed"),
    "loki": ("loki",),
    "prometheus": ("kube-prometheus-stack",),
    "alertmanager": ("kube-prometheus-stack",),
    "istiod": ("istiod",),
    "gateway": ("gateway",),
    "grafana": ("grafana",),
}
"""Field of the topology to the charts that bring its Service."""
OURS = {"azurite", "sample"}
"""Services that a layer declares itself."""


def services(topology: Topology) -> dict[str, Service]:
    return {f.name: value for f in fields(topology) if isinstance(value := getattr(topology, f.name), Service)}


def rendered_ports(charts: tuple[str, ...], revision: str) -> set[tuple[str, str, int]]:
    found: set[tuple[str, str, int]] = set()
    for chart in charts:
        for item in reference.rendered(chart):
            if item["kind"] == "Service":
                name = item["metadata"]["name"]
                # the reference was rendered without a revision, which istiod's names then carry
                names = {name, f"{name}-{revision}"} if chart == "istiod" and revision else {name}
                namespace = item["metadata"].get("namespace") or charts[0]
                found |= {(n, namespace, port["port"]) for n in names for port in item["spec"]["ports"]}
    return found


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_planned_service_and_port_exists_in_its_chart_or_follows_an_operators_rule(variant: str) -> None:
    settings = settings_of(variant)
    topology = plan(settings)
    by_operators = {(o.service.name, o.service.namespace, o.service.port) for o in topology.operator_services}
    planned = services(topology)
    assert len(planned) >= 12
    for field, service in planned.items():
        where = (service.name, service.namespace, service.port)
        if field in CHART_OF_SERVICE:
            assert where in rendered_ports(CHART_OF_SERVICE[field], settings.istio.revision or ""), field
        else:
            assert where in by_operators or field in OURS, field


def test_operators_make_no_service_that_a_chart_already_has() -> None:
    topology = plan(settings_of("local"))
    charts = tuple(topology.charts)
    rendered = {name for chart in charts if chart != "prometheus-operator-crds" for name, _, _ in rendered_ports((chart,), "")}
    assert not {o.service.name for o in topology.operator_services} & rendered


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_two_releases_share_a_name_in_a_namespace(variant: str) -> None:
    releases = plan(settings_of(variant)).releases
    places = [(r.namespace, r.name) for r in (getattr(releases, f.name) for f in fields(releases)) if r]
    assert len(places) == len(set(places))


@pytest.mark.parametrize("variant", VARIANTS)
def test_stores_keep_their_key_in_their_own_namespace(variant: str) -> None:
    topology = plan(settings_of(variant))
    for blobs, release in ((topology.tempo_blobs, topology.releases.tempo), (topology.loki_blobs, topology.releases.loki)):
        assert isinstance(blobs, BlobStore)
        assert blobs.key.namespace == release.namespace


def test_both_sides_of_a_secret_use_one_key_name() -> None:
    key = SecretKey("tempo-azure-key", "tempo", "STORAGE_ACCOUNT_ACCESS_KEY")
    assert plan(settings_of("local")).tempo_blobs.key == key
    assert key.reference == {"name": key.name, "key": key.key}


def test_a_link_to_a_datasource_that_is_not_there_is_an_error() -> None:
    topology = plan(settings_of("local"))
    assert topology.datasource("loki").service == topology.loki
    with pytest.raises(KeyError):
        topology.datasource("lokii")


def test_url_authority_and_host_are_three_words() -> None:
    service = Service("tempo", "traces", 3200)
    assert service.host == "tempo.traces.svc.cluster.local"
    assert service.authority == "tempo.traces.svc.cluster.local:3200"
    assert service.url == "http://tempo.traces.svc.cluster.local:3200"
    assert Service("loki", "logs", 80).url == "http://loki.logs.svc.cluster.local"
    assert Service("x", "y", 443, "https").url == "https://x.y.svc.cluster.local"


def test_the_fullname_of_kube_prometheus_stack_is_cut_as_its_chart_cuts_it() -> None:
    assert kube_prometheus_fullname("prom") == "prom-kube-prometheus-stack"
    assert kube_prometheus_fullname("prometheus-stack") == "prometheus-stack-kube-prom"


@given(st.from_regex(r"[a-z]([-a-z0-9]{0,80}[a-z0-9])?", fullmatch=True))
def test_names_by_operators_rules_are_valid_dns_labels(name: str) -> None:
    for made in (collector_service(name), kube_prometheus_fullname(name)):
        assert 1 <= len(made) <= 63
        assert not made.endswith("-")


def test_a_plan_is_the_same_every_time() -> None:
    for variant in VARIANTS:
        first: Any = plan(settings_of(variant))
        assert first == plan(settings_of(variant))
