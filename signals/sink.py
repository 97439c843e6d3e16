"""Where traces end on a machine without Tempo: an OTLP receiver that answers Tempo's trace-by-id and search calls from memory.

It makes no metrics of its spans, so what Tempo's generator writes (traces_spanmetrics_*, the service graph) is not there.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import grpc
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service
from opentelemetry.proto.trace.v1 import trace_pb2

NAME = "an OTLP sink in the place of Tempo"
NO_METRICS = "no Tempo runs here, and its stand-in makes no metrics of spans"
MOST_TRACES = 10_000
_METHOD = "opentelemetry.proto.collector.trace.v1.TraceService"
_QUERY = re.compile(r"""\{\s*resource\.service\.name\s*=\s*["`]([^"`]+)["`]\s*\}""")


class Sink:
    """Traces by id, kept in memory: the newest 10,000."""

    def __init__(self) -> None:
        self._traces: dict[str, list[trace_pb2.ResourceSpans]] = {}
        self._lock = threading.Lock()
        self.spans = 0
        """How many spans came in."""

    def take(self, request: service.ExportTraceServiceRequest) -> None:
        """Keeps what an exporter sends."""
        for resource_spans in request.resource_spans:
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    kept = trace_pb2.ResourceSpans(resource=resource_spans.resource, schema_url=resource_spans.schema_url)
                    kept.scope_spans.add(scope=scope_spans.scope).spans.append(span)
                    with self._lock:
                        self.spans += 1
                        self._traces.setdefault(span.trace_id.hex(), []).append(kept)
                        while len(self._traces) > MOST_TRACES:
                            del self._traces[next(iter(self._traces))]

    def trace(self, trace_id: str) -> dict[str, Any] | None:
        """A trace as Tempo's `/api/v2/traces/<id>` answers it, in JSON; None if there is none."""
        with self._lock:
            found = list(self._traces.get(trace_id.lower().zfill(32), ()))
        return {"trace": {"resourceSpans": [MessageToDict(part) for part in found]}} if found else None

    def search(self, name: str) -> dict[str, Any]:
        """Traces with a span of a service, newest first, as `/api/search` answers them."""
        with self._lock:
            traces = {key: list(parts) for key, parts in self._traces.items()}
        found = [_summary(key, parts) for key, parts in traces.items() if any(_service(part) == name for part in parts)]
        return {"traces": found[::-1][:20], "metrics": {}}


def _service(part: trace_pb2.ResourceSpans) -> str:
    return next((a.value.string_value for a in part.resource.attributes if a.key == "service.name"), "")


def _summary(trace_id: str, parts: list[trace_pb2.ResourceSpans]) -> dict[str, Any]:
    first = min(parts, key=lambda part: part.scope_spans[0].spans[0].start_time_unix_nano)
    span = first.scope_spans[0].spans[0]
    return {
        "traceID": trace_id,
        "rootServiceName": _service(first),
        "rootTraceName": span.name,
        "startTimeUnixNano": str(span.start_time_unix_nano),
    }


@contextlib.contextmanager
def serving(otlp_port: int, http_port: int) -> Iterator[Sink]:
    """A sink behind both of its loopback ports, until the block ends. Raises OSError or RuntimeError where a port is taken."""
    sink = Sink()

    def export(request: service.ExportTraceServiceRequest, _: grpc.ServicerContext) -> service.ExportTraceServiceResponse:
        sink.take(request)
        return service.ExportTraceServiceResponse()

    handler = grpc.unary_unary_rpc_method_handler(
        export,
        request_deserializer=service.ExportTraceServiceRequest.FromString,
        response_serializer=service.ExportTraceServiceResponse.SerializeToString,
    )
    server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_METHOD, {"Export": handler}),))
    server.add_insecure_port(f"127.0.0.1:{otlp_port}")
    http = ThreadingHTTPServer(("127.0.0.1", http_port), _handler(sink))
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    server.start()
    thread.start()
    try:
        yield sink
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
        server.stop(grace=0.2).wait()


def _handler(sink: Sink) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Tempo's HTTP API, as far as it is asked here."""

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            trace = re.fullmatch(r"/api/v2/traces/([0-9a-fA-F]{1,32})", asked.path)
            if asked.path in ("/ready", "/api/echo"):
                self._answer(200, "ready" if asked.path == "/ready" else "echo")
            elif trace:
                found = sink.trace(trace.group(1))
                self._answer(200 if found else 404, found or "trace not found")
            elif asked.path == "/api/search":
                query = _QUERY.fullmatch(parse_qs(asked.query).get("q", [""])[0].strip())
                told = 'the stand-in for Tempo knows one query: {resource.service.name="..."}'
                self._answer(200 if query else 400, sink.search(query.group(1)) if query else told)
            else:
                self._answer(404, "not a call of Tempo's that the stand-in knows")

        def _answer(self, status: int, body: Any) -> None:
            text = body if isinstance(body, str) else json.dumps(body)
            content = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(body, str) else "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: what was asked is said by who asked."""

    return Handler
