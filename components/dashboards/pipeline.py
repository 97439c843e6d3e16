"""The telemetry pipeline itself: what comes in, what is refused, what is lost, and how near each part is to its limits."""

from __future__ import annotations

from components.alerts.health import DROPPED, SIGNALS
from components.dashboards import links
from components.dashboards.kit import RATE, Kit, Panel, Query, Row, build
from components.topology import monitoring_service


def _per_signal(metric: str, by: str, of: str = "") -> tuple[Query, ...]:
    """One query for each of spans, log records and data points; `of` is the selector's inside."""
    chosen = f"{{{of}}}" if of else ""
    return tuple((f"sum by ({by}) (rate({metric}_{unit}{chosen}[{RATE}]))", f"{signal} {{{{{by}}}}}") for signal, unit in SIGNALS.items())


def received(kit: Kit) -> Panel:
    description = "Spans, log records and data points a second that the collector took in."
    # tail sampling's collectors receive the same spans again
    of = f'service="{monitoring_service(kit.topology.collector)}"'
    return kit.series("Collector: received", description, "cps", *_per_signal("otelcol_receiver_accepted", "transport", of), span=8)


def refused(kit: Kit) -> Panel:
    description = "What the collector sent back a second, mostly because its memory was full."
    return kit.series("Collector: refused", description, "cps", *_per_signal("otelcol_receiver_refused", "transport"), span=8)


def sent(kit: Kit) -> Panel:
    description = "What the stores took from the collector, a second."
    return kit.series("Collector: sent", description, "cps", *_per_signal("otelcol_exporter_sent", "exporter"), span=8)


def lost(kit: Kit) -> Panel:
    queries = (*_per_signal("otelcol_exporter_send_failed", "exporter"), *_per_signal("otelcol_exporter_enqueue_failed", "exporter"))
    return kit.series("Collector: lost", "What an exporter gave up on, or had no room for, a second.", "cps", *queries, span=8)


def queue(kit: Kit) -> Panel:
    query = ("max by (exporter, data_type) (otelcol_exporter_queue_size / otelcol_exporter_queue_capacity)", "{{exporter}} {{data_type}}")
    return kit.series("Collector: queues", "How full each exporter's queue is; at 100 % what comes is lost.", "percentunit", query, span=8)


def collector_memory(kit: Kit) -> Panel:
    query = ("sum by (pod) (otelcol_process_memory_rss)", "{{pod}}")
    return kit.series("Collector: memory", "Memory of each collector.", "bytes", query, span=8)


def decided(kit: Kit) -> Panel:
    query = (f"sum by (decision) (rate(otelcol_processor_tail_sampling_global_count_traces_sampled[{RATE}]))", "{{decision}}")
    return kit.series("Tail sampling: decisions", "Traces a second that were kept, and that were not.", "cps", query, span=8)


def kept_for(kit: Kit) -> Panel:
    kept = 'otelcol_processor_tail_sampling_count_traces_sampled{decision="sampled"}'
    query = (f"sum by (policy) (rate({kept}[{RATE}]))", "{{policy}}")
    return kit.series(
        "Tail sampling: kept for", "Traces a second by what they were kept for; one may count for several.", "cps", query, span=8
    )


def undecided(kit: Kit) -> Panel:
    return kit.series(
        "Tail sampling: undecided",
        "Traces in memory, those a second that made room for others, and spans a second that came after the decision.",
        "short",
        ("sum by (pod) (otelcol_processor_tail_sampling_sampling_traces_on_memory)", "in memory of {{pod}}"),
        (f"sum(rate(otelcol_processor_tail_sampling_sampling_trace_dropped_too_early[{RATE}]))", "lost undecided"),
        (f"sum(rate(otelcol_processor_tail_sampling_early_releases_from_cache_decision[{RATE}]))", "spans too late"),
        span=8,
    )


def deciders(kit: Kit) -> Panel:
    return kit.series(
        "Tail sampling: reached",
        "Collectors of the second tier that the first knows, and requests a second to them that failed.",
        "short",
        ("min(otelcol_loadbalancer_num_backends)", "collectors"),
        (f'sum(rate(otelcol_loadbalancer_backend_outcome{{success="false"}}[{RATE}]))', "failed requests"),
        span=24,
    )


def access_logs(kit: Kit) -> Panel:
    return kit.series(
        "Requests and logs",
        "Requests a second of the mesh beside log records that arrive. Fewer logs than requests are access logs lost on the way.",
        "cps",
        (f"sum(rate(istio_requests_total{{{kit.reporters}}}[{RATE}]))", "requests"),
        (f'sum(rate(otelcol_receiver_accepted_log_records{{receiver="otlp"}}[{RATE}]))', "log records"),
        (f"sum(rate({DROPPED}[{RATE}]))", "dropped by proxies"),
        span=24,
    )


def tempo_spans(kit: Kit) -> Panel:
    return kit.series(
        "Tempo: spans",
        "Spans a second that Tempo took, sent back, and threw away because of a limit.",
        "cps",
        (f"sum(rate(tempo_distributor_spans_received_total[{RATE}]))", "received"),
        (f"sum(rate(tempo_receiver_refused_spans[{RATE}]))", "refused"),
        (f"sum by (reason) (rate(tempo_discarded_spans_total[{RATE}]))", "discarded: {{reason}}"),
        span=8,
    )


def tempo_flushes(kit: Kit) -> Panel:
    return kit.series(
        "Tempo: waiting",
        "Live traces, blocks that wait to be written, and writes a second that failed.",
        "short",
        ("sum(tempo_ingester_live_traces)", "live traces"),
        ("sum(tempo_ingester_flush_queue_length)", "waiting blocks"),
        (f"sum(rate(tempo_ingester_failed_flushes_total[{RATE}]))", "failed writes"),
        span=8,
    )


def tempo_blobs(kit: Kit) -> Panel:
    rate = f"sum by (le, operation) (rate(tempodb_backend_request_duration_seconds_bucket[{RATE}]))"
    query = (f"histogram_quantile(0.95, {rate})", "{{operation}}")
    return kit.series("Tempo: blob store, p95", "How long the blob store takes to answer Tempo.", "s", query, span=8)


def tempo_series(kit: Kit) -> Panel:
    query = ("sum by (pod) (tempo_metrics_generator_registry_active_series)", "{{pod}}")
    return kit.series("Tempo: series", "Time series that Tempo makes of spans and writes to Prometheus.", "short", query)


def loki_lines(kit: Kit) -> Panel:
    return kit.series(
        "Loki: lines",
        "Lines a second that Loki took, and threw away because of a limit.",
        "cps",
        (f"sum by (format) (rate(loki_distributor_lines_received_total[{RATE}]))", "received: {{format}}"),
        (f"sum by (reason) (rate(loki_discarded_samples_total[{RATE}]))", "discarded: {{reason}}"),
        span=8,
    )


def loki_bytes(kit: Kit) -> Panel:
    query = (f"sum by (format) (rate(loki_distributor_bytes_received_total[{RATE}]))", "{{format}}")
    return kit.series("Loki: bytes", "Uncompressed bytes a second that Loki took.", "Bps", query, span=8)


def loki_flushes(kit: Kit) -> Panel:
    return kit.series(
        "Loki: waiting",
        "Streams in memory, chunks that wait to be written, and writes a second that failed.",
        "short",
        ("sum(loki_ingester_memory_streams)", "streams"),
        ("sum(loki_ingester_flush_queue_length)", "waiting chunks"),
        (f"sum(rate(loki_ingester_chunks_flush_failures_total[{RATE}]))", "failed writes"),
        span=8,
    )


def loki_errors(kit: Kit) -> Panel:
    query = (
        f'sum by (route, status_code) (rate(loki_request_duration_seconds_count{{status_code=~"5.."}}[{RATE}]))',
        "{{route}} {{status_code}}",
    )
    return kit.series("Loki: errors", "Requests a second that Loki answered with an error of its own.", "reqps", query)


def alloy_lines(kit: Kit) -> Panel:
    return kit.series(
        "Alloy: lines",
        "Lines a second of pods' standard output that reached Loki or were given up, and attempts that had to be repeated.",
        "cps",
        (f"sum(rate(loki_write_sent_entries_total[{RATE}]))", "sent"),
        (f"sum by (reason) (rate(loki_write_dropped_entries_total[{RATE}]))", "dropped: {{reason}}"),
        (f"sum(rate(loki_write_batch_retries_total[{RATE}]))", "retries"),
    )


def alloy_lag(kit: Kit) -> Panel:
    rate = f"sum by (le) (rate(loki_write_entry_propagation_latency_seconds_bucket[{RATE}]))"
    query = (f"histogram_quantile(0.95, {rate})", "p95")
    return kit.series("Alloy: lag", "From the writing of a line to Loki's having it.", "s", query)


def prometheus_series(kit: Kit) -> Panel:
    query = ("sum by (pod) (prometheus_tsdb_head_series)", "{{pod}}")
    return kit.series("Prometheus: series", "Time series in memory: what its memory goes to.", "short", query, span=8)


def prometheus_samples(kit: Kit) -> Panel:
    return kit.series(
        "Prometheus: samples",
        "Samples a second that Prometheus took, and dropped because they came too late.",
        "cps",
        (f"sum(rate(prometheus_tsdb_head_samples_appended_total[{RATE}]))", "taken"),
        (f"sum(rate(prometheus_tsdb_too_old_samples_total[{RATE}]))", "too late"),
        span=8,
    )


def prometheus_volume(kit: Kit) -> Panel:
    query = ("sum by (pod) (prometheus_tsdb_storage_blocks_bytes / (prometheus_tsdb_retention_limit_bytes > 0))", "{{pod}}")
    return kit.series(
        "Prometheus: volume", "How much of what its volume allows is full; then the oldest goes.", "percentunit", query, span=8
    )


ROWS = (
    Row("Collector", (received, refused, sent, lost, queue, collector_memory)),
    Row("Access logs", (access_logs,)),
    Row("Tempo", (tempo_spans, tempo_flushes, tempo_blobs, tempo_series)),
    Row("Loki", (loki_lines, loki_bytes, loki_flushes, loki_errors)),
    Row("Alloy", (alloy_lines, alloy_lag)),
    Row("Prometheus", (prometheus_series, prometheus_samples, prometheus_volume)),
)


TAIL_ROWS = (Row("Tail sampling", (decided, kept_for, undecided, deciders)),)


def board(kit: Kit) -> str:
    """The dashboard's JSON."""
    rows = (*ROWS, *TAIL_ROWS) if kit.settings.telemetry.tail_sampling else ROWS
    return build(kit, links.PIPELINE, "Pipeline health", "Collector, Tempo, Loki, Alloy and Prometheus.", [], rows)
