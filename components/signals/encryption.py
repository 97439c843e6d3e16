"""Which of the ways to the collector are encrypted, and whether both ends can be: certificate, names, and the authority to trust."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from components.otlp_tls import AUTHORITY, AUTHORITY_FILE
from components.signals.configured import Configured, Values, at
from components.signals.model import Defect

RULE = "DestinationRule of the collector"
CONFIG_MAP = "configmap://"
PASSED_ON = ("https", "tls", "tcp")
"""Protocols of a port of which a proxy does not look into what it carries."""


def rule_tls(destination: Values | None, host: str | None, port: int | None) -> Mapping[str, Any]:
    """How a proxy encrypts what it sends to a port: what a DestinationRule says of that, or nothing where it says nothing."""
    if destination is None or destination.get("host") != host:
        return {}
    settings = at(destination, "trafficPolicy.portLevelSettings", [])
    own = [entry["tls"] for entry in settings if at(entry, "port.number") == port and "tls" in entry]
    tls = own[0] if own else at(destination, "trafficPolicy.tls", {})
    return tls if tls.get("mode", "DISABLE") != "DISABLE" else {}


def trust(c: Configured) -> Iterator[Defect]:
    """What keeps senders from trusting the collector, or the collector from having a certificate to show."""
    protocols = at(c.collector, "config.receivers.otlp.protocols", {})
    encrypted = {key: said["tls"] for key, said in protocols.items() if said.get("tls")}
    for key, tls in encrypted.items():
        yield from _shown(c, f"collector.config.receivers.otlp.protocols.{key}.tls", tls)
    if c.destination is not None:
        yield from _by_proxies(c)
    endpoint = str(at(c.instrumentation, "exporter.endpoint", ""))
    if endpoint.startswith("https://"):
        yield from _by_applications(c, str(urlsplit(endpoint).hostname))


def _shown(c: Configured, said: str, tls: Mapping[str, Any]) -> Iterator[Defect]:
    secret = at(c.certificate or {}, "secretName", "")
    volumes = {volume["name"] for volume in c.collector.get("volumes", []) if secret and at(volume, "secret.secretName") == secret}
    folders = [mount["mountPath"] for mount in c.collector.get("volumeMounts", []) if mount["name"] in volumes]
    for key in ("cert_file", "key_file"):
        path = str(tls.get(key, ""))
        if not any(path.startswith(f"{folder}/") for folder in folders):
            yield Defect(
                f"{said}.{key} is {path or 'not set'}: no volume of the collector has the Certificate's Secret {secret or 'at all'} there"
            )


def _by_proxies(c: Configured) -> Iterator[Defect]:
    host = at(c.destination, "host", "")
    for entry in at(c.destination, "trafficPolicy.portLevelSettings", []):
        tls = entry.get("tls", {})
        said = f"{RULE}, port {at(entry, 'port.number')}, tls"
        found = str(tls.get("credentialName", ""))
        namespace, _, name = found.removeprefix(CONFIG_MAP).partition("/")
        if not found.startswith(CONFIG_MAP) or name != AUTHORITY or namespace not in c.trusting:
            places = ", ".join(f"{CONFIG_MAP}{place}/{AUTHORITY}" for place in c.trusting) or "nowhere"
            yield Defect(f"{said}.credentialName is {found or 'not set'}: no proxy would trust the collector; its authority is at {places}")
        yield from _named(c, f"{said}.subjectAltNames", tls.get("subjectAltNames") or [host])


def _by_applications(c: Configured, host: str) -> Iterator[Defect]:
    said, tls = "Instrumentation exporter.tls", at(c.instrumentation, "exporter.tls", {})
    if tls.get("configMapName") != AUTHORITY or tls.get("ca_file") != AUTHORITY_FILE:
        chosen = f"{tls.get('configMapName', 'no ConfigMap')}, {tls.get('ca_file', 'no file')}"
        yield Defect(f"{said} is {chosen}: no SDK would trust the collector; its authority is ConfigMap {AUTHORITY}, {AUTHORITY_FILE}")
    if c.sample is not None and c.topology.sample_namespace not in c.trusting:
        yield Defect(
            f"{said} names ConfigMap {AUTHORITY}: there is none in namespace {c.topology.sample_namespace}, so its pods do not start"
        )
    yield from _named(c, "Instrumentation exporter.endpoint", [host])
    port = c.topology.otlp_http.port
    made = next((entry.get("appProtocol") for entry in c.collector.get("ports", []) if entry.get("port") == port), "http")
    if made not in PASSED_ON and not c.ambient:
        yield Defect(
            f"collector.spec.ports has appProtocol {made} for {port}: a sidecar would look for HTTP in what its application encrypts"
        )


def _named(c: Configured, said: str, names: list[str]) -> Iterator[Defect]:
    certified = at(c.certificate or {}, "dnsNames", [])
    for name in names:
        if name not in certified:
            yield Defect(f"{said} is {name}: the collector's certificate is for {', '.join(certified) or 'nobody'}")
