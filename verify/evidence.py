"""One request with a known trace id, and what the three stores come to hold of it within a bounded wait."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from components.tail_sampling import TRACE_STATE
from verify import stores
from verify.stores import Endpoint, Line, NoAnswer, Span

EVERY_SECONDS = 0.5
APP_METRIC = "http_server_(request_)?duration_(milliseconds|seconds)"
"""The request histogram of OpenTelemetry's SDKs, by the older and the stable name."""
ISTIO_METRICS, SPAN_METRICS = "mesh metrics", "span metrics"
"""What a place may lack: istio_requests_total, and what Tempo's generator makes of spans."""


@dataclass(frozen=True)
class Subject:
    """What is asked: the application behind the gateway."""

    service: str
    """Its `service.name`."""
    path: str
    host: str = ""
    """Host header, where the gateway routes by it."""
    sidecar: bool = True
    """Whether the application has a proxy of its own, which then must say the same `service.name`."""


@dataclass(frozen=True)
class Places:
    """Where everything is, as seen from here."""

    gateway: str
    tempo: Endpoint
    loki: Endpoint
    prometheus: Endpoint
    datasources: list[dict[str, Any]]
    """As Grafana has them, or as it would after reading them from our provisioning."""
    reach: Callable[[Mapping[str, Any]], Endpoint]
    """From a datasource to where its queries go from here; raises NoAnswer where that cannot be known."""
    grafana: Endpoint | None = None
    absent: Mapping[str, str] = field(default_factory=dict)
    """What cannot be there (ISTIO_METRICS, SPAN_METRICS), with the reason."""


@dataclass
class Evidence:
    """What was found. A kind of evidence that is missing stands in `missing`, with the last answer."""

    trace_id: str
    marker: str
    status: int = 0
    answer: str = ""
    sent_ns: int = 0
    spans: list[Span] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    metric: list[dict[str, Any]] = field(default_factory=list)
    exemplar: dict[str, str] = field(default_factory=dict)
    mesh_metric: list[dict[str, Any]] = field(default_factory=list)
    span_metric: list[dict[str, Any]] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def app_spans(self) -> list[Span]:
        return [span for span in self.spans if not span.of_proxy]

    @property
    def mesh_spans(self) -> list[Span]:
        return [span for span in self.spans if span.of_proxy]

    @property
    def access_logs(self) -> list[Line]:
        """Lines of proxies: their format quotes the request line."""
        return [line for line in self.lines if re.search(rf'"[A-Z]+ \S*{self.marker}', line.text)]

    @property
    def app_logs(self) -> list[Line]:
        return [line for line in self.lines if line not in self.access_logs]


def gather(places: Places, subject: Subject, wait_seconds: float) -> Evidence:
    """Sends the request and asks the stores again and again, until all is there or so many seconds are over."""
    evidence = send(places, subject)
    if evidence.status != 200:
        return evidence
    asked = _questions(places, subject, evidence)
    began = time.monotonic()
    evidence.missing = dict.fromkeys(asked, "not asked")
    while evidence.missing:
        for name in list(evidence.missing):
            try:
                reason = asked[name]()
            except NoAnswer as error:
                reason = str(error)
            if reason:
                evidence.missing[name] = reason
            else:
                del evidence.missing[name]
            evidence.seconds[name] = time.monotonic() - began
        if time.monotonic() - began > wait_seconds:
            break
        if evidence.missing:
            time.sleep(EVERY_SECONDS)
    return evidence


def headers(trace_id: str) -> dict[str, str]:
    """What asks everybody to keep a trace: samplers at its beginning by the flag, tail sampling by the state."""
    return {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01", "tracestate": TRACE_STATE}


def send(places: Places, subject: Subject) -> Evidence:
    """The one request: its headers ask everyone to keep the trace, and its marker is found in the log lines."""
    evidence = Evidence(secrets.token_hex(16), f"verify-{secrets.token_hex(4)}")
    said = headers(evidence.trace_id) | ({"Host": subject.host} if subject.host else {})
    evidence.sent_ns = time.time_ns()
    try:
        evidence.status, evidence.answer = Endpoint(places.gateway, said).ask(subject.path, {"player": evidence.marker})
    except NoAnswer as error:
        evidence.answer = str(error)
    evidence.seconds["request"] = (time.time_ns() - evidence.sent_ns) / 10**9
    return evidence


def lines_of(places: Places, evidence: Evidence) -> list[Line]:
    """What Loki has by now under the request's trace id."""
    query = f'{{service_name=~".+"}} | trace_id="{evidence.trace_id}"'
    return stores.logs(places.loki, query, evidence.sent_ns - 60 * 10**9, time.time_ns() + 60 * 10**9)


def _questions(places: Places, subject: Subject, evidence: Evidence) -> dict[str, Callable[[], str]]:
    """Kind of evidence to what looks for it; each says what is missing, or nothing."""

    def spans() -> str:
        evidence.spans = stores.trace(places.tempo, evidence.trace_id)
        kinds = {"no span of a proxy": evidence.mesh_spans, "no span of the application": evidence.app_spans}
        if subject.sidecar and evidence.mesh_spans:
            kinds[f"no span of the proxy of {subject.service}"] = [s for s in evidence.mesh_spans if s.service == subject.service]
        return ", ".join(reason for reason, found in kinds.items() if not found)

    def lines() -> str:
        evidence.lines = lines_of(places, evidence)
        kinds = {"no access log": evidence.access_logs, "no log of the application": evidence.app_logs}
        if subject.sidecar and evidence.access_logs:
            own = [line for line in evidence.access_logs if line.labels.get("service_name") == subject.service]
            kinds[f"no access log of the proxy of {subject.service}"] = own
        return ", ".join(reason for reason, found in kinds.items() if not found)

    def metric() -> str:
        query = f'{{__name__=~"{APP_METRIC}_count", service_name="{subject.service}"}}[5m]'
        grown = [series for series in stores.instant(places.prometheus, query) if _grew(series["values"], evidence.sent_ns / 10**9)]
        evidence.metric = grown
        return "" if grown else f"no request histogram of {subject.service} that grew since the request"

    def exemplar() -> str:
        query = f'{{__name__=~"{APP_METRIC}_bucket", service_name="{subject.service}"}}'
        now = time.time()
        found = stores.exemplars(places.prometheus, query, evidence.sent_ns / 10**9 - 60, now + 60)
        evidence.exemplar = next((labels for labels in found if evidence.trace_id in labels.values()), {})
        return "" if evidence.exemplar else f"none of {len(found)} exemplars of {subject.service} has the trace id"

    def mesh_metric() -> str:
        query = f'sum by (reporter) (istio_requests_total{{destination_service_name="{subject.service}"}})'
        evidence.mesh_metric = stores.instant(places.prometheus, query)
        return "" if evidence.mesh_metric else f"no istio_requests_total to {subject.service}"

    def span_metric() -> str:
        evidence.span_metric = stores.instant(places.prometheus, f'traces_spanmetrics_calls_total{{service="{subject.service}"}}')
        return "" if evidence.span_metric else f"no traces_spanmetrics_calls_total of {subject.service}"

    every: dict[str, Callable[[], str]] = {"spans": spans, "lines": lines, "metric": metric, "exemplar": exemplar}
    every |= {} if ISTIO_METRICS in places.absent else {"mesh_metric": mesh_metric}
    return every | ({} if SPAN_METRICS in places.absent else {"span_metric": span_metric})


def _grew(values: list[list[Any]], since: float) -> bool:
    """Whether a counter is higher after a moment than before it; one that begins after it, or anew, has grown from nothing."""
    before = [float(value) for at, value in values if at < since]
    after = [float(value) for at, value in values if at >= since]
    last = before[-1] if before else 0.0
    return any(value > last or 0 < value < last for value in after)
