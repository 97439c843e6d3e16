"""The telemetry policy of a stack, seen as one: how much of each signal is kept, read from what the layers are told."""

from __future__ import annotations

from collections.abc import Iterator

from components import mesh_records, tail_sampling
from components.signals.configured import Configured, at

EVICTION = "sidecar.istio.io/statsEvictionInterval"


def kept(c: Configured) -> list[tuple[str, str, str]]:
    """What is decided, how much is kept, and where that is said."""
    return list(_kept(c))


def _kept(c: Configured) -> Iterator[tuple[str, str, str]]:
    for entry in at(c.telemetry or {}, "tracing", []):
        yield "traces that the mesh begins", f"{entry.get('randomSamplingPercentage', 1):g} %", "istio.samplingPercentage"
    head = float(at(c.instrumentation, "sampler.argument", "1")) * 100
    yield "traces that applications begin", f"{head:g} %, others as their caller decided", "opentelemetry.samplingPercentage"
    decided = at(c.tail, f"config.processors.{tail_sampling.PROCESSOR}", {})
    if decided:
        reasons = "; ".join(_reason(policy) for policy in decided["policies"])
        yield "whole traces", f"{reasons}; after {decided['decision_wait']}", "telemetry.tailSampling"
    else:
        yield "whole traces", "all that were begun", "telemetry.tailSampling"
    for provider in at(c.mesh, "extensionProviders", []):
        labels = at(provider, "envoyOtelAls.logFormat.labels", None)
        if labels is not None:
            fields = [label for label in labels if label not in mesh_records.LOG_LABELS]
            yield "fields of an access log", ", ".join(fields) or "none beside its line", "telemetry.accessLogFields"
    gone = [tag for entry in at(c.telemetry or {}, "metrics", []) for found in entry["overrides"] for tag in found["tagOverrides"]]
    yield "labels of Istio's metrics", f"all but {', '.join(gone)}" if gone else "all", "telemetry.removedMetricTags"
    forgotten = at(c.injector or {}, "injectedAnnotations", {}).get(EVICTION)
    yield "series that no request touches", f"{forgotten} long" if forgotten else "for ever", "telemetry.statsEvictionSeconds"


def _reason(policy: dict[str, object]) -> str:
    kind = str(policy["type"])
    said = {
        "trace_state": f"what says {tail_sampling.TRACE_STATE}",
        "status_code": "what failed",
        "string_attribute": "what the mesh had to fail",
        "latency": f"what took longer than {at(policy, 'latency.threshold_ms')} ms",
        "probabilistic": f"{at(policy, 'probabilistic.sampling_percentage', 0):g} % of all",
    }
    return said.get(kind, kind)
