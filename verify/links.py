"""Grafana's links between signals, expanded as Grafana does it: tags, variables and time shifts of a datasource's `jsonData`.

Source: grafana, public/app/features/explore/TraceView/createSpanLink.tsx (tags, shifts, variables), packages of the Loki datasource,
getDerivedFields.ts, and pkg/services/provisioning/values (`$$`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from verify.stores import Line, Span

_UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}


class NoLink(Exception):
    """Grafana would show no link, or one that leads nowhere; the message says why."""


@dataclass(frozen=True)
class Query:
    """Where a link leads: a datasource, a query, and the time around it in nanoseconds."""

    datasource: str
    text: str
    start_ns: int = 0
    end_ns: int = 0


def provisioned(data: Any) -> Any:
    """What Grafana reads from a provisioning file: `$$` is one `$`."""
    if isinstance(data, Mapping):
        return {key: provisioned(value) for key, value in data.items()}
    if isinstance(data, list):
        return [provisioned(value) for value in data]
    return data.replace("$$", "$") if isinstance(data, str) else data


def nanoseconds(shift: str) -> int:
    """A shift such as `-5m` or `1h30m` in nanoseconds; empty means none. Raises NoLink for anything else."""
    text = shift.strip()
    if text in ("", "0"):
        return 0
    if not re.fullmatch(r"-?(\d+(ms|[smhd]))+", text):
        raise NoLink(f"{shift!r} is no time shift")
    total = sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|[smhd])", text))
    return -total if text.startswith("-") else total


def trace_to_logs(json_data: Mapping[str, Any], span: Span, trace_id: str) -> Query:
    """The query behind a span's logs link. Raises NoLink."""
    link = json_data.get("tracesToLogsV2")
    if not link or not link.get("datasourceUid"):
        raise NoLink("the trace datasource has no tracesToLogsV2 with a datasourceUid")
    tags = _tags(link.get("tags", []), span)
    if link.get("customQuery"):
        text = _expanded(link.get("query", ""), tags, span, trace_id)
    else:
        text = f"{{{tags}}}" + (f' |="{trace_id}"' if link.get("filterByTraceID") else "")
    return _around(link, span, text)


def trace_to_metrics(json_data: Mapping[str, Any], span: Span, trace_id: str) -> list[tuple[str, Query]]:
    """Name and query of each of a span's metrics links. Raises NoLink."""
    link = json_data.get("tracesToMetrics")
    if not link or not link.get("queries"):
        raise NoLink("the trace datasource has no tracesToMetrics with queries")
    tags = _tags(link.get("tags", []), span)
    return [(entry["name"], _around(link, span, _expanded(entry["query"], tags, span, trace_id))) for entry in link["queries"]]


def log_to_trace(json_data: Mapping[str, Any], line: Line) -> Query:
    """The trace that a line's derived field leads to. Raises NoLink."""
    reasons = []
    for field in json_data.get("derivedFields", []):
        if field.get("matcherType") == "label":
            value = next((text for label, text in line.labels.items() if re.fullmatch(field["matcherRegex"], label)), None)
        else:
            match = re.search(field["matcherRegex"], line.text)
            value = match.group(1) if match and match.groups() else None
        if value is None:
            reasons.append(f"{field['name']}: {field.get('matcherType', 'regex')} {field['matcherRegex']} matches nothing of the line")
        elif field.get("datasourceUid"):
            return Query(field["datasourceUid"], field.get("url", "").replace("${__value.raw}", value))
    raise NoLink("; ".join(reasons) or "the log datasource has no derived field with a datasourceUid")


def exemplar_to_trace(json_data: Mapping[str, Any], labels: Mapping[str, str]) -> Query:
    """The trace that an exemplar leads to. Raises NoLink."""
    for destination in json_data.get("exemplarTraceIdDestinations", []):
        if destination.get("name") in labels and destination.get("datasourceUid"):
            return Query(destination["datasourceUid"], labels[destination["name"]])
    named = ", ".join(str(d.get("name")) for d in json_data.get("exemplarTraceIdDestinations", []))
    raise NoLink(f"exemplars carry {', '.join(sorted(labels))}; the metric datasource looks for {named or 'none'}")


def _around(link: Mapping[str, Any], span: Span, text: str) -> Query:
    start, end = (nanoseconds(link.get(key, "")) for key in ("spanStartTimeShift", "spanEndTimeShift"))
    query = Query(link["datasourceUid"], text, span.start_ns + start, span.end_ns + end)
    if query.start_ns >= query.end_ns:
        raise NoLink(
            f"the link's time ends {(query.start_ns - query.end_ns) / 10**9:g} s before it begins: its shifts are the wrong way round"
        )
    return query


def _tags(wanted: list[Mapping[str, str]], span: Span) -> str:
    found = ((tag.get("value") or tag["key"].replace(".", "_"), span.tag(tag["key"])) for tag in wanted)
    return ", ".join(f'{label}="{value}"' for label, value in found if value is not None)


def _expanded(text: str, tags: str, span: Span, trace_id: str) -> str:
    if "__tags" in text and not tags:
        raise NoLink("the span has none of the tags that the link is made of")
    names = {
        "__span.traceId": trace_id,
        "__trace.traceId": trace_id,
        "__span.spanId": span.span_id,
        "__span.name": span.name,
        "__tags": tags,
    }
    for name, value in names.items():
        text = text.replace(f"${{{name}}}", value).replace(f"${name}", value)
    text = re.sub(r"""\$\{__span\.tags\["([^"]+)"\]\}""", lambda match: span.tag(match.group(1)) or "", text)
    left = re.search(r"\$\{?__(?!interval|rate|range|from|to)[\w.]+\}?", text)
    if left:
        raise NoLink(f"Grafana knows no variable {left.group()}")
    return text
