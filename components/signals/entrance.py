"""Who looks at Grafana from outside, and whom Grafana itself asks out there: people's browsers, Entra ID, grafana.com."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from components.addresses import SecretKey
from components.community import SOURCE
from components.names_azure import LOGIN_HOSTS
from components.sign_in import SECRET_VARIABLE, SECTION
from components.signals.configured import Configured, at
from components.signals.model import Address, Defect, Edge, KeyRead, Listener, address

VIEW, SIGN_IN, DASHBOARD = "view", "sign-in", "dashboard"
HTTP, HTTPS = "http", "https"
BROWSERS, ENTRA_ID, COMMUNITY = "browsers", "entra id", "community"
NEW_TLS = ("TLSV1_2", "TLSV1_3")
"""What a Gateway must ask for at least, as it says it."""


def ways(c: Configured) -> Iterator[Edge | Defect | KeyRead]:
    """Edges of people's way in and of Grafana's own ways out, and what is wrong with how they are set up."""
    if c.entrance is not None:
        yield from _in(c, *c.entrance)
    yield from _sign_in(c)
    uids = {source.get("uid") for file in at(c.grafana, "datasources", {}).values() for source in file.get("datasources", [])}
    for name, dashboards in at(c.grafana, "dashboards", {}).items():
        yield Edge(DASHBOARD, "grafana", SOURCE, HTTPS, f"dashboards.{name}")
        for key, dashboard in dashboards.items():
            for asked in dashboard.get("datasource", []):
                if asked.get("value") not in uids:
                    yield Defect(f"dashboards.{name}.{key} asks {asked.get('value')}: there is no such datasource")


def listeners(c: Configured) -> Iterator[Listener]:
    """Where browsers come in, Grafana itself, and what Grafana asks out there."""
    for server in at(c.entrance.gateway, "servers", []) if c.entrance else ():
        if at(server, "port.protocol") == "HTTPS":
            # the namespace before a host says whose routes may claim it
            host = str(next(iter(server.get("hosts", [])), "")).rpartition("/")[2]
            yield Listener("gateway", Address(host, at(server, "port.number", 0)), HTTPS)
    release = c.topology.releases.grafana
    yield Listener("grafana", Address(f"{release.name}.{release.namespace}", 80), HTTP)
    yield from (Listener(ENTRA_ID, Address(host, 443), HTTPS) for host in LOGIN_HOSTS.values())
    yield Listener(COMMUNITY, address(SOURCE), HTTPS)


def _in(c: Configured, certificate: Mapping[str, Any], gateway: Mapping[str, Any], route: Mapping[str, Any]) -> Iterator[Edge | Defect]:
    host = str(next(iter(route.get("hosts", [])), ""))
    yield Edge(VIEW, BROWSERS, f"https://{host}", HTTPS, "VirtualService grafana hosts")
    for entry in route.get("http", []):
        for way in entry.get("route", []):
            to = f"http://{at(way, 'destination.host')}:{at(way, 'destination.port.number')}"
            yield Edge(VIEW, "gateway", to, HTTP, "VirtualService grafana http.route", host)
    for server in gateway.get("servers", []):
        tls = server.get("tls", {})
        if tls.get("httpsRedirect"):
            yield Defect("Gateway grafana httpsRedirect is true: challenges of ACME, which come over http, would be redirected, too")
        if at(server, "port.protocol") == "HTTPS":
            yield from _certified(certificate, tls, host)
    root = _ini(c, "server", "root_url")
    if str(root).rstrip("/") != f"https://{host}":
        yield Defect(f"grafana.ini server.root_url is {root}: people look at https://{host}, and sign-in would send them elsewhere")
    if _ini(c, "security", "cookie_secure") is not True:
        yield Defect("grafana.ini security.cookie_secure is not true: a browser would send a session over http as well")


def _certified(certificate: Mapping[str, Any], tls: Mapping[str, Any], host: str) -> Iterator[Defect]:
    if tls.get("credentialName") != certificate.get("secretName"):
        written = certificate.get("secretName")
        yield Defect(f"Gateway grafana credentialName is {tls.get('credentialName')}: its Certificate writes Secret {written}")
    if host not in certificate.get("dnsNames", []):
        yield Defect(f"Certificate grafana dnsNames is {certificate.get('dnsNames')}: browsers ask for {host}")
    if tls.get("minProtocolVersion") not in NEW_TLS:
        yield Defect(f"Gateway grafana minProtocolVersion is {tls.get('minProtocolVersion', 'not set')}: must be TLSV1_2 or newer")


def _sign_in(c: Configured) -> Iterator[Edge | Defect | KeyRead]:
    if _ini(c, SECTION, "enabled") is not True:
        return
    authorize, token = str(_ini(c, SECTION, "auth_url")), str(_ini(c, SECTION, "token_url"))
    yield Edge(SIGN_IN, "grafana", f"https://{urlsplit(token).hostname}", HTTPS, f"grafana.ini {SECTION}.token_url")
    if urlsplit(authorize).hostname != urlsplit(token).hostname:
        yield Defect(f"grafana.ini {SECTION}.auth_url is {authorize}: its token_url is {token}, in another cloud")
    if c.entrance is None:
        yield Defect(f"grafana.ini {SECTION}.enabled is true: without a public host Entra ID has nowhere to send browsers back to")
    for key, why in (
        ("role_attribute_strict", "who has no role would become a viewer"),
        ("allowed_organizations", "people of every tenant would be let in"),
    ):
        if not _ini(c, SECTION, key):
            yield Defect(f"grafana.ini {SECTION}.{key} is {_ini(c, SECTION, key)}: {why}")
    yield from _credential(c)


def _credential(c: Configured) -> Iterator[Defect | KeyRead]:
    """What Grafana shows Entra ID: the secret that its environment reads, or a token that is mounted where it looks."""
    namespace = c.topology.releases.grafana.namespace
    for variable, source in at(c.grafana, "envValueFrom", {}).items():
        key = SecretKey(at(source, "secretKeyRef.name", ""), namespace, at(source, "secretKeyRef.key", ""))
        yield KeyRead("grafana", key, variable, SECRET_VARIABLE, f"envValueFrom {variable}")
    if _ini(c, SECTION, "client_authentication") == "workload_identity":
        folder, _, file = str(_ini(c, SECTION, "workload_identity_token_file")).rpartition("/")
        mounted = {mount["name"] for mount in at(c.grafana, "extraVolumeMounts", []) if mount["mountPath"] == folder}
        volumes = [volume for volume in at(c.grafana, "extraContainerVolumes", []) if volume["name"] in mounted]
        tokens = [at(source, "serviceAccountToken", {}) for volume in volumes for source in at(volume, "projected.sources", [])]
        if file not in {
            token.get("path") for token in tokens if token.get("audience") == _ini(c, SECTION, "federated_credential_audience")
        }:
            yield Defect(f"grafana.ini {SECTION}.workload_identity_token_file is {folder}/{file}: no token for Entra ID is mounted there")
    elif not at(c.grafana, "envValueFrom", {}):
        yield Defect(f"grafana.ini {SECTION}.client_authentication is not workload_identity, and no environment reads a client secret")


def _ini(c: Configured, section: str, key: str) -> Any:
    return c.grafana.get("grafana.ini", {}).get(section, {}).get(key, "not set" if key.endswith("url") else None)
