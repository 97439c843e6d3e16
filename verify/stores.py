"""Clients of Tempo, Loki and Prometheus: the few calls that the proof makes, over plain HTTP or through Grafana's proxy."""

from __future__ import annotations

import base64
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

SECONDS = 10
PROXY_TAG = "component"
"""Envoy marks each span of its own with component=proxy."""


class NoAnswer(Exception):
    """A store did not answer as it should; the message is one line."""


@dataclass(frozen=True)
class Endpoint:
    """A base URL, and the headers it wants."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """The JSON of an answer, or its text where it is none. Raises NoAnswer for anything but a 200."""
        status, text = self.ask(path, query)
        if status != 200:
            raise NoAnswer(f"{self.url}{path} answers {status}: {' '.join(text.split())[:200]}")
        try:
            return json.loads(text)
        except ValueError:
            return text

    def ask(self, path: str, query: Mapping[str, Any] | None = None) -> tuple[int, str]:
        """Status and body of an answer. Raises NoAnswer where there is none."""
        address = f"{self.url.rstrip('/')}{path}{f'?{urlencode(query)}' if query else ''}"
        try:
            request = urllib.request.Request(address, headers={"Accept": "application/json", **self.headers})
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(errors="replace")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoAnswer(f"{self.url} does not answer: {getattr(error, 'reason', error)}") from None


@dataclass(frozen=True)
class Span:
    """One span, with the attributes of its resource."""

    span_id: str
    name: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, str]
    resource: Mapping[str, str]

    @property
    def service(self) -> str:
        return self.resource.get("service.name", "")

    @property
    def of_proxy(self) -> bool:
        """Whether a proxy of the mesh made it."""
        return self.attributes.get(PROXY_TAG) == "proxy"

    def tag(self, key: str) -> str | None:
        """An attribute of the span, or else of its resource: what Grafana calls a tag."""
        return self.attributes.get(key, self.resource.get(key))


@dataclass(frozen=True)
class Line:
    """One log line with its labels and structured metadata."""

    text: str
    labels: Mapping[str, str]


def trace(tempo: Endpoint, trace_id: str) -> list[Span]:
    """All spans of a trace; none while Tempo does not know it. Raises NoAnswer."""
    status, text = tempo.ask(f"/api/v2/traces/{trace_id}")
    if status == 404:
        return []
    if status != 200:
        raise NoAnswer(f"{tempo.url} answers {status} to a trace id: {' '.join(text.split())[:200]}")
    found = json.loads(text).get("trace") or {}
    return [
        _span(span, _attributes(part.get("resource", {})))
        for part in found.get("resourceSpans", found.get("batches", []))
        for scope in part.get("scopeSpans", [])
        for span in scope.get("spans", [])
    ]


def services(tempo: Endpoint, service: str) -> list[str]:
    """Ids of the newest traces with a span of a service. Raises NoAnswer."""
    found = tempo.get("/api/search", {"q": f'{{resource.service.name="{service}"}}', "limit": 20})
    return [entry["traceID"].zfill(32) for entry in found.get("traces", [])]


def logs(loki: Endpoint, query: str, start_ns: int, end_ns: int) -> list[Line]:
    """The lines that a LogQL query finds in a time. Raises NoAnswer."""
    found = loki.get("/loki/api/v1/query_range", {"query": query, "start": start_ns, "end": end_ns, "limit": 100})
    return [Line(entry[1], stream["stream"]) for stream in found["data"]["result"] for entry in stream["values"]]


def instant(prometheus: Endpoint, query: str) -> list[dict[str, Any]]:
    """What a PromQL query yields now: series with `metric` and `value` or `values`. Raises NoAnswer, also where it does not parse."""
    return prometheus.get("/api/v1/query", {"query": query})["data"]["result"]


def exemplars(prometheus: Endpoint, query: str, start: float, end: float) -> list[dict[str, Any]]:
    """Labels of the exemplars of a query's series in a time (seconds). Raises NoAnswer."""
    found = prometheus.get("/api/v1/query_exemplars", {"query": query, "start": start, "end": end})
    return [exemplar["labels"] for series in found.get("data") or [] for exemplar in series["exemplars"]]


def flags(prometheus: Endpoint) -> dict[str, str]:
    """Prometheus' own command line. Raises NoAnswer."""
    return prometheus.get("/api/v1/status/flags")["data"]


def is_healthy(kind: str, store: Endpoint) -> None:
    """What Grafana's own health check of a datasource asks, by its type. Raises NoAnswer where the store does not answer it right."""
    if kind == "tempo":
        status, text = store.ask("/api/echo")
        if status != 200 or "echo" not in text:
            raise NoAnswer(f"{store.url} is no Tempo: /api/echo answers {status}")
    elif kind == "loki":
        store.get("/loki/api/v1/query", {"query": "vector(1)+vector(1)"})
    else:
        store.get("/api/v1/query", {"query": "1+1"})


def _span(span: Mapping[str, Any], resource: Mapping[str, str]) -> Span:
    return Span(
        base64.b64decode(span["spanId"]).hex(),
        span.get("name", ""),
        int(span["startTimeUnixNano"]),
        int(span["endTimeUnixNano"]),
        _attributes(span),
        resource,
    )


def _attributes(holder: Mapping[str, Any]) -> dict[str, str]:
    return {entry["key"]: str(next(iter(entry.get("value", {}).values()), "")) for entry in holder.get("attributes", [])}
