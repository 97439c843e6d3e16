"""Who takes what where: ports of the collector and the stores, by their own configuration and the names that charts and operators give."""

from __future__ import annotations

from collections.abc import Iterator

from components.addresses import BlobStore, Release, Service
from components.signals.configured import Configured, at
from components.signals.model import Address, Listener, address
from components.topology import collector_service, headless_service, kube_prometheus_fullname

OTLP_GRPC, OTLP_HTTP = "otlp/grpc", "otlp/http"
TLS = " over TLS"
"""End of a protocol's name where it is encrypted."""
PUSH, REMOTE_WRITE, BLOB = "loki push", "remote write", "blob"
RECEIVERS = {"grpc": OTLP_GRPC, "http": OTLP_HTTP}
"""The collector's names of OTLP's two forms."""


def over(protocol: str, tls: bool) -> str:
    """The protocol by the name that it has under TLS, or in clear."""
    return f"{protocol}{TLS}" if tls else protocol


def api(kind: str) -> str:
    """The protocol in which a datasource of that type asks."""
    return f"{kind} api"


def listeners(c: Configured) -> list[Listener]:
    """Every port of the stack that takes signals or answers for them."""
    return [*_collectors(c), *_tempo(c), *_loki(c), *_prometheus(c), *_blobs(c)]


def _collectors(c: Configured) -> Iterator[Listener]:
    names = {"collector": collector_service(c.topology.collector), "tail": headless_service(c.topology.tail_collector)}
    for node, spec in (("collector", c.collector), ("tail", c.tail)):
        for key, protocol in RECEIVERS.items():
            said = at(spec, f"config.receivers.otlp.protocols.{key}", {})
            if said.get("endpoint"):
                place = Address(f"{names[node]}.{c.topology.telemetry_namespace}", int(said["endpoint"].rpartition(":")[2]))
                yield Listener(node, place, over(protocol, bool(said.get("tls"))))


def _tempo(c: Configured) -> Iterator[Listener]:
    release = c.topology.releases.tempo
    if release.chart == "tempo":  # its receivers are on by default
        takes, asks, forms = _host(release), _host(release), RECEIVERS
    else:
        takes, asks = _host(release, "-distributor"), _host(release, "-query-frontend")
        forms = {key: protocol for key, protocol in RECEIVERS.items() if at(c.tempo, f"traces.otlp.{key}.enabled")}
    ports = {OTLP_GRPC: 4317, OTLP_HTTP: 4318}
    for protocol in forms.values():
        yield Listener("tempo", Address(takes, ports[protocol]), protocol)
    # 3200 since chart 1.41.0, 3100 before
    yield Listener("tempo", Address(asks, 3200), api("tempo"))


def _loki(c: Configured) -> Iterator[Listener]:
    release = c.topology.releases.loki
    doors = [(_host(release, "-gateway"), 80)] if at(c.loki, "gateway.enabled") else []
    if at(c.loki, "deploymentMode") == "Monolithic":
        doors.append((_host(release), 3100))
    for host, port in doors:
        yield Listener("loki", Address(host, port, "/otlp"), OTLP_HTTP)
        yield Listener("loki", Address(host, port, "/loki/api/v1/push"), PUSH)
        yield Listener("loki", Address(host, port), api("loki"))


def _prometheus(c: Configured) -> Iterator[Listener]:
    if c.prometheus is None:  # the cluster's own; `make preflight` looks whether it takes what it must
        host, port, takes = _service(c.topology.prometheus), c.topology.prometheus.port, {"enableRemoteWriteReceiver", "enableOTLPReceiver"}
    else:
        release = c.topology.releases.prometheus
        host, port = f"{kube_prometheus_fullname(release.name)}-prometheus.{release.namespace}", 9090
        takes = {key for key, value in at(c.prometheus, "prometheus.prometheusSpec", {}).items() if value is True}
    yield Listener("prometheus", Address(host, port), api("prometheus"))
    if "enableRemoteWriteReceiver" in takes:
        yield Listener("prometheus", Address(host, port, "/api/v1/write"), REMOTE_WRITE)
    if "enableOTLPReceiver" in takes:
        yield Listener("prometheus", Address(host, port, "/api/v1/otlp"), OTLP_HTTP)


def _blobs(c: Configured) -> Iterator[Listener]:
    for blobs in (c.topology.tempo_blobs, c.topology.loki_blobs):
        yield Listener(container_node(blobs), address(f"{blobs.url}/{blobs.container}"), BLOB)


def container_node(blobs: BlobStore) -> str:
    """The node of a store's container."""
    return f"{blobs.container} blobs"


def _host(release: Release, suffix: str = "") -> str:
    return f"{release.name}{suffix}.{release.namespace}"


def _service(service: Service) -> str:
    return f"{service.name}.{service.namespace}"
