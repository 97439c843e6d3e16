"""The signal graph: sound for every kind of stack, and each way in which signals got lost for somebody is named when it is made again."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from components import signals
from components.addresses import ServiceAccount
from components.charts import ROOT
from components.errors import ConfigurationError
from components.grants import grants
from components.names_azure import BLOB_DATA_CONTRIBUTOR
from components.signals import check, monitors, reading
from components.signals.configured import Configured, configured
from components.signals.model import address
from components.topology import plan
from tests import reference
from tests.recorder import Run
from tests.stacks import EVERY, settings_of
from tests.test_graph import Record

Change = Callable[[Any], Any]


def fresh(variant: str = "local") -> Any:
    """What the layers of one kind of stack say, to be changed."""
    settings = settings_of(variant)
    return copy.deepcopy(configured(settings, plan(settings)))


def defects(c: Configured) -> list[str]:
    return signals.defects(reading.read(c))


@pytest.mark.parametrize("variant", EVERY)
def test_the_signals_of_every_stack_find_their_way(variant: str) -> None:
    settings = settings_of(variant)
    found = signals.graph(settings, plan(settings))
    assert signals.defects(found) == []
    assert len(found.edges) >= 19
    assert len(found.monitors) >= 9
    assert {link.name for link in found.links} == {"trace to logs", "trace to metrics", "service map", "log to trace", "metric to trace"}


@pytest.mark.parametrize(("variant", "proxies"), [("local", {"gateway", "sidecars"}), ("ambient", {"gateway", "waypoints"})])
def test_access_logs_and_spans_come_from_whichever_proxies_see_requests(variant: str, proxies: set[str]) -> None:
    edges = reading.read(fresh(variant)).edges
    for signal in ("access log", "span"):
        senders = {found.edge.source for found in edges if found.edge.signal == signal and found.edge.said.startswith("meshConfig")}
        assert senders == proxies


# the procedure that this program replaces, defect by defect


def mesh_points_at_another_namespace(c: Any) -> None:
    for provider, kind in zip(c.mesh["extensionProviders"], ("envoyOtelAls", "opentelemetry"), strict=True):
        provider[kind]["service"] = "opentelemetry-collector.observability.svc.cluster.local"


def exporters_point_at_another_namespace(c: Any) -> None:
    exporters = c.collector["config"]["exporters"]
    exporters["otlp_grpc/tempo"]["endpoint"] = "tempo-distributor.observability.svc.cluster.local:4317"
    exporters["otlp_http/loki"]["endpoint"] = "http://loki-gateway.observability.svc.cluster.local/otlp"


def old_schema(c: Any) -> None:
    c.loki["loki"]["schemaConfig"]["configs"][0] |= {"schema": "v11", "store": "boltdb-shipper"}


def loki_exporter(c: Any) -> None:
    config = c.collector["config"]
    config["exporters"]["loki"] = {"endpoint": "http://loki-gateway.loki.svc.cluster.local/loki/api/v1/push"}
    config["service"]["pipelines"]["logs"]["exporters"] = ["loki"]


def metrics_end_in_debug(c: Any) -> None:
    config = c.collector["config"]
    config["exporters"]["debug"] = {}
    config["service"]["pipelines"]["metrics"]["exporters"] = ["debug"]


def only_logs_lead_to_traces(c: Any) -> None:
    for source in datasources(c):
        if source["type"] != "loki":
            source["jsonData"] = {}


def a_regular_expression_finds_the_trace(c: Any) -> None:
    (field,) = datasource(c, "loki")["jsonData"]["derivedFields"]
    field |= {"matcherType": "regex", "matcherRegex": "traceID=00-([0-9a-f]+)-.*"}


def datasources(c: Any) -> list[Any]:
    return c.grafana["datasources"]["datasources.yaml"]["datasources"]


def datasource(c: Any, uid: str) -> Any:
    (found,) = [source for source in datasources(c) if source["uid"] == uid]
    return found


def set_at(field: str, *path: Any, to: Any) -> Change:
    """A change of one value of what one layer says."""

    def change(c: Any) -> None:
        here = getattr(c, field)
        for step in path[:-1]:
            here = here[step]
        here[path[-1]] = to

    return change


def without(field: str) -> Change:
    return lambda c: replace(c, **{field: None})


def in_datasource(uid: str, *path: Any, to: Any) -> Change:
    def change(c: Any) -> None:
        here = datasource(c, uid)
        for step in path[:-1]:
            here = here[step]
        here[path[-1]] = to

    return change


OLD_PROCEDURE: dict[str, tuple[Change, tuple[str, ...]]] = {
    "no Telemetry": (without("telemetry"), ("access logs of gateway: nothing sends them to collector", "spans of sidecars: nothing sends")),
    "no PodLogs": (without("pod_logs"), ("stdout lines of pods: nothing sends them to alloy",)),
    "the Secret has another key": (
        set_at("tempo", "tempo", "extraEnv", 0, "valueFrom", "secretKeyRef", "key", to="accountKey"),
        ("reads tempo/tempo-azure-key accountKey: no layer writes that; written: tempo/tempo-azure-key STORAGE_ACCOUNT_ACCESS_KEY",),
    ),
    "Loki's Secret has another key": (
        set_at("loki", "defaults", "extraEnv", 0, "valueFrom", "secretKeyRef", "key", to="accountKey"),
        ("reads loki/loki-azure-key accountKey: no layer writes that",),
    ),
    "the collector is in another namespace": (
        mesh_points_at_another_namespace,
        (
            "meshConfig.extensionProviders.otel is opentelemetry-collector.observability:4317: nothing listens there",
            "meshConfig.extensionProviders.otel-tracing is opentelemetry-collector.observability:4317: nothing listens there",
        ),
    ),
    "Instrumentation points at another collector": (
        set_at("instrumentation", "exporter", "endpoint", to="http://opentelemetry-collector.observability:4318"),
        ("Instrumentation exporter.endpoint is opentelemetry-collector.observability:4318: nothing listens there",),
    ),
    "exporters point at another namespace": (
        exporters_point_at_another_namespace,
        (
            "exporters.otlp_grpc/tempo.endpoint is tempo-distributor.observability:4317: nothing listens there",
            "exporters.otlp_http/loki.endpoint is loki-gateway.observability:80/otlp: nothing listens there",
        ),
    ),
    "Grafana asks Tempo at 3100": (
        in_datasource("tempo", "url", to="http://tempo.tempo.svc.cluster.local:3100"),
        ("datasource tempo url is tempo.tempo:3100: no such port; tempo listens at tempo.tempo:4317, tempo.tempo:4318, tempo.tempo:3200",),
    ),
    "Loki's schema is v11 with boltdb-shipper": (old_schema, ("loki.schemaConfig from 2024-04-01 is v11 with boltdb-shipper",)),
    "the exporter loki": (loki_exporter, ("pipelines.logs.exporters names loki: the collector has no such exporter",)),
    "metrics end in debug": (metrics_end_in_debug, ("every metric would be thrown away", "metrics of collector: nothing sends them")),
    "only logs lead to traces": (
        only_logs_lead_to_traces,
        ("tempo has a link trace to logs", "tempo has a link trace to metrics", "prometheus has a link metric to trace", "nodeGraph"),
    ),
    "a log's trace by a regular expression": (a_regular_expression_finds_the_trace, ("derivedFields goes by the text of a line",)),
}


def named(change: Change, variant: str = "local") -> list[str]:
    """What the check says of a stack after one change."""
    c = fresh(variant)
    return defects(change(c) or c)


@pytest.mark.parametrize("defect", OLD_PROCEDURE)
def test_a_defect_of_the_old_procedure_is_named(defect: str) -> None:
    change, parts = OLD_PROCEDURE[defect]
    lines = named(change)
    for part in parts:
        assert [line for line in lines if part in line], "\n".join(lines)


# what broke for others, and what the graph is for


def swapped_shifts(c: Any) -> None:
    datasource(c, "tempo")["jsonData"]["tracesToLogsV2"] |= {"spanStartTimeShift": "5m", "spanEndTimeShift": "-5m"}


def batch_first(c: Any) -> None:
    c.collector["config"]["service"]["pipelines"]["logs"]["processors"] = ["memory_limiter", "batch", "k8s_attributes", "transform/mesh"]


def both_say_trace_id_differently(c: Any) -> None:
    del c.tempo["tempo"]["overrides"]["defaults"]["metrics_generator"]["trace_id_label_name"]


def logs_go_to_prometheus(c: Any) -> None:
    c.collector["config"]["service"]["pipelines"]["logs"]["exporters"] = ["otlp_http/prometheus"]


def only_monitors_of_the_release(c: Any) -> None:
    del c.prometheus["prometheus"]["prometheusSpec"]["serviceMonitorSelectorNilUsesHelmValues"]


def swapped_providers(c: Any) -> None:
    c.telemetry["tracing"][0]["providers"] = [{"name": "otel"}]


def spans_pass_tail_sampling_by(c: Any) -> None:
    config = c.collector["config"]
    config["exporters"]["otlp_grpc/tempo"] = c.tail["config"]["exporters"]["otlp_grpc/tempo"]
    config["service"]["pipelines"]["traces"]["exporters"] = ["otlp_grpc/tempo"]


def nobody_asked_is_kept(c: Any) -> None:
    policies = c.tail["config"]["processors"]["tail_sampling"]["policies"]
    c.tail["config"]["processors"]["tail_sampling"]["policies"] = [p for p in policies if p["type"] != "trace_state"]


BALANCING = ("config", "exporters", "load_balancing")
TAIL: dict[str, tuple[Change, str]] = {
    "a Service with one address for all": (
        set_at("collector", *BALANCING, "resolver", "dns", "hostname", to="otel-tail-collector.observability.svc.cluster.local"),
        "load_balancing.resolver.dns is otel-tail-collector.observability:4317: nothing listens there",
    ),
    "a resolver of another namespace": (
        set_at("collector", *BALANCING, "resolver", "dns", "hostname", to="otel-tail-collector-headless.otel.svc.cluster.local"),
        "load_balancing.resolver.dns is otel-tail-collector-headless.otel:4317: nothing listens there",
    ),
    "a resolver with another port": (
        set_at("collector", *BALANCING, "resolver", "dns", "port", to="4318"),
        "load_balancing.resolver.dns is otel-tail-collector-headless.observability:4318: no such port; tail listens at",
    ),
    "no resolver": (set_at("collector", *BALANCING, "resolver", to={}), "load_balancing.resolver.dns is : that is no address with a port"),
    "spans apart by service": (
        set_at("collector", *BALANCING, "routing_key", to="service"),
        "load_balancing.routing_key is service: spans of one trace would be decided on apart; must be traceID",
    ),
    "spans that nobody decides on": (spans_pass_tail_sampling_by, "spans go to tail, and that is tempo"),
    "a second tier that is not there": (without("tail"), "nothing listens there"),
    "a second tier that decides nothing": (
        set_at("tail", "config", "service", "pipelines", "traces", "processors", to=["memory_limiter", "batch"]),
        "nothing would be decided; must name tail_sampling",
    ),
    "the proof's own traces thrown away": (
        nobody_asked_is_kept,
        "tail_sampling.policies keep no trace whose tracestate says istio-stack=keep: the proof's own would be thrown away",
    ),
    "a second tier that sends to nobody": (
        set_at("tail", "config", "exporters", "otlp_grpc/tempo", "endpoint", to="tempo-distributor.observability:4317"),
        "tail.config.exporters.otlp_grpc/tempo.endpoint is tempo-distributor.observability:4317: nothing listens there",
    ),
    "a second tier that nobody watches": (
        set_at("tail", "observability", "metrics", "enableMetrics", to=False),
        "metrics of tail: no monitor scrapes them",
    ),
}


@pytest.mark.parametrize("defect", TAIL)
def test_a_defect_of_tail_sampling_is_named(defect: str) -> None:
    change, part = TAIL[defect]
    lines = named(change, "distributed")
    assert [line for line in lines if part in line], "\n".join(lines)


LOST: dict[str, tuple[Change, str]] = {
    "HTTP to a port of gRPC": (
        set_at("instrumentation", "exporter", "endpoint", to="http://otel-collector.observability:4317"),
        "Instrumentation exporter.endpoint is otel-collector.observability:4317: otlp/http goes to a port of otlp/grpc",
    ),
    "gRPC to a port of HTTP": (
        set_at("collector", "config", "exporters", "otlp_grpc/tempo", "endpoint", to="tempo.tempo:4318"),
        "exporters.otlp_grpc/tempo.endpoint is tempo.tempo:4318: otlp/grpc goes to a port of otlp/http",
    ),
    "a wrong path": (
        set_at("collector", "config", "exporters", "otlp_http/loki", "endpoint", to="http://loki-gateway.loki"),
        "exporters.otlp_http/loki.endpoint is loki-gateway.loki:80: loki takes otlp/http at loki-gateway.loki:80/otlp",
    ),
    "no port": (
        set_at("collector", "config", "exporters", "otlp_grpc/tempo", "endpoint", to="tempo.tempo"),
        "exporters.otlp_grpc/tempo.endpoint is tempo.tempo: that is no address with a port",
    ),
    "the wrong store": (logs_go_to_prometheus, "logs go to loki, and that is prometheus"),
    "the collector listens elsewhere": (
        set_at("collector", "config", "receivers", "otlp", "protocols", "grpc", "endpoint", to="0.0.0.0:14317"),
        "topology.otlp_grpc is otel-collector.observability:4317: no such port; collector listens at otel-collector.observability:14317",
    ),
    "no receiver for pushes": (
        set_at("prometheus", "prometheus", "prometheusSpec", "enableRemoteWriteReceiver", to=False),
        "tempo.metricsGenerator.storage.remote_write is prom-kube-prometheus-stack-prometheus.prometheus:9090/api/v1/write: remote",
    ),
    "no receiver for OTLP": (
        set_at("prometheus", "prometheus", "prometheusSpec", "enableOTLPReceiver", to=False),
        "exporters.otlp_http/prometheus.endpoint is prom-kube-prometheus-stack-prometheus.prometheus:9090/api/v1/otlp: otlp/http goes",
    ),
    "an access logger as a tracer": (swapped_providers, "tracing names provider otel: it is of kind envoyOtelAls, which sends no"),
    "a provider that is not there": (
        set_at("telemetry", "accessLogging", 0, "providers", 0, "name", to="otell"),
        "Telemetry accessLogging names provider otell: meshConfig.extensionProviders has otel, otel-tracing",
    ),
    "monitors of one release only": (
        only_monitors_of_the_release,
        "is selected by no Prometheus: prometheus.prometheusSpec.serviceMonitorSelector wants",
    ),
    "monitors of one namespace only": (
        set_at("prometheus", "prometheus", "prometheusSpec", "podMonitorNamespaceSelector", to={"matchLabels": {"team": "a"}}),
        "podMonitorNamespaceSelector wants team: a, its namespace is prometheus",
    ),
    "applications by another name than the mesh's": (
        set_at("instrumentation", "defaults", to={}),
        "Instrumentation defaults.useLabelsForResourceAttributes is not true",
    ),
    "access logs without their service": (
        set_at("collector", "config", "processors", "k8s_attributes", "extract", "metadata", to=["k8s.pod.name"]),
        "k8s_attributes.extract.metadata lacks k8s.namespace.name, service.namespace, service.name, service.version",
    ),
    "access logs that know no annotation": (
        set_at("collector", "config", "processors", "k8s_attributes", "extract", "otel_annotations", to=False),
        "k8s_attributes.extract.otel_annotations is not true",
    ),
    "a monitor switched off": (set_at("tempo", "serviceMonitor", "enabled", to=False), "metrics of tempo: no monitor scrapes them"),
    "the collector's monitor switched off": (set_at("collector", "observability", to={}), "metrics of collector: no monitor scrapes them"),
    "unmerged metrics": (set_at("mesh", "enablePrometheusMerge", to=False), "meshConfig.enablePrometheusMerge is not true"),
    "a link to nowhere": (
        in_datasource("tempo", "jsonData", "tracesToLogsV2", "datasourceUid", to="lokii"),
        "datasource tempo jsonData.tracesToLogsV2 opens lokii: there is no such datasource; there are prometheus, tempo, loki",
    ),
    "a link to the wrong kind": (
        in_datasource("tempo", "jsonData", "serviceMap", "datasourceUid", to="loki"),
        "jsonData.serviceMap opens loki: service map needs a datasource of type prometheus, that one is loki",
    ),
    "shifts the wrong way round": (swapped_shifts, "tracesToLogsV2.spanStartTimeShift is 5m: what belongs to a span"),
    "no shift": (in_datasource("tempo", "jsonData", "tracesToMetrics", "spanEndTimeShift", to=""), "spanEndTimeShift is not set"),
    "logs by their text": (
        in_datasource("tempo", "jsonData", "tracesToLogsV2", "query", to='{$${__tags}} |= "$${__span.traceId}"'),
        "an OTLP log has its trace id beside its line",
    ),
    "a label that logs do not have": (
        in_datasource("tempo", "jsonData", "tracesToLogsV2", "tags", to=[{"key": "service.name", "value": "app"}]),
        "tags lead to app: OTLP logs and shipped lines have service_name in common",
    ),
    "an exemplar label of the generator's own": (both_say_trace_id_differently, "looks for trace_id: exemplars of generator have traceID"),
    "an exemplar label of Grafana's own": (
        in_datasource("prometheus", "jsonData", "exemplarTraceIdDestinations", 0, "name", to="traceID"),
        "looks for traceID: exemplars of applications have trace_id",
    ),
    "exemplars not sent": (
        set_at("tempo", "tempo", "metricsGenerator", "storage", "remote_write", 0, "send_exemplars", to=False),
        "does not send exemplars",
    ),
    "exemplars not kept": (
        set_at("prometheus", "prometheus", "prometheusSpec", "enableFeatures", to=[]),
        "enableFeatures lacks exemplar-storage",
    ),
    "a generator of no processors": (
        set_at("tempo", "tempo", "overrides", "defaults", "metrics_generator", "processors", to=[]),
        "processors lacks service-graphs, span-metrics",
    ),
    "a tenant is wanted": (set_at("loki", "loki", "auth_enabled", to=True), "otlp_http/loki.endpoint names no tenant"),
    "a batch before the lookup": (batch_first, "pipelines.logs.processors has k8s_attributes after batch"),
    "no lookup": (
        set_at("collector", "config", "service", "pipelines", "traces", "processors", to=["memory_limiter", "batch"]),
        "pipelines.traces.processors lacks k8s_attributes",
    ),
    "a lookup without the right": (
        set_at("collector", "serviceAccount", to="default"),
        "collector.spec.serviceAccount is default: system:serviceaccount:observability:default lacks the role get list watch pods",
    ),
    "access logs that do not say whose they are": (
        set_at("mesh", "extensionProviders", 0, "envoyOtelAls", "logFormat", to={}),
        "logFormat.labels lacks mesh.pod",
    ),
    "mesh spans by another name": (
        set_at("mesh", "extensionProviders", 1, "opentelemetry", "serviceAttributeEnrichment", to="ISTIO_CANONICAL"),
        "serviceAttributeEnrichment is ISTIO_CANONICAL",
    ),
    "the placeholder of another variable": (
        set_at("tempo", "tempo", "storage", "trace", "azure", "storage_account_key", to="${ACCOUNT_KEY}"),
        "is STORAGE_ACCOUNT_ACCESS_KEY: its configuration refers to ACCOUNT_KEY",
    ),
    "the container of another store": (
        set_at("tempo", "tempo", "storage", "trace", "azure", "container_name", to="loki"),
        "blocks go to tempo blobs, and that is loki blobs",
    ),
    "a container that nobody makes": (
        set_at("loki", "loki", "storage", "bucketNames", "chunks", to="logs"),
        "loki.storage.azure is azurite.azurite:10000",
    ),
    "structured metadata is off": (set_at("loki", "loki", "limits_config", "allow_structured_metadata", to=False), "Loki refuses OTLP"),
}


@pytest.mark.parametrize("way", LOST)
def test_a_signal_that_would_be_lost_is_named(way: str) -> None:
    change, part = LOST[way]
    lines = named(change)
    assert [line for line in lines if part in line], "\n".join(lines) or "nothing is named"


def no_pod_label(c: Any) -> None:
    c.tempo["podLabels"] = {}


def no_role(c: Any) -> Any:
    return replace(c, grants=tuple(grant for grant in c.grants if grant.account != ServiceAccount("loki", "loki")))


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (set_at("tempo", "serviceAccount", "name", to="default"), "system:serviceaccount:tempo:default lacks the role Storage Blob Data"),
        (no_role, "loki serviceAccount.name is loki: system:serviceaccount:loki:loki lacks the role Storage Blob Data Contributor"),
        (no_pod_label, "tempo's pods lack the label azure.workload.identity/use"),
    ],
)
def test_a_store_without_the_right_to_its_container_is_named(change: Change, part: str) -> None:
    lines = named(change, "keyless")
    assert [line for line in lines if part in line], "\n".join(lines)


def test_every_part_of_a_distributed_store_needs_the_key() -> None:
    c = fresh("key-distributed")
    c.tempo["querier"]["extraEnv"] = []
    assert any("tempo querier reads no key from a Secret" in line for line in defects(c))


def test_the_sample_must_name_an_instrumentation_that_is_there() -> None:
    c = fresh("ambient")
    c.sample["template"]["metadata"]["annotations"]["instrumentation.opentelemetry.io/inject-python"] = "demo/default"
    assert any("is demo/default: no such Instrumentation; there is observability/default" in line for line in defects(c))


def test_a_stack_whose_signals_get_lost_is_refused_before_anything_is_made(monkeypatch: pytest.MonkeyPatch, record: Record) -> None:
    from components import grafana

    real = grafana.datasource_links

    def swapped(topology: Any) -> Any:
        links = real(topology)
        links["tempo"]["tracesToLogsV2"] |= {"spanStartTimeShift": "5m", "spanEndTimeShift": "-5m"}
        return links

    monkeypatch.setattr(grafana, "datasource_links", swapped)
    with pytest.raises(ConfigurationError) as raised:
        record({}, anew=True)
    assert len(raised.value.lines) == 2
    assert all(line.startswith("signals: datasource tempo jsonData.tracesToLogsV2.span") for line in raised.value.lines)


@pytest.mark.parametrize("variant", ["keyless", "keyless-distributed"])
def test_rights_in_the_graph_are_those_that_are_given_in_azure(variant: str, record: Record) -> None:
    run: Run = record(EVERY[variant])
    given = {r.inputs["subject"] for r in run.of_kind("FederatedIdentityCredential")}
    topology = plan(settings_of(variant))
    claimed = [grant for grant in grants(topology) if grant.role == BLOB_DATA_CONTRIBUTOR]
    assert {grant.account.subject for grant in claimed} == given
    roles = run.of_kind("RoleAssignment")
    assert len(roles) == len(claimed) == 2
    assert all(r.inputs["roleDefinitionId"].endswith(BLOB_DATA_CONTRIBUTOR) for r in roles)


@pytest.mark.parametrize("chart", monitors.CHARTS)
def test_monitors_of_charts_name_the_port_that_the_real_charts_name(chart: str) -> None:
    found = [o for o in reference.rendered(chart) if o["kind"] == "ServiceMonitor"]
    assert found
    assert {end["port"] for monitor in found for end in monitor["spec"]["endpoints"]} == {monitors.CHARTS[chart].port}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("tempo.traces.svc.cluster.local:4317", "tempo.traces:4317"),
        ("http://loki-gateway.loki", "loki-gateway.loki:80"),
        ("https://account.blob.core.windows.net/tempo/", "account.blob.core.windows.net:443/tempo"),
        ("http://tempo.traces.svc:3200/", "tempo.traces:3200"),
    ],
)
def test_an_address_is_one_however_it_is_written(text: str, found: str) -> None:
    assert str(address(text)) == found


@pytest.mark.parametrize(("shift", "seconds"), [("-5m", -300), ("30s", 30), ("1h", 3600), ("-250ms", -0.25), ("", None), ("five", None)])
def test_shifts_are_read_as_grafana_writes_them(shift: str, seconds: float | None) -> None:
    assert check.seconds(shift) == seconds


def test_the_graph_changes_nothing_of_what_the_layers_say() -> None:
    settings = settings_of("local")
    names = plan(settings)
    before = configured(settings, names)
    signals.defects(reading.read(before))
    assert before == configured(settings, names)


def test_the_program_checks_before_it_makes_anything() -> None:
    text = (ROOT / "__main__.py").read_text()
    assert text.index("signals.require(choices, names)") < text.index("connect(choices")
