"""From MeshConfig and Telemetry to an Envoy: what Istio makes of our extension providers for one proxy, as a bootstrap file.

Source: istio 1.30, pilot/pkg/networking/core/tracing.go (otelConfig, otelServiceName, configureSampling), pilot/pkg/model/
telemetry_logging.go (openTelemetryLog, EnvoyTextLogFormat), pkg/kube/inject/template.go (otelResourceAttributes). Istio's own filters
(istio_stats, peer metadata) are not in an Envoy as published, so `istio_requests_total` is not made here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.signals.encryption import rule_tls
from signals.pods import Pod

TEXT_FORMAT = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% '
    '%DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" '
    '"%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% '
    "%DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"
)
LOG_NAME = "otel_envoy_accesslog"
_TYPES = "type.googleapis.com/envoy"
_HTTP = f"{_TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_HTTP_OPTIONS = f"{_TYPES}.extensions.upstreams.http.v3.HttpProtocolOptions"
ANNOTATION = "resource.opentelemetry.io/"


@dataclass(frozen=True)
class Proxy:
    """One proxy: where it listens, whom it asks, and its admin port; all on loopback."""

    pod: Pod
    port: int
    upstream: int
    admin: int
    route: str = "/"
    """Prefix of the paths that it takes."""
    destination: str = ""
    """host:port of the Service behind it, as Istio names the route's operation."""
    flush_every_ms: int | None = None
    """How long it holds spans back; None means its own 5 s."""
    passes_on: Mapping[int, str] = field(default_factory=dict)
    """Ports at which it takes what its application sends, to the host:port where that goes, byte for byte."""


def service_name(pod: Pod) -> str:
    """`service.name` of the proxy's spans under OTEL_SEMANTIC_CONVENTIONS."""
    said = pod.annotations.get(f"{ANNOTATION}service.name")
    return said or pod.labels.get("app.kubernetes.io/instance") or pod.labels.get("app.kubernetes.io/name") or pod.workload


def environment(mesh: Mapping[str, Any], pod: Pod) -> dict[str, str]:
    """Environment of the proxy as the injection template sets it; a gateway's has no resource attributes."""
    variables = {"POD_NAME": pod.name, "POD_NAMESPACE": pod.namespace, "ISTIO_META_WORKLOAD_NAME": pod.workload}
    conventions = any(
        provider.get("opentelemetry", {}).get("serviceAttributeEnrichment") == "OTEL_SEMANTIC_CONVENTIONS"
        for provider in mesh.get("extensionProviders", [])
    )
    if conventions and pod.kind == "sidecar":
        version = pod.annotations.get(f"{ANNOTATION}service.version") or pod.labels.get("app.kubernetes.io/version")
        attributes = {
            "service.namespace": pod.annotations.get(f"{ANNOTATION}service.namespace", pod.namespace),
            **({"service.version": version} if version else {}),
            "service.instance.id": f"{pod.namespace}.{pod.name}.{pod.container}",
        }
        variables["OTEL_RESOURCE_ATTRIBUTES"] = ",".join(f"{key}={value}" for key, value in attributes.items())
    return variables


@dataclass(frozen=True)
class Encrypting:
    """What a proxy knows of how to encrypt: a DestinationRule, and the certificates of the authorities that it may name."""

    rule: Mapping[str, Any]
    authorities: Mapping[str, Path]
    """`credentialName` to the file that stands for what istiod would give."""


def bootstrap(
    mesh: Mapping[str, Any],
    telemetry: Mapping[str, Any],
    proxy: Proxy,
    local: Callable[[str], str],
    encrypting: Encrypting | None = None,
) -> dict[str, Any]:
    """Bootstrap of one proxy. `local` turns host:port of the cluster into host:port of this machine.

    Raises KeyError where the Telemetry names a provider that the mesh does not have.
    """
    providers = {provider["name"]: provider for provider in mesh["extensionProviders"]}
    logs = [providers[p["name"]]["envoyOtelAls"] for entry in telemetry.get("accessLogging", []) for p in entry["providers"]]
    traces = [(entry, providers[p["name"]]["opentelemetry"]) for entry in telemetry.get("tracing", []) for p in entry["providers"]]
    manager: dict[str, Any] = {
        "@type": _HTTP,
        "stat_prefix": "http",
        "use_remote_address": proxy.pod.kind == "gateway",
        "http_filters": [
            {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{_TYPES}.extensions.filters.http.router.v3.Router"}}
        ],
        "route_config": {"name": "route", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [_route(proxy)]}]},
        "access_log": [_access_log(provider) for provider in logs],
        "request_id_extension": {
            "typed_config": {
                "@type": f"{_TYPES}.extensions.request_id.uuid.v3.UuidRequestIdConfig",
                "use_request_id_for_trace_sampling": True,
            }
        },
    }
    if traces:
        manager["tracing"] = _tracing(*traces[0], proxy.pod)
    collectors = {_cluster_name(provider): provider for provider in (*logs, *(provider for _, provider in traces))}
    clusters = [_cluster("upstream", f"127.0.0.1:{proxy.upstream}", grpc=False)]
    for name, provider in collectors.items():
        cluster = _cluster(name, local(f"{provider['service']}:{provider['port']}"), grpc=True)
        clusters.append(cluster | _encrypted(provider, encrypting))
    clusters += [_cluster(authority, authority, grpc=False) for authority in dict.fromkeys(proxy.passes_on.values())]
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    runtime = {} if proxy.flush_every_ms is None else {"tracing.opentelemetry.flush_interval_ms": proxy.flush_every_ms}
    return {
        "layered_runtime": {"layers": [{"name": "holding back", "static_layer": runtime}]},
        # whoever it connects to sees the pod's address
        "cluster_manager": {"upstream_bind_config": {"source_address": {"address": proxy.pod.address, "port_value": 0}}},
        "node": {"id": f"{proxy.pod.kind}~{proxy.pod.address}~{proxy.pod.name}.{proxy.pod.namespace}~local", "cluster": proxy.pod.workload},
        "admin": {"address": _socket("127.0.0.1", proxy.admin)},
        "static_resources": {
            "listeners": [
                {"name": "http", "address": _socket("127.0.0.1", proxy.port), "filter_chains": [chain]},
                *(_outbound(port, authority) for port, authority in proxy.passes_on.items()),
            ],
            "clusters": clusters,
        },
    }


def _route(proxy: Proxy) -> dict[str, Any]:
    operation = {"decorator": {"operation": f"{proxy.destination}{proxy.route.rstrip('/')}*"}} if proxy.destination else {}
    return {"match": {"prefix": proxy.route}, "route": {"cluster": "upstream"}, **operation}


def _outbound(port: int, authority: str) -> dict[str, Any]:
    tcp = {"@type": f"{_TYPES}.extensions.filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "outbound", "cluster": authority}
    chain = {"filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": tcp}]}
    return {"name": f"outbound_{port}", "address": _socket("127.0.0.1", port), "filter_chains": [chain]}


def _access_log(provider: Mapping[str, Any]) -> dict[str, Any]:
    form = provider.get("logFormat", {})
    config: dict[str, Any] = {
        "@type": f"{_TYPES}.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig",
        "common_config": {
            "log_name": provider.get("logName", LOG_NAME),
            "grpc_service": _grpc(provider),
            "transport_api_version": "V3",
        },
        # a record without a resource: Istio leaves saying whose it is to the labels, and to whoever receives it
        "disable_builtin_labels": True,
        "body": {"string_value": form.get("text") or TEXT_FORMAT},
    }
    labels = form.get("labels", {})
    if labels:
        config["attributes"] = {"values": [{"key": key, "value": {"string_value": labels[key]}} for key in sorted(labels)]}
    return {"name": "envoy.access_loggers.open_telemetry", "typed_config": config}


def _tracing(entry: Mapping[str, Any], provider: Mapping[str, Any], pod: Pod) -> dict[str, Any]:
    conventions = provider.get("serviceAttributeEnrichment") == "OTEL_SEMANTIC_CONVENTIONS"
    config: dict[str, Any] = {
        "@type": f"{_TYPES}.config.trace.v3.OpenTelemetryConfig",
        "grpc_service": _grpc(provider),
        "service_name": service_name(pod) if conventions else f"{pod.labels.get('app', pod.workload)}.{pod.namespace}",
    }
    if conventions:
        detector = "environment"
        kind = f"{_TYPES}.extensions.tracers.opentelemetry.resource_detectors.v3.EnvironmentResourceDetectorConfig"
        config["resource_detectors"] = [
            {"name": f"envoy.tracers.opentelemetry.resource_detectors.{detector}", "typed_config": {"@type": kind}}
        ]
    return {
        "provider": {"name": "envoy.tracers.opentelemetry", "typed_config": config},
        "client_sampling": {"value": 100},
        "random_sampling": {"value": entry.get("randomSamplingPercentage", 1)},
        "overall_sampling": {"value": 100},
        "spawn_upstream_span": pod.kind == "gateway",
    }


def _grpc(provider: Mapping[str, Any]) -> dict[str, Any]:
    return {"envoy_grpc": {"cluster_name": _cluster_name(provider), "authority": provider["service"]}}


def _encrypted(provider: Mapping[str, Any], encrypting: Encrypting | None) -> dict[str, Any]:
    """The part of a cluster that a DestinationRule adds: istio 1.30 pilot/pkg/networking/core/cluster_tls.go, constructUpstreamTLS."""
    tls = rule_tls(encrypting.rule, provider["service"], provider["port"]) if encrypting else {}
    if not tls or encrypting is None:
        return {}
    names = [{"san_type": "DNS", "matcher": {"exact": name}} for name in tls["subjectAltNames"]]
    authority = {"filename": str(encrypting.authorities[tls["credentialName"]])}
    context = {
        "@type": f"{_TYPES}.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "sni": tls["sni"],
        "common_tls_context": {
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
            "alpn_protocols": ["h2"],
            "validation_context": {"trusted_ca": authority, "match_typed_subject_alt_names": names},
        },
    }
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context}}


def _cluster_name(provider: Mapping[str, Any]) -> str:
    return f"outbound|{provider['port']}||{provider['service']}"


def _cluster(name: str, authority: str, grpc: bool) -> dict[str, Any]:
    host, _, port = authority.rpartition(":")
    endpoint = {"endpoint": {"address": _socket(host, int(port))}}
    cluster: dict[str, Any] = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "10s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    if grpc:
        options = {"@type": _HTTP_OPTIONS, "explicit_http_config": {"http2_protocol_options": {}}}
        cluster["typed_extension_protocol_options"] = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options}
    return cluster


def _socket(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}
