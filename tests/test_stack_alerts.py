"""The stack's own alerts: each fires when its trouble is there and is silent when it is not, and each has its paragraph."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from components import istio, prometheus
from components.alerts import health, objectives
from components.alerts.rules import RUNBOOKS, Alert, Group, alerts, rule_spec
from components.charts import ROOT
from components.config import parse
from components.errors import ConfigurationError
from components.settings_alerting import AlertingSettings
from components.topology import plan
from tests import promtool
from tests.catalogue import recorded, text, unknown
from tests.promtool import Firing, Timeline, counter
from tests.stacks import EVERY, settings_of

LOCAL = settings_of("local")
TAIL = parse({"grafanaAdminPassword": "x", "load": {"spansPerSecond": 100}, "telemetry": {"tailSampling": {}}})
GROUPS = health.groups(TAIL, plan(TAIL))
"""All that there are."""
GROWS, RESTS = counter((60, 120)), "5+0x120"
"""Counters over two hours: one a second, and none."""
REQUESTS = 'istio_requests_total{reporter="source", response_code="200"}'
AT_THE_SERVER = REQUESTS.replace("source", "destination")
LOGS = 'otelcol_receiver_accepted_log_records{receiver="otlp", transport="grpc", namespace="observability", pod="a"}'
OF_APPLICATIONS = LOGS.replace("grpc", "http")
UPTIME = 'otelcol_process_uptime{namespace="observability", pod="a", service="otel-collector-monitoring"}'
TAIL_UPTIME = UPTIME.replace("otel-collector", "otel-tail-collector")
TAIL_POD = 'namespace="observability", pod="t", service="otel-tail-collector-monitoring"'
FIRST_POD = TAIL_POD.replace("otel-tail-collector", "otel-collector").replace('"t"', '"a"')
LATE, SPANS = "otelcol_processor_tail_sampling_early_releases_from_cache_decision", "otelcol_receiver_accepted_spans"
CERTIFICATE = 'namespace="shop", name="web"'
FLUSHED = 'loki_request_duration_seconds_count{namespace="loki", route="otlp_v1_logs", status_code='
DAY = 86400


class Case(NamedTuple):
    """What makes an alert fire, and what must not."""

    trouble: dict[str, str]
    well: dict[str, str]
    labels: str = ""
    """What a firing alert says beside its name."""


def counts(selector: str, labels: str = "") -> Case:
    """An alert on anything that a counter counts."""
    return Case({selector: GROWS}, {selector: RESTS}, labels)


def signals(stem: str, labels: str) -> dict[str, Case]:
    return {f"{signal}": counts(f"{stem}_{unit}{{{labels}}}", f', signal="{signal}"') for signal, unit in health.SIGNALS.items()}


CASES: dict[str, list[Case]] = {
    "AccessLogsDropped": [counts(f'{health.DROPPED}{{namespace="shop", pod="web-1"}}', ', namespace="shop", pod="web-1"')],
    "AccessLogsMissing": [
        # the collector is gone, and with it its series
        Case({REQUESTS: GROWS}, {REQUESTS: GROWS, LOGS: GROWS}),
        # half of them arrive; nobody asks
        Case({REQUESTS: GROWS, LOGS: counter((30, 120))}, {REQUESTS: RESTS}),
        # one in twenty is missing, as scrapes are not at the same moment
        Case({REQUESTS: GROWS, LOGS: RESTS}, {REQUESTS: GROWS, LOGS: counter((57, 120))}),
        # a request has an access log of each proxy that it passes, and those of one of two are missing
        Case({REQUESTS: GROWS, AT_THE_SERVER: GROWS, LOGS: GROWS}, {REQUESTS: GROWS, AT_THE_SERVER: GROWS, LOGS: counter((120, 120))}),
        # what applications log, over HTTP, stands for no access log
        Case({REQUESTS: GROWS, OF_APPLICATIONS: counter((600, 120))}, {REQUESTS: GROWS, LOGS: GROWS, OF_APPLICATIONS: RESTS}),
    ],
    "CollectorAbsent": [
        Case({}, {UPTIME: counter((60, 120))}),
        Case({UPTIME.replace("observability", "else"): GROWS}, {UPTIME: GROWS}),
        Case({TAIL_UPTIME: GROWS}, {UPTIME: GROWS}),
    ],
    "TailSamplingAbsent": [Case({UPTIME: GROWS}, {TAIL_UPTIME: GROWS})],
    "TracesLostUndecided": [counts(f"otelcol_processor_tail_sampling_sampling_trace_dropped_too_early{{{TAIL_POD}}}")],
    "SpansComeLate": [
        Case(
            {f'{LATE}{{{TAIL_POD}, sampled="true"}}': counter((6, 120)), f"{SPANS}{{{TAIL_POD}}}": GROWS},
            {f'{LATE}{{{TAIL_POD}, sampled="true"}}': counter((2, 120)), f"{SPANS}{{{TAIL_POD}}}": GROWS},
        ),
        # the first tier takes in the same spans, before
        Case(
            {
                f'{LATE}{{{TAIL_POD}, sampled="false"}}': counter((30, 120)),
                f"{SPANS}{{{TAIL_POD}}}": GROWS,
                f"{SPANS}{{{FIRST_POD}}}": GROWS,
            },
            {f'{LATE}{{{TAIL_POD}, sampled="false"}}': RESTS, f"{SPANS}{{{TAIL_POD}}}": GROWS},
        ),
    ],
    "CollectorRefuses": list(signals("otelcol_receiver_refused", 'namespace="observability", receiver="otlp", transport="grpc"').values()),
    "CollectorDrops": [
        *signals("otelcol_exporter_send_failed", 'namespace="observability", exporter="otlp_http/loki"').values(),
        *signals("otelcol_exporter_enqueue_failed", 'namespace="observability", exporter="otlp_http/loki"').values(),
    ],
    "CollectorQueueFills": [
        Case(
            {f"otelcol_exporter_queue_{what}{{{who}}}": f"{size}+0x120" for what, size in (("size", 900), ("capacity", 1000))},
            {f"otelcol_exporter_queue_{what}{{{who}}}": f"{size}+0x120" for what, size in (("size", 500), ("capacity", 1000))},
            ', exporter="otlp_grpc/tempo"',
        )
        for who in ('namespace="observability", pod="a", exporter="otlp_grpc/tempo", data_type="traces"',)
    ],
    "AlloyDropsLogs": [counts('loki_write_dropped_entries_total{namespace="alloy", pod="a", reason="ingester_error"}')],
    "CertificateRenewalOverdue": [
        Case(
            {f"certmanager_certificate_renewal_timestamp_seconds{{{CERTIFICATE}}}": "600+0x120"},
            {f"certmanager_certificate_renewal_timestamp_seconds{{{CERTIFICATE}}}": "6000+0x120"},
            ', namespace="shop", name="web"',
        ),
        # one that was never issued has no time of renewal: cert-manager says 0
        Case(
            {f"certmanager_certificate_renewal_timestamp_seconds{{{CERTIFICATE}}}": "1+0x120"},
            {f"certmanager_certificate_renewal_timestamp_seconds{{{CERTIFICATE}}}": "0+0x120"},
        ),
    ],
    "CertificateExpires": [
        Case(
            {
                f"certmanager_certificate_expiration_timestamp_seconds{{{CERTIFICATE}}}": f"{DAY}+0x120",
                f"certmanager_certificate_renewal_timestamp_seconds{{{CERTIFICATE}}}": "600+0x120",
            },
            # one that lives for hours is always near its end; what counts is that it is not renewed
            {
                f"certmanager_certificate_expiration_timestamp_seconds{{{CERTIFICATE}}}": f"{DAY}+0x120",
                f"certmanager_certificate_renewal_timestamp_seconds{{{CERTIFICATE}}}": "80000+0x120",
            },
        ),
        Case(
            {
                f"certmanager_certificate_expiration_timestamp_seconds{{{CERTIFICATE}}}": f"{DAY}+0x120",
                f"certmanager_certificate_renewal_timestamp_seconds{{{CERTIFICATE}}}": "600+0x120",
            },
            {
                f"certmanager_certificate_expiration_timestamp_seconds{{{CERTIFICATE}}}": f"{3 * DAY}+0x120",
                f"certmanager_certificate_renewal_timestamp_seconds{{{CERTIFICATE}}}": "600+0x120",
            },
        ),
    ],
    "CertificateNotReady": [
        Case(
            {f'certmanager_certificate_ready_status{{{CERTIFICATE}, condition="{condition}"}}': "1+0x120"},
            {
                f'certmanager_certificate_ready_status{{{CERTIFICATE}, condition="{condition}"}}': "0+0x120",
                f'certmanager_certificate_ready_status{{{CERTIFICATE}, condition="True"}}': "1+0x120",
            },
        )
        for condition in ("False", "Unknown")
    ],
    "MeshRootExpires": [
        Case(
            {"citadel_server_root_cert_expiry_timestamp": f"{29 * DAY}+0x120"},
            {"citadel_server_root_cert_expiry_timestamp": f"{31 * DAY}+0x120"},
        )
    ],
    "LokiWritesFail": [
        Case(
            {FLUSHED + '"204"}': counter((60, 120)), FLUSHED + '"500"}': counter((2, 120))},
            {FLUSHED + '"204"}': counter((600, 120)), FLUSHED + '"500"}': counter((2, 120)), FLUSHED + '"400"}': GROWS},
            ', route="otlp_v1_logs"',
        )
    ],
    "LokiFlushFails": [counts('loki_ingester_chunks_flush_failures_total{namespace="loki"}')],
    "LokiRejectsLogs": [counts('loki_discarded_samples_total{namespace="loki", reason="rate_limited"}', ', reason="rate_limited"')],
    "TempoFlushFails": [counts('tempo_ingester_failed_flushes_total{namespace="tempo"}')],
    "TempoRefusesSpans": [counts('tempo_receiver_refused_spans{namespace="tempo", receiver="otlp", transport="grpc"}')],
    "TempoDiscardsSpans": [counts('tempo_discarded_spans_total{namespace="tempo", reason="rate_limited"}', ', reason="rate_limited"')],
    "PrometheusVolumeFills": [
        Case(
            {"prometheus_tsdb_storage_blocks_bytes": "95+0x120", "prometheus_tsdb_retention_limit_bytes": "100+0x120"},
            {"prometheus_tsdb_storage_blocks_bytes": "85+0x120", "prometheus_tsdb_retention_limit_bytes": "100+0x120"},
        ),
        # no limit is no limit of zero
        Case(
            {"prometheus_tsdb_storage_blocks_bytes": "95+0x120", "prometheus_tsdb_retention_limit_bytes": "100+0x120"},
            {"prometheus_tsdb_storage_blocks_bytes": "95+0x120", "prometheus_tsdb_retention_limit_bytes": "0+0x120"},
        ),
    ],
    "PrometheusMemoryNearLimit": [
        Case(
            {
                f'container_memory_working_set_bytes{{{who}, id="/a", image="x"}}': "95+0x120",
                f'kube_pod_container_resource_limits{{{who}, resource="memory", unit="byte"}}': "100+0x120",
            },
            {
                f'container_memory_working_set_bytes{{{who}, id="/a", image="x"}}': "80+0x120",
                f'kube_pod_container_resource_limits{{{who}, resource="memory", unit="byte"}}': "100+0x120",
            },
            ', pod="prom-0"',
        )
        for who in ('namespace="prometheus", pod="prom-0", container="prometheus"',)
    ],
    "PrometheusDropsLateSamples": [counts('prometheus_tsdb_too_old_samples_total{namespace="prometheus", pod="prom-0", type="float"}')],
}


def every_alert() -> list[Alert]:
    chosen = settings_of("distributed")
    return [*alerts(GROUPS), *alerts(objectives.groups(chosen))]


@pytest.mark.parametrize("name", sorted(CASES))
def test_an_alert_fires_in_trouble_and_not_when_all_is_well(name: str, tmp_path: Path) -> None:
    timelines = []
    for number, case in enumerate(CASES[name]):
        mine = f'alertname="{name}"{case.labels}'
        timelines.append(Timeline(f"{name} {number}: trouble", case.trouble, [Firing(115, mine, 1)]))
        timelines.append(Timeline(f"{name} {number}: well", case.well, [Firing(minute, mine, 0) for minute in (30, 70, 115)]))
    # the other alerts would only be evaluated beside it, minute by minute
    alone = [Group(group.name, [rule for rule in alerts([group]) if rule.name == name]) for group in GROUPS]
    assert promtool.prove(rule_spec([group for group in alone if group.rules], AlertingSettings()), timelines, tmp_path) == ""


def test_every_alert_has_its_case() -> None:
    assert set(CASES) == {alert.name for alert in alerts(GROUPS)}


def test_no_alert_fires_in_an_empty_cluster_but_those_of_the_collectors(tmp_path: Path) -> None:
    absent = "CollectorAbsent|TailSamplingAbsent"
    quiet = Timeline("nothing", {}, [Firing(115, f'alertname!~"{absent}"', 0), Firing(115, f'alertname=~"{absent}"', 2)])
    assert promtool.prove(rule_spec(GROUPS, AlertingSettings()), [quiet], tmp_path) == ""


@pytest.mark.parametrize("variant", EVERY)
def test_promtool_finds_no_fault_with_the_rules_of_any_stack(variant: str, tmp_path: Path) -> None:
    chosen = settings_of(variant)
    assert promtool.check(rule_spec(health.groups(chosen, plan(chosen)), chosen.alerting), tmp_path) == ""


@pytest.mark.parametrize("variant", EVERY)
def test_rules_read_only_what_the_catalogue_knows(variant: str) -> None:
    chosen = settings_of(variant)
    groups: list[Group] = [*health.groups(chosen, plan(chosen)), *objectives.groups(chosen)]
    known = recorded(groups)
    strange = [f"{rule}: {line}" for group in groups for rule in group.rules for line in unknown(rule.expr, known)]
    assert strange == []


def test_a_series_or_label_that_nobody_exposes_is_found() -> None:
    assert unknown('sum by (foo) (rate(istio_requests_total{repotrer="x"}[5m])) / nope{a="b"}') == [
        "no series nope",
        "istio_requests_total has no label repotrer",
        "none of its series has a label foo",
    ]


def test_the_catalogue_says_of_each_series_its_file_and_version() -> None:
    for name, component in text().items():
        assert re.fullmatch(r"[\w.-]+/[\w.-]+ v?\d+\.\d+\.\d+", component["from"]), name
        for metric, about in component["metrics"].items():
            assert about["type"] in ("counter", "gauge", "histogram"), metric
            assert re.search(r"\.(go|cc|yaml)$", about["file"]), metric


def test_every_alert_says_how_bad_it_is_what_it_means_and_where_to_read_on() -> None:
    for alert in every_alert():
        rule = alert.rule(AlertingSettings())
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), alert.name
        assert rule["annotations"]["runbook"] == f"{RUNBOOKS}/{alert.runbook}.md#{alert.name.lower()}"
        assert not rule["annotations"]["summary"].endswith("."), alert.name
        assert rule["annotations"]["description"].endswith("."), alert.name


@pytest.mark.parametrize("page", ["stack", "objectives"])
def test_every_alert_has_its_paragraph_and_every_paragraph_its_alert(page: str) -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / RUNBOOKS / f"{page}.md").read_text(), re.MULTILINE)
    assert sorted(headings) == sorted({alert.name for alert in every_alert() if alert.runbook == page})


def test_runbooks_are_links_where_settings_say_where_they_are_read() -> None:
    chosen = AlertingSettings(runbooks="https://wiki.example.com/runbooks/")
    rule = every_alert()[0].rule(chosen)
    assert rule["annotations"]["runbook_url"] == "https://wiki.example.com/runbooks/stack.md#accesslogsdropped"
    assert "runbook" not in rule["annotations"]


def test_runbooks_without_https_are_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse({"grafanaAdminPassword": "x", "alerting": {"runbooks": "wiki/runbooks"}})
    assert caught.value.lines == ("alerting.runbooks is 'wiki/runbooks': must begin with https://",)


def test_proxies_show_what_they_drop() -> None:
    """Without the prefix, Istio's proxies keep this counter to themselves, and the alert would never see it."""
    (prefix,) = istio.mesh_config(LOCAL, plan(LOCAL))["defaultConfig"]["proxyStatsMatcher"]["inclusionPrefixes"]
    assert health.DROPPED.removeprefix("envoy_").startswith(prefix)


def test_a_certificates_namespace_is_its_own() -> None:
    (endpoint,) = prometheus.cert_manager_monitor_spec(plan(LOCAL).releases.cert_manager)["endpoints"]
    assert endpoint["honorLabels"] is True


def test_the_rules_are_there_in_every_stack(record: Any) -> None:
    run = record({})
    rule = run.named("PrometheusRule", "stack-health").inputs
    assert rule["spec"] == rule_spec(health.groups(LOCAL, plan(LOCAL)), AlertingSettings())
    assert rule["metadata"]["namespace"] == "prometheus"
