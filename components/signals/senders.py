"""Who sends what where: proxies, SDKs, pods, the collector, Tempo's generator and the stores, read from what each is told."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from components import mesh_records, tail_sampling
from components.addresses import ServiceAccount
from components.grants import IN_CLUSTER, LOOK_PODS_UP
from components.signals.configured import Configured, at
from components.signals.encryption import rule_tls, trust
from components.signals.listeners import BLOB, OTLP_GRPC, OTLP_HTTP, PUSH, REMOTE_WRITE, over
from components.signals.model import Defect, Edge, Exemplars, KeyRead, Need
from components.signals.stores import stores
from components.signals.tail import decided, endpoint

SPAN, LOG, ACCESS_LOG, METRIC, STDOUT = "span", "log", "access log", "metric", "stdout line"
PROVIDERS = {"envoyOtelAls": ACCESS_LOG, "opentelemetry": SPAN}
"""Kind of an extension provider to what it can send. An access logger used as a tracer is silently no tracer (istio#48782)."""
SDK_PROTOCOLS = {"http/protobuf": OTLP_HTTP, "grpc": OTLP_GRPC}
EXPORTERS = {"otlp_grpc": OTLP_GRPC, "otlp_http": OTLP_HTTP, tail_sampling.EXPORTER: OTLP_GRPC}
DROPS = {"debug", "nop"}
"""Exporters that keep nothing."""
PIPELINES = {"traces": SPAN, "metrics": METRIC, "logs": LOG}
TAIL_PIPELINES = {"traces": SPAN}
TENANT = "X-Scope-OrgID"
SDK_EXEMPLAR_LABEL = "trace_id"
"""Under what Prometheus stores the trace of an exemplar that came over OTLP. Source: its storage/remote/otlptranslator."""
GENERATOR_EXEMPLAR_LABEL = "traceID"
"""Under what Tempo's generator writes it where nobody says otherwise."""

Found = Iterator[Edge | Defect | Exemplars | KeyRead | Need]


def proxies(c: Configured) -> tuple[str, str]:
    """The nodes whose Envoys see requests."""
    return ("gateway", "waypoints" if c.ambient else "sidecars")


def sent(c: Configured) -> Found:
    """Every edge of what is configured, what is needed for it, and what cannot be read as one."""
    yield from _mesh(c)
    yield from _applications(c)
    yield from _standard_output(c)
    yield from _collector("collector", c.collector, PIPELINES)
    yield from _collector("tail", c.tail, TAIL_PIPELINES if c.tail else {})
    yield from _looked_up(c)
    yield from decided(c)
    yield from _generator(c)
    yield from stores(c, BLOB)
    yield from trust(c)


def _mesh(c: Configured) -> Found:
    providers = {provider["name"]: provider for provider in at(c.mesh, "extensionProviders", [])}
    telemetry = c.telemetry or {}
    for signal, key in ((ACCESS_LOG, "accessLogging"), (SPAN, "tracing")):
        for name in (p["name"] for entry in telemetry.get(key, []) for p in entry.get("providers", [])):
            said = f"meshConfig.extensionProviders.{name}"
            kind = next((k for k in providers.get(name, {}) if k != "name"), None)
            if kind is None:
                yield Defect(f"Telemetry {key} names provider {name}: meshConfig.extensionProviders has {', '.join(providers) or 'none'}")
            elif PROVIDERS.get(kind) != signal:
                yield Defect(f"Telemetry {key} names provider {name}: it is of kind {kind}, which sends no {signal}s")
            else:
                body = providers[name][kind]
                encrypted = bool(rule_tls(c.destination, body.get("service"), body.get("port")))
                protocol = over(OTLP_HTTP if "http" in body else OTLP_GRPC, encrypted)
                for proxy in proxies(c):
                    yield Edge(signal, proxy, f"{body.get('service')}:{body.get('port')}", protocol, said)
                yield from _named(signal, body, said)


def _named(signal: str, provider: Mapping[str, Any], said: str) -> Found:
    """Whether a mesh record says whose it is, by the name that the application's own records have."""
    if signal == SPAN and provider.get("serviceAttributeEnrichment") != "OTEL_SEMANTIC_CONVENTIONS":
        chosen = provider.get("serviceAttributeEnrichment", "not set")
        yield Defect(
            f"{said}.serviceAttributeEnrichment is {chosen}: mesh spans would be named <app>.<namespace>, applications' <app>; "
            "must be OTEL_SEMANTIC_CONVENTIONS"
        )
    labels = at(provider, "logFormat.labels", {})
    missing = [label for label in mesh_records.LOG_LABELS if label not in labels]
    if signal == ACCESS_LOG and missing:
        yield Defect(f"{said}.logFormat.labels lacks {', '.join(missing)}: the collector falls back to them for an access log's resource")


def _applications(c: Configured) -> Found:
    endpoint = at(c.instrumentation, "exporter.endpoint", "")
    env = {entry["name"]: entry.get("value") for entry in c.instrumentation.get("env", [])}
    protocol = over(SDK_PROTOCOLS.get(str(env.get("OTEL_EXPORTER_OTLP_PROTOCOL")), OTLP_HTTP), endpoint.startswith("https://"))
    for signal in (SPAN, METRIC, LOG):
        yield Edge(signal, "applications", endpoint, protocol, "Instrumentation exporter.endpoint")
    if at(c.instrumentation, "defaults.useLabelsForResourceAttributes") is not True:
        yield Defect(
            "Instrumentation defaults.useLabelsForResourceAttributes is not true: applications would be named by their owner, "
            "mesh spans and access logs by their labels"
        )
    yield Exemplars("applications", SDK_EXEMPLAR_LABEL, "an SDK's exemplar over OTLP")
    template = at(c.sample or {}, "template", {})
    for key, value in at(template, "metadata.annotations", {}).items():
        made = f"{c.topology.telemetry_namespace}/{c.topology.instrumentation}"
        if "/inject-" in key and value != made:
            yield Defect(f"annotation {key} of the sample is {value}: no such Instrumentation; there is {made}")


def _standard_output(c: Configured) -> Found:
    if c.pod_logs is not None:
        yield Edge(STDOUT, "pods", "node:alloy", "pod log", "PodLogs")
    text = at(c.alloy, "alloy.configMap.content", "")
    forward = re.search(r'loki\.source\.podlogs "\w+" \{[^}]*forward_to = \[loki\.write\.(\w+)\.receiver\]', text)
    for name, url in re.findall(r'loki\.write "(\w+)" \{\s*endpoint \{\s*url = "([^"]+)"', text):
        if forward and forward[1] == name:
            yield Edge(LOG, "alloy", url, PUSH, f"Alloy's loki.write.{name} url", label=TENANT if TENANT in text else "")


def _collector(node: str, spec: Mapping[str, Any] | None, pipelines: Mapping[str, str]) -> Found:
    """What one tier of collectors sends on."""
    config = at(spec, "config", {})
    exporters = config.get("exporters", {})
    for pipeline, signal in pipelines.items():
        said = f"{node}.config.service.pipelines.{pipeline}"
        stages = at(config, f"service.pipelines.{pipeline}", {})
        names = stages.get("exporters", [])
        for name in names:
            kind = name.partition("/")[0]
            protocol = EXPORTERS.get(kind)
            if name not in exporters:
                yield Defect(f"{said}.exporters names {name}: {node}.config.exporters has {', '.join(exporters)}")
            elif protocol is None and kind not in DROPS:
                yield Defect(f"{said}.exporters names {name}: the collector has no such exporter; it has {', '.join(EXPORTERS)}")
            elif protocol is not None:
                balanced = kind == tail_sampling.EXPORTER
                to = endpoint(exporters[name]) if balanced else exporters[name].get("endpoint", "")
                place = f"{node}.config.exporters.{name}.{'resolver.dns' if balanced else 'endpoint'}"
                yield Edge(signal, node, to, protocol, place, at(exporters[name], f"headers.{TENANT}", ""))
        if "otlp" not in stages.get("receivers", []):
            yield Defect(f"{said}.receivers is {stages.get('receivers', [])}: nothing would feed it; must name otlp")
        if all(name.partition("/")[0] in DROPS for name in names):
            yield Defect(f"{said}.exporters is {names}: every {signal} would be thrown away")


def _looked_up(c: Configured) -> Found:
    """Whether records of the mesh get their resource, and by what right."""
    for pipeline, wanted in (("traces", mesh_records.PROCESSORS[:1]), ("logs", mesh_records.PROCESSORS)):
        said = f"collector.config.service.pipelines.{pipeline}"
        processors = at(c.collector, f"config.service.pipelines.{pipeline}.processors", [])
        for name in wanted:
            if name not in processors:
                yield Defect(f"{said}.processors lacks {name}: records of the mesh would have no resource")
            elif "batch" in processors and processors.index(name) > processors.index("batch"):
                yield Defect(f"{said}.processors has {name} after batch: a batch has no connection to look a pod up by")
        if pipeline == "logs" and mesh_records.POD_LOOKUP in processors:
            yield from _lookup(c)


def _lookup(c: Configured) -> Found:
    """Whether the collector names a pod as everybody else does, and what its own pods must be allowed for it."""
    said = f"collector.config.processors.{mesh_records.POD_LOOKUP}"
    lookup = at(c.collector, "config.processors", {}).get(mesh_records.POD_LOOKUP) or {}
    missing = [name for name in mesh_records.POD_METADATA if name not in at(lookup, "extract.metadata", [])]
    if missing:
        yield Defect(f"{said}.extract.metadata lacks {', '.join(missing)}: access logs come without any resource")
    if at(lookup, "extract.otel_annotations") is not True:
        yield Defect(
            f"{said}.extract.otel_annotations is not true: spans are named by resource.opentelemetry.io annotations where there are some"
        )
    account = c.collector.get("serviceAccount") or f"{c.topology.collector}-collector"
    holder = ServiceAccount(account, c.topology.telemetry_namespace)
    yield Need("collector", holder, LOOK_PODS_UP, IN_CLUSTER, "collector.spec.serviceAccount")


def _generator(c: Configured) -> Found:
    single = c.topology.releases.tempo.chart == "tempo"
    root = "tempo." if single else ""
    generator = f"{root}metricsGenerator"
    overrides = at(c.tempo, f"{root}overrides.defaults.metrics_generator", {})
    if not at(c.tempo, f"{generator}.enabled"):
        return
    processors = overrides.get("processors", [])
    missing = [name for name in ("service-graphs", "span-metrics") if name not in processors]
    if missing:
        yield Defect(
            f"{root}overrides.defaults.metrics_generator.processors lacks {', '.join(missing)}: the generator makes nothing of itself"
        )
    yield Edge(SPAN, "tempo", "node:generator", "within Tempo", generator)
    said = f"{generator}.{'' if single else 'config.'}storage.remote_write"
    for write in at(c.tempo, said, []):
        yield Edge(METRIC, "generator", write.get("url", ""), REMOTE_WRITE, said)
        if write.get("send_exemplars") is not True:
            yield Defect(f"{said} does not send exemplars: no metric of a span would lead to its trace")
    label = overrides.get("trace_id_label_name", GENERATOR_EXEMPLAR_LABEL)
    yield Exemplars("generator", label, f"{root}overrides.defaults.metrics_generator.trace_id_label_name")
