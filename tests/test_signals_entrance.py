"""The way from browsers to Grafana in the signal graph, Grafana's own ways out, and each way in which one of them would not work."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from components import signals
from components.signals import page, reading
from components.topology import plan
from tests.stacks import HOST, settings_of
from tests.test_signals import Change, datasource, defects, fresh, named

KINDS = ("view", "sign-in", "dashboard")


def ways(variant: str) -> set[tuple[str, str, str | None, str]]:
    settings = settings_of(variant)
    found = signals.graph(settings, plan(settings)).edges
    return {(f.edge.signal, f.edge.source, f.target, f.at) for f in found if f.edge.signal in KINDS}


def test_people_come_through_the_gateway() -> None:
    assert {
        ("view", "browsers", "gateway", f"{HOST}:443"),
        ("view", "gateway", "grafana", "grafana.grafana:80"),
    } < ways("ambient")


def test_what_grafana_asks_outside_the_cluster_is_known() -> None:
    outside = {way for way in ways("distributed") if way[1] == "grafana"}
    assert outside == {
        ("sign-in", "grafana", "entra id", "login.microsoftonline.com:443"),
        ("dashboard", "grafana", "community", "grafana.com:443"),
    }


def test_a_stack_without_a_host_has_no_such_way() -> None:
    assert ways("local") == set()
    assert "browsers" not in {node.name for node in reading.nodes(reading.read(fresh("local")))}


def test_the_page_shows_the_way() -> None:
    settings = settings_of("distributed")
    text = page.page(signals.graph(settings, plan(settings)), "prod", "signals.svg")
    assert f"| view | browsers | gateway | `{HOST}:443` | https |" in text
    assert 'browsers -->|"view<br/>https :443"| gateway' in text
    assert '  entra_id["Microsoft Entra ID"]' in text


def ini(section: str, key: str, to: Any) -> Change:
    def change(c: Any) -> None:
        c.grafana["grafana.ini"][section][key] = to

    return change


def spec(part: str, *path: Any, to: Any) -> Change:
    """A change of the Certificate, the Gateway or the VirtualService."""

    def change(c: Any) -> None:
        here = getattr(c.entrance, part)
        for step in path[:-1]:
            here = here[step]
        here[path[-1]] = to

    return change


def token_for_somebody_else(c: Any) -> None:
    c.grafana["extraContainerVolumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["audience"] = "api://others"


def token_in_another_folder(c: Any) -> None:
    c.grafana["extraVolumeMounts"][0]["mountPath"] = "/var/run/secrets/azure"


def no_community_datasource(c: Any) -> None:
    datasource(c, "loki")["uid"] = "logs"


WRONG: dict[str, tuple[Change, str]] = {
    "no Service": (
        spec("route", "http", 0, "route", 0, "destination", "host", to="grafana.monitoring.svc.cluster.local"),
        "VirtualService grafana http.route is grafana.monitoring:80: nothing listens there; http is taken at grafana.grafana:80",
    ),
    "the pod's port": (
        spec("route", "http", 0, "route", 0, "destination", "port", "number", to=3000),
        "VirtualService grafana http.route is grafana.grafana:3000: no such port",
    ),
    "no route": (spec("route", "http", to=[]), "views of gateway: nothing sends them to grafana"),
    "another host": (
        spec("route", "hosts", to=["www.example.com"]),
        "VirtualService grafana hosts is www.example.com:443: nothing listens there",
    ),
    "another Secret": (
        spec("gateway", "servers", 0, "tls", "credentialName", to="wildcard"),
        "Gateway grafana credentialName is wildcard: its Certificate writes Secret grafana-tls",
    ),
    "a certificate for another host": (spec("certificate", "dnsNames", to=["www.example.com"]), f"browsers ask for {HOST}"),
    "old TLS": (
        spec("gateway", "servers", 0, "tls", "minProtocolVersion", to="TLSV1_0"),
        "Gateway grafana minProtocolVersion is TLSV1_0: must be TLSV1_2 or newer",
    ),
    "challenges redirected": (
        spec("gateway", "servers", 1, "tls", to={"httpsRedirect": True}),
        "Gateway grafana httpsRedirect is true: challenges of ACME",
    ),
    "another root": (
        ini("server", "root_url", "https://www.example.com/"),
        f"grafana.ini server.root_url is https://www.example.com/: people look at https://{HOST}",
    ),
    "cookies over http": (ini("security", "cookie_secure", False), "grafana.ini security.cookie_secure is not true"),
    "everybody a viewer": (
        ini("auth.azuread", "role_attribute_strict", False),
        "grafana.ini auth.azuread.role_attribute_strict is False: who has no role would become a viewer",
    ),
    "every tenant": (ini("auth.azuread", "allowed_organizations", ""), "people of every tenant would be let in"),
    "two clouds": (ini("auth.azuread", "auth_url", "https://login.microsoftonline.us/x"), "in another cloud"),
    "no such cloud": (
        ini("auth.azuread", "token_url", "https://login.example.com/token"),
        "grafana.ini auth.azuread.token_url is login.example.com:443: nothing listens there",
    ),
    "sign-in without a host": (lambda c: replace(c, entrance=None), "Entra ID has nowhere to send browsers back to"),
    "a token for somebody else": (token_for_somebody_else, "no token for Entra ID is mounted there"),
    "a token in another folder": (token_in_another_folder, "no token for Entra ID is mounted there"),
    "a dashboard of no datasource": (no_community_datasource, "asks loki: there is no such datasource"),
}


@pytest.mark.parametrize("way", WRONG)
def test_a_way_that_would_not_work_is_named(way: str) -> None:
    change, part = WRONG[way]
    lines = named(change, "distributed")
    assert [line for line in lines if part in line], "\n".join(lines) or "nothing is named"


def test_a_client_secret_that_nobody_writes_or_reads_is_named() -> None:
    c = fresh("ambient")
    c.grafana["envValueFrom"]["GF_AUTH_AZUREAD_CLIENT_SECRET"]["secretKeyRef"]["key"] = "secret"
    (line,) = defects(c)
    assert "grafana envValueFrom GF_AUTH_AZUREAD_CLIENT_SECRET reads grafana/grafana-entra-id secret: no layer writes that" in line
    del c.grafana["envValueFrom"]
    assert any("no environment reads a client secret" in line for line in defects(c))
