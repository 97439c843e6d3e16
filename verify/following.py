"""Every link between signals, followed: expanded with what was found, and its query run where Grafana would run it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from verify import links, stores
from verify.attempts import Check, attempt
from verify.evidence import SPAN_METRICS, Evidence, Places, Subject
from verify.links import NoLink, Query
from verify.results import Result
from verify.stores import Endpoint

SERVICE_MAP = "traces_service_graph_request_total"


def follow(evidence: Evidence, places: Places, subject: Subject) -> list[Result]:
    """One result for each link of the datasources; `not run` where there is nothing to start from."""
    by_type = {source["type"]: source for source in places.datasources}
    lacking = [kind for kind in ("tempo", "loki", "prometheus") if kind not in by_type]
    if lacking:
        return [Result("links", "all links", "failed", f"no datasource of type {', '.join(lacking)}", "Grafana's datasources come by name")]
    walk = _Walk(evidence, places, {kind: source.get("jsonData", {}) for kind, source in by_type.items()})
    span, line = next(iter(evidence.app_spans), None), next(iter(evidence.app_logs), None)
    # with waypoints the application has no proxy of its own, and any other's access log of the request has the same trace
    whose = (entry for entry in evidence.access_logs if not subject.sidecar or entry.labels.get("service_name") == subject.service)
    access = next(whose, None)
    fields = "derivedFields of the log datasource"
    results = [
        _from(span, "trace to logs", "no span to start from", lambda: walk.to_logs(span), "tracesToLogsV2 of the trace datasource"),
        _from(line, "log to trace", "no log to start from", lambda: walk.to_trace(line), fields),
        _from(access, "access log to trace", "no access log to start from", lambda: walk.to_trace(access), fields),
        _from(
            evidence.exemplar, "metric to trace", "no exemplar to start from", walk.from_exemplar,
            "exemplarTraceIdDestinations of the metric datasource",
        ),
    ]  # fmt: skip
    return [*results, *_to_metrics(walk, span, places, subject)]


def _from(start: Any, name: str, otherwise: str, check: Check, setting: str) -> Result:
    if not start:
        return Result("links", name, "not run", otherwise)
    return attempt("links", name, check, f"{setting} must lead to this request")


def _to_metrics(walk: _Walk, span: stores.Span | None, places: Places, subject: Subject) -> list[Result]:
    """Links to what Tempo's generator makes: they are expanded and parsed in any case, and must yield data where a generator runs."""
    if span is None:
        return [Result("links", name, "not run", "no span to start from") for name in ("trace to metrics", "service map")]
    setting = "tracesToMetrics of the trace datasource must be a query that yields data"
    try:
        queries = links.trace_to_metrics(walk.json_data["tempo"], span, walk.evidence.trace_id)
    except NoLink as error:
        return [Result("links", "trace to metrics", "failed", str(error), setting)]
    map_uid = walk.json_data["tempo"].get("serviceMap", {}).get("datasourceUid", "")
    named = [(f"trace to metrics: {name}", query) for name, query in queries]
    named.append(("service map", Query(map_uid, f'sum({SERVICE_MAP}{{server="{subject.service}"}})')))
    results = []
    for name, query in named:

        def check(query: Query = query) -> tuple[bool, str, str]:
            found = stores.instant(walk.store(query.datasource, "prometheus"), query.text)
            return bool(found), query.text, "Tempo's generator must write to Prometheus (remote_write), for both processors"

        result = attempt("links", name, check, setting)
        if SPAN_METRICS in places.absent and not (result.state == "failed" and result.detail != query.text):
            result = Result(
                "links", name, "not run", f"{places.absent[SPAN_METRICS]}; the query parses: {query.text}", seconds=result.seconds
            )
        results.append(result)
    return results


class _Walk:
    """What the links start from, and the way to the datasources that they name."""

    def __init__(self, evidence: Evidence, places: Places, json_data: Mapping[str, Mapping[str, Any]]) -> None:
        self.evidence, self.places, self.json_data = evidence, places, json_data

    def store(self, uid: str, kind: str) -> Endpoint:
        """Where the queries of a datasource go. Raises NoLink where there is none of that uid, or it is of another type."""
        source = next((entry for entry in self.places.datasources if entry["uid"] == uid), None)
        if source is None:
            raise NoLink(
                f"the link leads to datasource {uid!r}, and there is none; there are {', '.join(s['uid'] for s in self.places.datasources)}"
            )
        if source["type"] != kind:
            raise NoLink(f"the link leads to datasource {uid!r}, which is a {source['type']}, not a {kind}")
        return self.places.reach(source)

    def to_logs(self, span: stores.Span | None) -> tuple[bool, str, str]:
        """From the application's span to its logs and its proxy's."""
        assert span is not None
        query = links.trace_to_logs(self.json_data["tempo"], span, self.evidence.trace_id)
        found = stores.logs(self.store(query.datasource, "loki"), query.text, query.start_ns, query.end_ns)
        wanted = {line.text for line in self.evidence.app_logs}
        there = wanted <= {line.text for line in found} and bool(wanted)
        return (
            there,
            f"{len(found)} lines by {query.text}",
            f"tracesToLogsV2 finds {len(found)} lines, and not this request's: {query.text}",
        )

    def to_trace(self, line: stores.Line | None) -> tuple[bool, str, str]:
        """From a log line to its trace."""
        assert line is not None
        return self._trace(links.log_to_trace(self.json_data["loki"], line), "the derived field")

    def from_exemplar(self) -> tuple[bool, str, str]:
        """From an exemplar to its trace."""
        return self._trace(links.exemplar_to_trace(self.json_data["prometheus"], self.evidence.exemplar), "exemplarTraceIdDestinations")

    def _trace(self, query: Query, setting: str) -> tuple[bool, str, str]:
        store = self.store(query.datasource, "tempo")
        if not re.fullmatch("[0-9a-fA-F]{1,32}", query.text):
            raise NoLink(f"{setting} leads to {query.text!r}, which is no trace id")
        found = stores.trace(store, query.text)
        there = query.text == self.evidence.trace_id and bool(found)
        return (
            there,
            f"{len(found)} spans under {query.text}",
            f"{setting} leads to trace {query.text}, this request's is {self.evidence.trace_id}",
        )
