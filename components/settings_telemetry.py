"""The telemetry policy: how much of what the mesh and its applications could say is kept, and what that costs.

Head sampling stands where it is decided, `istio.samplingPercentage` and `opentelemetry.samplingPercentage`; the rest is here.
docs/telemetry.md has all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from components.settings_base import Model, Percentage, Replicas

if TYPE_CHECKING:
    from components.settings import Settings

LONGEST_HOLD_SECONDS = 5
"""How long proxies and SDKs hold spans back before they send them. Source: envoy source/extensions/tracers/opentelemetry/
opentelemetry_tracer_impl.cc (tracing.opentelemetry.flush_interval_ms), OpenTelemetry's OTEL_BSP_SCHEDULE_DELAY; both 5 s."""

AccessLogFields = Literal["lean", "request", "full"]
MetricTag = Literal[
    "source_workload",
    "source_workload_namespace",
    "source_principal",
    "source_app",
    "source_version",
    "source_canonical_service",
    "source_canonical_revision",
    "source_cluster",
    "destination_workload",
    "destination_workload_namespace",
    "destination_principal",
    "destination_app",
    "destination_version",
    "destination_service",
    "destination_service_name",
    "destination_service_namespace",
    "destination_canonical_service",
    "destination_canonical_revision",
    "destination_cluster",
    "request_protocol",
    "response_code",
    "grpc_response_status",
    "response_flags",
    "connection_security_policy",
]
"""Istio's own labels on its request metrics, without `reporter`, by which each request counts once."""


READ_METRIC_TAGS: tuple[MetricTag, ...] = (
    "destination_service_name",
    "destination_service_namespace",
    "destination_workload",
    "destination_workload_namespace",
    "grpc_response_status",
    "request_protocol",
    "response_code",
    "response_flags",
    "source_workload",
    "source_workload_namespace",
)
"""Those that dashboards, objectives and alerts of ours read; a test holds them to the queries."""


class TailSamplingSettings(Model):
    """Which traces are kept, decided when they are whole: a second tier of collectors, each trace with all its spans at one of them."""

    percentage: Annotated[Percentage, Field(lt=100)] = 5.0
    """Share of ordinary traces that are kept, in per cent; what stands out is kept beside them."""
    errors: bool = True
    """Whether every trace with a span that failed is kept."""
    slower_than_ms: Annotated[int, Field(ge=1, le=600_000)] | None = 1000
    """A trace that took longer, in ms, is kept; null for none."""
    decision_wait_seconds: Annotated[int, Field(ge=2 * LONGEST_HOLD_SECONDS, le=30)] = 10
    """How long after its first span a trace is decided on. Its spans are held in memory until then: twice the wait, twice the memory.
    Nobody sees a trace before, the proof (verify/) neither, which has a minute."""
    head_percentage: Percentage = 100.0
    """Share of all traces that head sampling lets through to be decided on, in per cent; must say what the samplers say, so that nobody
    takes this for every error when it is every error of a few."""
    replicas: Replicas | None = None
    """How many collectors decide. Default: what the preset says. A change splits some of the traces in flight."""

    @model_validator(mode="after")
    def _something_stands_out(self) -> TailSamplingSettings:
        if not self.errors and self.slower_than_ms is None:
            raise ValueError(
                f"telemetry.tailSampling keeps {self.percentage:g} % of all traces and nothing else: a second tier decides on what stands "
                f"out; set errors or slowerThanMs, or remove it and set istio.samplingPercentage to {self.percentage:g}"
            )
        return self

    @model_validator(mode="after")
    def _slow_traces_are_seen_to_be_slow(self) -> TailSamplingSettings:
        latest = (self.decision_wait_seconds - LONGEST_HOLD_SECONDS) * 1000
        if self.slower_than_ms is not None and self.slower_than_ms > latest:
            raise ValueError(
                f"telemetry.tailSampling.slowerThanMs is {self.slower_than_ms}: after decisionWaitSeconds {self.decision_wait_seconds}, of "
                f"which spans are held back for up to {LONGEST_HOLD_SECONDS}, a trace is known to have lasted {latest} ms at the most; "
                "wait longer or ask for less"
            )
        return self


class TelemetrySettings(Model):
    """How much is kept of what could be said."""

    tail_sampling: TailSamplingSettings | None = None
    """Traces are kept by what became of them, and not by chance. Needs `load.spansPerSecond`, by which its memory is planned."""
    access_log_fields: AccessLogFields = "lean"
    """What of a request an access log has as fields of its own, beside Istio's line of text. `lean`: none; `request`: method, path, status,
    duration; `full`: sizes, peers, user agent, route as well. Each is work for the proxy: with many, its throughput falls by a third."""
    removed_metric_tags: Annotated[tuple[MetricTag, ...], Field(strict=False)] = ()
    """Labels that Istio leaves out of its request metrics. Every one that varies multiplies the series that Prometheus holds."""
    stats_eviction_seconds: Annotated[int, Field(ge=300, le=86_400, multiple_of=5)] | None = None
    """After how long a proxy forgets a series that no request touched, in seconds; a multiple of 5, how often Envoy flushes. Default:
    never, so that pods that are long gone stay in the metrics of those that called them."""


# rules between these and other settings


def tail_sampling_knows_its_load(settings: Settings) -> Iterator[str]:
    if settings.telemetry.tail_sampling is not None and not settings.load.spans_per_second:
        stated = "not set" if settings.load.spans_per_second is None else "0"
        yield f"load.spansPerSecond is {stated}: telemetry.tailSampling holds every span in memory and must know how many there are"


def tail_sampling_gets_what_it_is_to_choose_from(settings: Settings) -> Iterator[str]:
    """An error that head sampling threw away is not there to be kept."""
    chosen = settings.telemetry.tail_sampling
    heads = {"istio": settings.istio.sampling_percentage, "opentelemetry": settings.opentelemetry.sampling_percentage}
    least = min(heads, key=lambda key: heads[key])
    if chosen is None or heads[least] == chosen.head_percentage:
        return
    said, head = f"{least}.samplingPercentage is {heads[least]:g}", chosen.head_percentage
    if heads[least] > head:
        yield f"telemetry.tailSampling.headPercentage is {head:g}: {said}, which is the least of what samplers let through; say the same"
        return
    yield (
        f"{said}: telemetry.tailSampling chooses among what head sampling lets through, so of a hundred traces that fail {heads[least]:g} "
        f"were kept; set it to {head:g}, or say that this is meant with telemetry.tailSampling.headPercentage {heads[least]:g}"
    )


def metric_tags_that_are_read_stay(settings: Settings) -> Iterator[str]:
    removed = settings.telemetry.removed_metric_tags
    for index, tag in enumerate(removed):
        if tag in READ_METRIC_TAGS:
            yield f"telemetry.removedMetricTags.{index} is {tag}: dashboards, objectives and alerts read it; remove it from the list"
        if tag in removed[:index]:
            yield f"telemetry.removedMetricTags.{index} is {tag}: telemetry.removedMetricTags.{removed.index(tag)} is the same"


def proxies_are_told_by_our_mesh(settings: Settings) -> Iterator[str]:
    chosen, ours = settings.telemetry, settings.istio.source == "install"
    if not ours and chosen.access_log_fields != "lean":
        yield (
            f"telemetry.accessLogFields is {chosen.access_log_fields}: istio.source is existing, and the format of access logs stands in "
            "its MeshConfig; remove the key"
        )
    if chosen.stats_eviction_seconds is not None and (not ours or settings.istio.mode == "ambient"):
        why = (
            "istio.mode is ambient, whose waypoints take no such annotation"
            if ours
            else "istio.source is existing, and its injector not ours"
        )
        yield f"telemetry.statsEvictionSeconds is {chosen.stats_eviction_seconds}: {why}; remove the key"
