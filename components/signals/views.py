"""Who looks at what: Grafana's datasources, and the clicks from one signal to another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from components.signals.configured import Configured, at
from components.signals.listeners import api
from components.signals.model import Edge, Link

TRACE_TO_LOGS, TRACE_TO_METRICS, SERVICE_MAP = "trace to logs", "trace to metrics", "service map"
LOG_TO_TRACE, EXEMPLAR_TO_TRACE = "log to trace", "metric to trace"
LINKS = {
    TRACE_TO_LOGS: ("tempo", "loki"),
    TRACE_TO_METRICS: ("tempo", "prometheus"),
    SERVICE_MAP: ("tempo", "prometheus"),
    LOG_TO_TRACE: ("loki", "tempo"),
    EXEMPLAR_TO_TRACE: ("prometheus", "tempo"),
}
"""Every link there must be: types of the datasource it starts from and of the one it opens."""


def datasources(c: Configured) -> list[dict[str, Any]]:
    """Grafana's provisioned datasources, of all its files."""
    files = at(c.grafana, "datasources", {}).values()
    return [source for file in files for source in file.get("datasources", [])]


def queries(c: Configured) -> Iterator[Edge]:
    """Where Grafana asks."""
    for source in datasources(c):
        kind = str(source.get("type"))
        yield Edge("query", "grafana", source.get("url", ""), api(kind), f"datasource {source.get('uid')} url", source.get("uid", ""))


def links(c: Configured) -> Iterator[Link]:
    """The clicks between signals."""
    for source in datasources(c):
        uid, data = source.get("uid", ""), source.get("jsonData", {})
        for name, key in ((TRACE_TO_LOGS, "tracesToLogsV2"), (TRACE_TO_METRICS, "tracesToMetrics"), (SERVICE_MAP, "serviceMap")):
            if key in data:
                yield _from_span(name, uid, data[key], f"datasource {uid} jsonData.{key}")
        for field in data.get("derivedFields", []):
            key = field.get("matcherRegex", "") if field.get("matcherType") == "label" else ""
            yield Link(LOG_TO_TRACE, uid, field.get("datasourceUid", ""), f"datasource {uid} jsonData.derivedFields", key=key)
        for destination in data.get("exemplarTraceIdDestinations", []):
            said = f"datasource {uid} jsonData.exemplarTraceIdDestinations"
            yield Link(EXEMPLAR_TO_TRACE, uid, destination.get("datasourceUid", ""), said, key=destination.get("name", ""))


def _from_span(name: str, uid: str, body: dict[str, Any], said: str) -> Link:
    if name == SERVICE_MAP:
        return Link(name, uid, body.get("datasourceUid", ""), said)
    shifts = (body.get("spanStartTimeShift", ""), body.get("spanEndTimeShift", ""))
    tags = [tag.get("value") or tag.get("key", "") for tag in body.get("tags", [])]
    query = body.get("query", "") if name == TRACE_TO_LOGS else "\n".join(q.get("query", "") for q in body.get("queries", []))
    return Link(name, uid, body.get("datasourceUid", ""), said, shifts, ",".join(tags), query)
