"""Tail sampling: traces are kept by what became of them. How the first tier of collectors hands every span of a trace to one collector of a
second tier, how that decides, and the sizes that the stated rate asks for.

Sizes are whole numbers on purpose: the operator's own YAML writes 1000000.0 as 1e+06.
"""

from __future__ import annotations

from math import ceil
from typing import Any, NamedTuple

from components.presets import replicas
from components.settings import Settings
from components.settings_telemetry import TailSamplingSettings
from components.topology import Service, Topology

EXPORTER = "load_balancing"
"""Called loadbalancing until collector 0.157, and still by its module."""
PROCESSOR = "tail_sampling"
MARK, MARKED = "istio-stack", "keep"
TRACE_STATE = f"{MARK}={MARKED}"
"""What a request says in its header `tracestate` to have its trace kept: proxies and SDKs pass it on and write it into each of their
spans. The proof (verify/) says it, and so may anybody who follows one request."""
RESOLVE_EVERY = "5s"
DECISION_SECONDS = 2
"""What decisions take beside the wait: they are made once a second, and spans go on in batches."""
LATE_SECONDS = 60
"""How long after a decision late spans still follow it, were each trace a single span; with four spans to a trace, four times that."""


class Sizes(NamedTuple):
    """What one collector of the second tier must have room for."""

    traces_per_second: int
    traces: int
    """Traces in memory at once; one more throws out the oldest undecided (`sampling_trace_dropped_too_early`)."""
    decisions: int
    """Decisions that it remembers, of traces kept and of traces dropped each."""


def tail_replicas(settings: Settings) -> int:
    """How many collectors decide; 0 without tail sampling."""
    chosen = settings.telemetry.tail_sampling
    return (chosen.replicas or replicas("tail-collector", settings.preset)) if chosen else 0


def sizes(spans_per_second: float, collectors: int, decision_wait_seconds: int) -> Sizes:
    """Room for the stated rate with one of the collectors away, if there are several.

    A trace has one span at least, so as many traces as spans are always enough, whatever the traces look like. Room costs next to
    nothing, and too little of it loses traces before anybody looks at them.
    """
    rate = max(1, ceil(spans_per_second / max(1, collectors - 1)))
    return Sizes(rate, rate * (decision_wait_seconds + DECISION_SECONDS), rate * LATE_SECONDS)


def exporter(tail: Service) -> dict[str, Any]:
    """How the first tier sends: all spans of a trace to the same pod behind a headless Service, whose addresses DNS knows.

    DNS needs no right to look endpoints up. Queue and retries are this exporter's own and not those of its connections to pods: these
    count nothing that anybody sees, and would try again at a pod that is gone.
    """
    return {
        "routing_key": "traceID",
        "protocol": {"otlp": {"tls": {"insecure": True}, "sending_queue": {"enabled": False}, "retry_on_failure": {"enabled": False}}},
        "resolver": {"dns": {"hostname": tail.host, "port": str(tail.port), "interval": RESOLVE_EVERY}},
        "sending_queue": {"enabled": True},
        # as every other exporter's; this one has no defaults of its own, and without an end would try for ever
        "retry_on_failure": {
            "enabled": True,
            "initial_interval": "5s",
            "randomization_factor": 0.5,
            "multiplier": 1.5,
            "max_interval": "30s",
            "max_elapsed_time": "300s",
        },
    }


def policies(chosen: TailSamplingSettings) -> list[dict[str, Any]]:
    """What a trace is kept for, any of it."""
    found: list[dict[str, Any]] = [{"name": "asked-for", "type": "trace_state", "trace_state": {"key": MARK, "values": [MARKED]}}]
    if chosen.errors:
        found += [
            {"name": "failed", "type": "status_code", "status_code": {"status_codes": ["ERROR"]}},
            # Envoy's own word for an answer of 5xx, a reset, or a gRPC status that is the server's fault
            {"name": "failed-in-the-mesh", "type": "string_attribute", "string_attribute": {"key": "error", "values": ["true"]}},
        ]
    if chosen.slower_than_ms is not None:
        found.append({"name": "slow", "type": "latency", "latency": {"threshold_ms": chosen.slower_than_ms}})
    if chosen.percentage > 0:
        found.append({"name": "share", "type": "probabilistic", "probabilistic": {"sampling_percentage": chosen.percentage}})
    return found


def processor(settings: Settings, chosen: TailSamplingSettings) -> dict[str, Any]:
    """The processor that decides."""
    room = sizes(settings.load.spans_per_second or 0, tail_replicas(settings), chosen.decision_wait_seconds)
    return {
        "decision_wait": f"{chosen.decision_wait_seconds}s",
        "num_traces": room.traces,
        "expected_new_traces_per_sec": room.traces_per_second,
        "decision_cache": {"sampled_cache_size": room.decisions, "non_sampled_cache_size": room.decisions},
        "policies": policies(chosen),
    }


def config(settings: Settings, topology: Topology, chosen: TailSamplingSettings, store: dict[str, Any]) -> dict[str, Any]:
    """The second tier's own configuration: spans in from the first, decided, out to the trace store."""
    assert topology.tail_otlp is not None
    return {
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"0.0.0.0:{topology.tail_otlp.port}"}}}},
        "processors": {
            # what it refuses waits in the first tier's queue
            "memory_limiter": {"check_interval": "1s", "limit_percentage": 75, "spike_limit_percentage": 15},
            PROCESSOR: processor(settings, chosen),
            "batch": {"send_batch_size": 8192, "timeout": "200ms"},
        },
        "exporters": {"otlp_grpc/tempo": store},
        "extensions": {"health_check": {"endpoint": "0.0.0.0:13133"}},
        "service": {
            "extensions": ["health_check"],
            "pipelines": {
                "traces": {"receivers": ["otlp"], "processors": ["memory_limiter", PROCESSOR, "batch"], "exporters": ["otlp_grpc/tempo"]}
            },
        },
    }
