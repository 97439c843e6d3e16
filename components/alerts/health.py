"""Alerts for the stack itself: telemetry that is lost without a word, certificates, stores that do not write, a Prometheus near its limits.

kube-prometheus-stack's own rules watch the cluster and Prometheus' workings; these watch what passes through the stack.
"""

from __future__ import annotations

from collections.abc import Iterator

from components.alerts.rules import Alert, Group, Severity
from components.settings import Settings
from components.topology import Topology, monitoring_service

RUNBOOK = "stack"
SIGNALS = {"traces": "spans", "logs": "log_records", "metrics": "metric_points"}
"""Signal to what the collector counts of it."""
DROPPED = "envoy_access_logs_open_telemetry_access_log_logs_dropped"
LOKI_WRITES = 'loki_request_duration_seconds_count{route=~"loki_api_v1_push|otlp_v1_logs"'
REQUESTS = "sum(rate(istio_requests_total[10m]))"
"""Requests as often as proxies saw them. Each counts a request once, as its own reporter, and writes one access log of it."""
ACCESS_LOGS = 'sum(rate(otelcol_receiver_accepted_log_records{receiver="otlp", transport="grpc"}[10m]))'
"""Access logs that arrived: the mesh's proxies alone send logs over gRPC, what the Instrumentation sets up sends over HTTP."""
LEAST_SHARE = 0.9
"""Of the access logs written, how many must have arrived: counters are not all scraped at the same moment."""
FEWEST_REQUESTS = 0.1
"""Requests a second below which nobody asks where their access logs are."""
DAY = 86400


def _alert(name: str, severity: Severity, hold: str, expr: str, summary: str, description: str, **labels: str) -> Alert:
    return Alert(name, severity, expr, summary, description, RUNBOOK, hold, labels)


def silent_loss(topology: Topology) -> Iterator[Alert]:
    """Access logs that vanish between proxy and collector: gRPC fails without a line in any log, and no request suffers."""
    yield _alert(
        "AccessLogsDropped",
        "warning",
        "5m",
        f"sum by (namespace, pod) (rate({DROPPED}[5m])) > 0",
        "{{ $labels.namespace }}/{{ $labels.pod }}: its proxy drops access logs",
        "The proxy throws away {{ $value | humanize }} access logs a second, as it cannot hand them to the collector.",
    )
    yield _alert(
        "AccessLogsMissing",
        "critical",
        "10m",
        f"({ACCESS_LOGS} or vector(0)) < {LEAST_SHARE} * ({REQUESTS} > {FEWEST_REQUESTS})",
        "The collector receives fewer access logs than proxies serve requests",
        "Only {{ $value | humanize }} access logs a second arrive at the collector, less than nine of ten that proxies must have written.",
    )
    yield _alert(
        "CollectorAbsent",
        "critical",
        "5m",
        _absent(topology, topology.collector),
        "No collector is seen",
        "For five minutes no OpenTelemetry collector has been scraped: none runs, or nobody watches it. Traces and logs go nowhere.",
    )


def _absent(topology: Topology, collector: str) -> str:
    """That no pod of one collector is scraped; both tiers have the same series."""
    return f'absent(otelcol_process_uptime{{namespace="{topology.telemetry_namespace}", service="{monitoring_service(collector)}"}})'


def tail_sampling(topology: Topology) -> Iterator[Alert]:
    """Traces that are lost before anybody decides on them, or decided on before they are whole."""
    yield _alert(
        "TailSamplingAbsent",
        "critical",
        "5m",
        _absent(topology, topology.tail_collector),
        "No collector decides which traces are kept",
        "For five minutes none has been scraped: none runs, or nobody watches it. Spans wait in the first tier's queue, then are lost.",
    )
    yield _alert(
        "TracesLostUndecided",
        "critical",
        "5m",
        "sum by (namespace, pod) (rate(otelcol_processor_tail_sampling_sampling_trace_dropped_too_early[5m])) > 0",
        "{{ $labels.pod }}: traces are thrown out before they are decided on",
        "{{ $value | humanize }} traces a second make room for others: more spans come than load.spansPerSecond says.",
    )
    late = "sum by (namespace) (rate(otelcol_processor_tail_sampling_early_releases_from_cache_decision[10m]))"
    came = f'sum by (namespace) (rate(otelcol_receiver_accepted_spans{{service="{monitoring_service(topology.tail_collector)}"}}[10m]))'
    yield _alert(
        "SpansComeLate",
        "warning",
        "15m",
        f"{late} / {came} > 0.05",
        "Spans come after their trace has been decided on",
        "{{ $value | humanizePercentage }} of the spans had no say in it; telemetry.tailSampling.decisionWaitSeconds is how long it waits.",
    )


def collector() -> Iterator[Alert]:
    """What the collector refuses at its door, and what it gives up on at the other."""
    for signal, unit in SIGNALS.items():
        yield _alert(
            "CollectorRefuses",
            "warning",
            "5m",
            f"sum by (namespace, receiver, transport) (rate(otelcol_receiver_refused_{unit}[5m])) > 0",
            f"The collector refuses {signal}",
            f"{{{{ $value | humanize }}}} of the {signal} a second are refused at receiver {{{{ $labels.receiver }}}}; senders try again, "
            "and lose what they cannot keep.",
            signal=signal,
        )
        lost = (f"otelcol_exporter_{kind}_failed_{unit}" for kind in ("send", "enqueue"))
        # each of the two exists from its first failure on
        yield _alert(
            "CollectorDrops",
            "critical",
            "5m",
            " or ".join(f"sum by (namespace, exporter) (rate({metric}[5m])) > 0" for metric in lost),
            f"The collector loses {signal}",
            f"Exporter {{{{ $labels.exporter }}}} gives up on {{{{ $value | humanize }}}} of the {signal} a second: "
            "its store takes none, or the queue before it is full.",
            signal=signal,
        )
    yield _alert(
        "CollectorQueueFills",
        "warning",
        "5m",
        "max by (namespace, pod, exporter, data_type) (otelcol_exporter_queue_size / otelcol_exporter_queue_capacity) > 0.8",
        "{{ $labels.pod }}: the queue of {{ $labels.exporter }} is nearly full",
        "The queue for {{ $labels.data_type }} is at {{ $value | humanizePercentage }}. What comes when it is full is lost.",
    )
    yield _alert(
        "AlloyDropsLogs",
        "critical",
        "10m",
        "sum by (namespace, pod, reason) (rate(loki_write_dropped_entries_total[5m])) > 0",
        "{{ $labels.pod }}: Alloy gives up on log lines",
        "{{ $value | humanize }} lines a second of this node's pods are lost after all retries: {{ $labels.reason }}.",
    )


def certificates() -> Iterator[Alert]:
    """Certificates that cert-manager should have renewed, and the mesh's own root."""
    overdue = "time() - (certmanager_certificate_renewal_timestamp_seconds > 0) > 3600"
    yield _alert(
        "CertificateRenewalOverdue",
        "warning",
        "10m",
        overdue,
        "Certificate {{ $labels.namespace }}/{{ $labels.name }} should have been renewed",
        "cert-manager meant to renew it {{ $value | humanizeDuration }} ago.",
    )
    yield _alert(
        "CertificateExpires",
        "critical",
        "10m",
        f"(certmanager_certificate_expiration_timestamp_seconds > 0) - time() < {DAY} and {overdue}",
        "Certificate {{ $labels.namespace }}/{{ $labels.name }} expires within a day",
        "It is valid for another {{ $value | humanizeDuration }}, and its renewal does not come about.",
    )
    yield _alert(
        "CertificateNotReady",
        "warning",
        "15m",
        'max by (namespace, name) (certmanager_certificate_ready_status{condition!="True"}) > 0',
        "Certificate {{ $labels.namespace }}/{{ $labels.name }} is not ready",
        "For fifteen minutes cert-manager has not been able to issue it.",
    )
    yield _alert(
        "MeshRootExpires",
        "critical",
        "1h",
        f"min((citadel_server_root_cert_expiry_timestamp > 0) - time()) < {30 * DAY}",
        "The mesh's root certificate expires within a month",
        "It is valid for another {{ $value | humanizeDuration }}. After that no proxy trusts another.",
    )


def stores() -> Iterator[Alert]:
    """Loki and Tempo where they take data and cannot keep it."""
    yield _alert(
        "LokiWritesFail",
        "critical",
        "10m",
        f'sum by (namespace, route) (rate({LOKI_WRITES}, status_code=~"5.."}}[5m]))'
        f" / sum by (namespace, route) (rate({LOKI_WRITES}}}[5m])) > 0.01",
        "Loki fails to take logs",
        "{{ $value | humanizePercentage }} of the writes by {{ $labels.route }} end in an error of Loki's own.",
    )
    yield _alert(
        "LokiFlushFails",
        "critical",
        "10m",
        "sum by (namespace) (rate(loki_ingester_chunks_flush_failures_total[10m])) > 0",
        "Loki cannot write to the blob store",
        "Chunks stay in the ingesters' memory and log; when those are full, logs are lost.",
    )
    yield _alert(
        "LokiRejectsLogs",
        "warning",
        "10m",
        "sum by (namespace, reason) (rate(loki_discarded_samples_total[10m])) > 0",
        "Loki throws log lines away: {{ $labels.reason }}",
        "{{ $value | humanize }} lines a second are not stored, as they break a limit: {{ $labels.reason }}.",
    )
    yield _alert(
        "TempoFlushFails",
        "critical",
        "10m",
        "sum by (namespace) (rate(tempo_ingester_failed_flushes_total[10m])) > 0",
        "Tempo cannot write to the blob store",
        "Blocks stay on the ingester's volume; when that is full, traces are lost.",
    )
    yield _alert(
        "TempoRefusesSpans",
        "warning",
        "5m",
        "sum by (namespace, receiver, transport) (rate(tempo_receiver_refused_spans[5m])) > 0",
        "Tempo refuses spans",
        "{{ $value | humanize }} spans a second are refused; the collector tries again while its queue has room.",
    )
    yield _alert(
        "TempoDiscardsSpans",
        "warning",
        "10m",
        "sum by (namespace, reason) (rate(tempo_discarded_spans_total[10m])) > 0",
        "Tempo throws spans away: {{ $labels.reason }}",
        "{{ $value | humanize }} spans a second are not stored, as they break a limit: {{ $labels.reason }}.",
    )


def metrics() -> Iterator[Alert]:
    """Prometheus before it forgets, falls or drops."""
    yield _alert(
        "PrometheusVolumeFills",
        "warning",
        "15m",
        "prometheus_tsdb_storage_blocks_bytes / (prometheus_tsdb_retention_limit_bytes > 0) > 0.9",
        "{{ $labels.pod }}: Prometheus forgets sooner than its retention says",
        "Its blocks fill {{ $value | humanizePercentage }} of what its volume allows; the oldest go first, however young.",
    )
    yield _alert(
        "PrometheusMemoryNearLimit",
        "warning",
        "10m",
        'max by (namespace, pod) (container_memory_working_set_bytes{container="prometheus"})'
        ' / max by (namespace, pod) (kube_pod_container_resource_limits{container="prometheus", resource="memory"}) > 0.9',
        "{{ $labels.pod }}: Prometheus is near its memory limit",
        "It uses {{ $value | humanizePercentage }} of it. At the limit it is killed, and answers only after it has read its log again.",
    )
    yield _alert(
        "PrometheusDropsLateSamples",
        "warning",
        "10m",
        "sum by (namespace, pod) (rate(prometheus_tsdb_too_old_samples_total[5m])) > 0",
        "{{ $labels.pod }}: Prometheus drops samples that come too late",
        "{{ $value | humanize }} samples a second are older than prometheus.outOfOrderMinutes allows.",
    )


def groups(settings: Settings, topology: Topology) -> list[Group]:
    """Rules of the stack's own health, one group for each part."""
    return [
        Group("silent-loss", list(silent_loss(topology))),
        Group("collector", list(collector())),
        *([Group("tail-sampling", list(tail_sampling(topology)))] if settings.telemetry.tail_sampling else []),
        Group("certificates", list(certificates())),
        Group("stores", list(stores())),
        Group("metrics", list(metrics())),
    ]
