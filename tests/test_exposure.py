"""Grafana on a public host: who certifies it, what the gateway takes, where http goes, and what follows the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pulumi
import pytest

from components import exposure, grafana
from components.config import parse
from components.topology import Topology, plan
from tests import reference
from tests.azure_stacks import EXISTING
from tests.recorder import Run
from tests.stacks import HOST, VARIANTS

Record = Callable[..., Run]
EXPOSED = {"grafana": {"exposure": {"host": HOST}}}
ACME = {"certManager": {"issuer": "acme", "acme": {"email": "platform@example.com"}}}
MODES: dict[str, dict[str, Any]] = {
    "sidecar": EXPOSED,
    "ambient": {**EXPOSED, "istio": {"mode": "ambient"}},
    "existing": {**EXISTING, **EXPOSED},
}
GATEWAYS = {"sidecar": ("istio-ingress", "ingressgateway"), "ambient": ("istio-ingress", "ingressgateway"), "existing": ("edge", "edge")}
"""Where each mode's gateway runs, and its pods' label."""
LINKS = ("grafanaUrl", "meshDashboardUrl", "sloDashboardUrl", "tracesUrl", "logsUrl")


def names(config: dict[str, Any] = EXPOSED) -> Topology:
    return plan(parse({"grafanaAdminPassword": "x", **config}))


def found(topology: Topology) -> exposure.Specs:
    specs = exposure.specs(topology)
    assert specs is not None
    return specs


@pytest.fixture(scope="module", params=list(MODES))
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def up(mode: str, record: Record) -> Run:
    return record(MODES[mode])


def test_the_certificate_is_where_the_gateways_pods_read_it(mode: str, up: Run) -> None:
    certificate, gateway = up.named("Certificate", "grafana").inputs, up.named("Gateway", "grafana").inputs
    namespace, label = GATEWAYS[mode]
    assert certificate["metadata"]["namespace"] == gateway["metadata"]["namespace"] == namespace
    assert gateway["spec"]["selector"] == {"istio": label}
    assert gateway["spec"]["servers"][0]["tls"]["credentialName"] == certificate["spec"]["secretName"]
    assert certificate["spec"]["dnsNames"] == [HOST]


def test_the_route_is_in_grafanas_namespace_and_bound_to_that_gateway(mode: str, up: Run) -> None:
    route = up.named("VirtualService", "grafana").inputs
    assert route["metadata"]["namespace"] == "grafana"
    assert route["spec"]["gateways"] == [f"{GATEWAYS[mode][0]}/grafana"]


def test_every_link_follows_the_host(up: Run) -> None:
    assert up.outputs["grafanaUrl"] == f"https://{HOST}"
    assert {urlsplit(up.outputs[name]).netloc for name in LINKS} == {HOST}
    assert {urlsplit(up.outputs[name]).scheme for name in LINKS} == {"https"}


def test_the_entrance_waits_for_what_certifies_serves_and_carries_it(record: Record) -> None:
    run = record(VARIANTS["distributed"])
    certificate, gateway, route = (run.named(kind, "grafana") for kind in ("Certificate", "Gateway", "VirtualService"))
    before = run.waits_for(certificate)
    for kind, name in (("ClusterIssuer", "istio-stack"), ("Job", "cert-manager-gate"), ("Release", "istio-ingressgateway")):
        assert run.named(kind, name).urn in before, name
    assert {certificate.urn, run.named("Release", "istiod").urn} <= run.waits_for(gateway)
    assert {gateway.urn, run.named("Namespace", "grafana").urn} <= run.waits_for(route)


def test_grafana_itself_waits_for_no_part_of_its_entrance(record: Record) -> None:
    run = record(VARIANTS["distributed"])
    waited = {run.resources[urn].name for urn in run.waits_for(run.named("Release", "grafana")) if run.resources[urn].kind == "Release"}
    assert waited <= {"prometheus-operator-crds"}


def test_without_a_host_nothing_is_opened(record: Record) -> None:
    run = record({})
    assert [r.urn for r in run.resources.values() if r.kind in ("Certificate", "VirtualService", "Gateway")] == []
    assert "server" not in run.named("Release", "grafana").inputs["values"]["grafana.ini"]


def test_https_is_of_today_and_routes_of_others_cannot_claim_the_host() -> None:
    secure, plain = found(names()).gateway["servers"]
    assert secure["tls"] == {"mode": "SIMPLE", "credentialName": "grafana-tls", "minProtocolVersion": "TLSV1_2"}
    assert secure["hosts"] == plain["hosts"] == [f"grafana/{HOST}"]
    assert [(s["port"]["number"], s["port"]["protocol"]) for s in (secure, plain)] == [(443, "HTTPS"), (80, "HTTP")]


def test_the_gateways_service_listens_where_the_entrance_is() -> None:
    (service,) = [o for o in reference.rendered("gateway") if o["kind"] == "Service"]
    ports = {port["port"] for port in service["spec"]["ports"]}
    assert {server["port"]["number"] for server in found(names()).gateway["servers"]} <= ports


def test_http_leads_to_https_by_a_route_that_challenges_come_before() -> None:
    """A Gateway's httpsRedirect would send every path to https, also ACME's challenges for the certificate that https lacks."""
    specs = found(names())
    assert not [server for server in specs.gateway["servers"] if "httpsRedirect" in server.get("tls", {})]
    secure, plain = specs.route["http"]
    assert plain == {"name": "to-https", "match": [{"port": 80}], "redirect": {"scheme": "https", "redirectCode": 301}}
    assert secure["match"] == [{"port": 443}]
    # Istio puts a route behind those of certain paths if it matches by nothing but the path /
    assert not {"headers", "queryParams", "uri"} & {key for entry in (secure, plain) for match in entry["match"] for key in match}


def test_https_goes_to_grafana() -> None:
    topology = names()
    (way,) = found(topology).route["http"][0]["route"]
    assert way == {"destination": {"host": topology.grafana.host, "port": {"number": topology.grafana.port}}}


def test_grafana_knows_its_address_and_keeps_cookies_to_https() -> None:
    settings = parse({"grafanaAdminPassword": "x", **EXPOSED})
    ini = grafana.values(settings, plan(settings))["grafana.ini"]
    assert ini["server"] == {"domain": HOST, "root_url": f"https://{HOST}/"}
    assert ini["security"] == {"cookie_secure": True, "strict_transport_security": True}


@pytest.mark.parametrize(("config", "warnings"), [({}, 1), (ACME, 0)])
def test_a_certificate_that_signs_itself_is_said(
    config: dict[str, Any], warnings: int, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda message, *_, **__: said.append(message))
    record({**EXPOSED, **config}, anew=True)
    assert len(said) == warnings
    assert all(f"grafana.exposure.host is {HOST}: certManager.issuer is selfSigned" in message for message in said)
