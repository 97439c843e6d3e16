"""From evidence to results: each check with what was found, and a hint that says where the path is cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components import mesh_records
from components.tail_sampling import TRACE_STATE
from verify import stores
from verify.attempts import attempt, judged
from verify.evidence import ISTIO_METRICS, SPAN_METRICS, Evidence, Places, Subject, gather
from verify.following import follow
from verify.results import Result

RECEIVERS = {"web.enable-remote-write-receiver": "enableRemoteWriteReceiver", "web.enable-otlp-receiver": "enableOTLPReceiver"}
LONGEST_SECONDS = 58.0
NODE_LABEL = mesh_records.NODE.replace(".", "_")
"""As Loki spells it."""
NO_GRAFANA = "no Grafana answers: its links were expanded here as it does, and run against the stores"

NOTHING_CAME = (
    "nothing came through the collector: is it ready, do the mesh's providers and the Instrumentation name its address? Where it takes TLS "
    "alone (opentelemetry.tls), DestinationRule otel-collector and ConfigMap otlp-ca must give its authority"
)


def verify(places: Places, subject: Subject, wait_seconds: float, longest: float = LONGEST_SECONDS) -> list[Result]:
    """Sends one request and follows it everywhere; all results, in the order of the path, after `longest` seconds at most."""
    with stores.within(longest):
        return _all(places, subject, wait_seconds)


def _all(places: Places, subject: Subject, wait_seconds: float) -> list[Result]:
    evidence = gather(places, subject, wait_seconds)
    results = [_request(evidence, places, subject)]
    if evidence.status != 200:
        names = ("traces", "logs", "metrics", "links")
        results += [Result(name, "all checks", "not run", "there was no request to follow") for name in names]
        return [*results, *_receivers(places), *_datasources(places), _grafana(places)]
    results += [
        *_traces(evidence, subject),
        *_logs(evidence, subject),
        _one_name(evidence, subject),
        _whose(evidence, subject),
        *_metrics(evidence, places, subject),
    ]
    return [*results, *_receivers(places), *_datasources(places), *follow(evidence, places, subject), _grafana(places)]


def _request(evidence: Evidence, places: Places, subject: Subject) -> Result:
    found = (
        f"{evidence.status} with trace id {evidence.trace_id}" if evidence.status == 200 else f"{evidence.status} {evidence.answer[:200]}"
    )
    hint = (
        f"{places.gateway}{subject.path} must answer 200: is the sample application installed (sampleApp.image), does its VirtualService "
        "take the path, is its pod ready?"
    )
    return judged("request", f"GET {subject.path} through the gateway", evidence.status == 200, found, hint, evidence.seconds["request"])


def _traces(evidence: Evidence, subject: Subject) -> list[Result]:
    told = evidence.missing.get("spans", "")
    if not evidence.spans and evidence.lines:
        where = (
            "logs of the same request came through the collector, so its exporter to Tempo (otlp_grpc/tempo) does not deliver: "
            "its endpoint, Tempo's receiver, and otelcol_exporter_send_failed_spans_total; with tail sampling, load_balancing must find "
            f"the collectors that decide (otelcol_loadbalancer_num_backends), and they must keep what says {TRACE_STATE}"
        )
    elif not evidence.spans:
        where = NOTHING_CAME
    else:
        where = ""
    mesh = (
        "Telemetry mesh-observability must name the provider otel-tracing, and istiod must know its Service (logs: could not find cluster)"
    )
    app = (
        "the pod must have been made after the Instrumentation, with its init container (instrumentation.opentelemetry.io/inject-python); "
        "where the collector takes TLS alone, ConfigMap otlp-ca of its namespace must hold the authority"
    )
    seconds = evidence.seconds["spans"]
    own = [s for s in evidence.mesh_spans if s.service == subject.service] if subject.sidecar else evidence.mesh_spans
    return [
        judged("traces", "span of the mesh", bool(own), _names(evidence.mesh_spans, told), where or mesh, seconds),
        judged("traces", "span of the application", bool(evidence.app_spans), _names(evidence.app_spans, told), where or app, seconds),
    ]


def _names(spans: list[stores.Span], otherwise: str) -> str:
    return ", ".join(dict.fromkeys(f"{span.service}: {span.name}" for span in spans)) or otherwise or "none"


def _logs(evidence: Evidence, subject: Subject) -> list[Result]:
    told = evidence.missing.get("lines", "")
    if not evidence.lines and evidence.spans:
        where = (
            "spans of the same request came through the collector, so its exporter to Loki (otlp_http/loki) does not deliver "
            "(otelcol_exporter_send_failed_log_records_total), or Loki keeps no trace_id (allow_structured_metadata)"
        )
    elif not evidence.lines:
        where = NOTHING_CAME
    else:
        where = ""
    access = (
        "Telemetry mesh-observability must name the provider otel; Envoy counts what it loses in "
        "access_logs.open_telemetry_access_log.logs_dropped"
    )
    app = "the SDK must send logs (OTEL_LOGS_EXPORTER=otlp), and the line must be written while the span is open"
    seconds = evidence.seconds["lines"]
    own = [e for e in evidence.access_logs if not subject.sidecar or e.labels.get("service_name") == subject.service]
    named = ", ".join(dict.fromkeys(line.labels.get("service_name", "?") for line in evidence.access_logs))
    texts = "; ".join(line.text.strip()[:60] for line in evidence.app_logs)
    if evidence.access_logs and not own:
        access = f"access logs came as {named}: the collector must say whose a mesh record is (k8s_attributes, transform/mesh)"
    return [
        judged("logs", "access log of the mesh", bool(own), named or told or "none", where or access, seconds),
        judged("logs", "log of the application", bool(evidence.app_logs), texts or told or "none", where or app, seconds),
    ]


def _one_name(evidence: Evidence, subject: Subject) -> Result:
    """Everything of one pod must carry one service.name; of the gateway's own records nothing is asked but that they have one."""
    said = {
        "application's span": {s.service for s in evidence.app_spans},
        "application's log": {line.labels.get("service_name", "") for line in evidence.app_logs},
    }
    if subject.sidecar:
        said |= {
            "proxy's span": {s.service for s in evidence.mesh_spans},
            "proxy's access log": {line.labels.get("service_name", "") for line in evidence.access_logs},
        }
    if any(not names for names in said.values()):
        lacking = ", ".join(kind for kind, names in said.items() if not names)
        return Result("identity", "one service.name", "not run", f"there is no {lacking}")
    wrong = [f"{kind}: {', '.join(sorted(names))}" for kind, names in said.items() if subject.service not in names]
    unknown = [kind for kind, names in said.items() if any(name in ("", "unknown_service") for name in names)]
    hint = (
        "serviceAttributeEnrichment of the provider otel-tracing, useLabelsForResourceAttributes of the Instrumentation, and the "
        "collector's transform/mesh"
    )
    return judged("identity", "one service.name", not wrong and not unknown, "; ".join(wrong or unknown) or subject.service, hint)


def _whose(evidence: Evidence, subject: Subject) -> Result:
    """By which of its two ways an access log got its name: a node stands where a pod was known by the address, and nowhere else."""
    own = [e for e in evidence.access_logs if not subject.sidecar or e.labels.get("service_name") == subject.service]
    if not own:
        return Result("identity", "source of the access log's name", "not run", "there is no access log with the name that it should have")
    known = all(line.labels.get(NODE_LABEL) for line in own)
    found = "the address of its connection" if known else "what its proxy says of itself: the address of its connection was no known pod's"
    return Result("identity", "source of the access log's name", "passed", found)


def _metrics(evidence: Evidence, places: Places, subject: Subject) -> list[Result]:
    def row(kind: str, name: str, found: str, hint: str) -> Result:
        return judged("metrics", name, kind not in evidence.missing, evidence.missing.get(kind) or found, hint, evidence.seconds[kind])

    series = ", ".join(sorted({entry["metric"]["__name__"] for entry in evidence.metric}))
    results = [
        row("metric", "request metric of the application", series, (
            "the collector's exporter to Prometheus (otlp_http/prometheus), Prometheus' OTLP receiver (enableOTLPReceiver), and "
            "service.name among otlp.promoteResourceAttributes"
        )),
    ]  # fmt: skip
    if "metric" in evidence.missing and "exemplar" in evidence.missing:
        results.append(Result("metrics", "exemplar with the trace id", "not run", "there is no metric that could have one"))
    else:
        results.append(row("exemplar", "exemplar with the trace id", "trace_id on a bucket", (
            "the metric is there, its exemplars are not kept: Prometheus needs enableFeatures: [exemplar-storage] and exemplars.maxSize"
        )))  # fmt: skip
    for kind, absent, name, hint in (
        ("mesh_metric", ISTIO_METRICS, "istio_requests_total", "PodMonitor envoy-stats must be selected, and port 15020 reachable"),
        ("span_metric", SPAN_METRICS, "metrics that Tempo makes of spans", (
            "overrides.defaults.metrics_generator.processors must name span-metrics, and the generator's remote_write must reach Prometheus"
        )),
    ):  # fmt: skip
        if absent in places.absent:
            results.append(Result("metrics", name, "not run", places.absent[absent]))
        else:
            results.append(row(kind, name, f"of {subject.service}", hint))
    return results


def _receivers(places: Places) -> list[Result]:
    """Prometheus refuses what nobody told it to take, and says so to the sender alone."""

    def check() -> tuple[bool, str, str]:
        found = stores.flags(places.prometheus)
        off = [name for flag, name in RECEIVERS.items() if found.get(flag) != "true"]
        return not off, ", ".join(off) + " off" if off else "remote write and OTLP", f"prometheusSpec.{' and '.join(off)} must be true"

    return [attempt("metrics", "Prometheus takes what is sent to it", check, "Prometheus must answer")]


def _datasources(places: Places) -> list[Result]:
    results = []
    for source in places.datasources:

        def check(source: Mapping[str, Any] = source) -> tuple[bool, str, str]:
            if places.grafana is not None:
                found = places.grafana.get(f"/api/datasources/uid/{source['uid']}/health")
                return found.get("status") == "OK", str(found.get("message", "")), f"Grafana cannot use {source['url']}"
            stores.is_healthy(source["type"], places.reach(source))
            return True, source["url"], ""

        results.append(attempt("datasources", source["name"], check, f"the url of datasource {source['name']} is {source['url']}"))
    return results


def _grafana(places: Places) -> Result:
    if places.grafana is None:
        return Result("Grafana", "Grafana itself", "not run", NO_GRAFANA)

    def check() -> tuple[bool, str, str]:
        assert places.grafana is not None
        found = places.grafana.get("/api/health")
        return found.get("database") == "ok", f"version {found.get('version')}, database {found.get('database')}", "Grafana's own log"

    return attempt("Grafana", "Grafana itself", check, "Grafana must answer")
