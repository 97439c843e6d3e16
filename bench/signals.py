"""The collector under load, our configuration beside a bare one in the same run: spans and log lines per second, and CPU for a thousand.

Same binary, same machine, same requests, rounds in turn. Bare means receiver to exporter and nothing else. `k8s_attributes` is left out,
as it needs an API server; so is the second tier of tail sampling, for which the store stands. Then the trace store is away for a minute
while spans come in, and what arrives in the end is counted.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import os
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

import grpc
import yaml
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rich.console import Console
from rich.table import Table

from components import mesh_records, opentelemetry, tail_sampling
from rehearsal import console, processes, tools
from rehearsal.errors import RehearsalError
from signals import machine
from signals.rendering import read_stack
from signals.sink import serving

IN_FLIGHT = 16
PER_REQUEST = 100
DRAIN_SECONDS = 30.0
GOAL = 0.9
METHODS = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}
SENT = {"traces": "otelcol_exporter_sent_spans", "logs": "otelcol_exporter_sent_log_records"}
EXPORTERS = {"traces": "otlp_grpc/tempo", "logs": "otlp_http/loki"}


@dataclass(frozen=True)
class Measured:
    """One round of one signal through one configuration."""

    signal: str
    config: str
    sent: int
    delivered: int
    seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        return self.delivered / self.seconds

    @property
    def cpu_per_thousand(self) -> float:
        """CPU seconds for a thousand of them."""
        return self.cpu_seconds / self.delivered * 1000


def span_request(first: int = 0, count: int = PER_REQUEST) -> bytes:
    """An application's request: spans with attributes as Flask's instrumentation sets them; ids count up from the first."""
    request = ExportTraceServiceRequest()
    part = request.resource_spans.add()
    for key in ("service.name", "service.namespace", "service.version", "k8s.pod.name", "telemetry.sdk.name"):
        part.resource.attributes.add(key=key).value.string_value = f"value of {key}"
    scope = part.scope_spans.add()
    now = time.time_ns()
    for number in range(first, first + count):
        span = scope.spans.add(
            trace_id=(number + 1).to_bytes(16, "big"), span_id=(number + 1).to_bytes(8, "big"), name="GET /rolldice", kind=2,
            start_time_unix_nano=now, end_time_unix_nano=now + 10**6,
        )  # fmt: skip
        for key in (
            "http.method",
            "http.scheme",
            "http.target",
            "http.host",
            "http.user_agent",
            "http.flavor",
            "http.route",
            "net.peer.ip",
        ):
            span.attributes.add(key=key).value.string_value = f"value of {key}"
    return request.SerializeToString()


def log_request(count: int = PER_REQUEST) -> bytes:
    """A proxy's request: access logs without a resource, with the labels of the mesh's format."""
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    now = time.time_ns()
    for number in range(count):
        record = scope.log_records.add(time_unix_nano=now + number, trace_id=(number + 1).to_bytes(16, "big"))
        record.body.string_value = (
            f'[2026-01-01T00:00:00.000Z] "GET /rolldice HTTP/1.1" 200 - via_upstream - "-" 0 32 12 10 "-" {number:0100d}'
        )
        for label in mesh_records.LOG_LABELS:
            said = "service.namespace=sample,service.version=v1" if label == mesh_records.RESOURCE else "rolldice"
            record.attributes.add(key=label).value.string_value = said
    return request.SerializeToString()


def bare(config: dict[str, Any]) -> dict[str, Any]:
    """The same receivers, exporters and extensions, with nothing between them."""
    result = copy.deepcopy(config)
    del result["processors"]
    for pipeline in result["service"]["pipelines"].values():
        pipeline["processors"] = []
    return result


def lead(exporters: dict[str, Any], traces: int, logs: int) -> None:
    """Leads exporters to two ports of this machine. With tail sampling, whoever takes the spans stands for the collectors that decide."""
    if tail_sampling.EXPORTER in exporters:
        exporters[tail_sampling.EXPORTER]["resolver"] = {"static": {"hostnames": [f"127.0.0.1:{traces}"]}}
    else:
        exporters["otlp_grpc/tempo"]["endpoint"] = f"127.0.0.1:{traces}"
    exporters["otlp_http/loki"]["endpoint"] = f"http://127.0.0.1:{logs}/otlp"


class Collector:
    """A collector of ours with its ports."""

    def __init__(self, process: processes.Process, otlp: int, metrics: int) -> None:
        self.process, self.otlp, self._metrics = process, otlp, metrics

    def count(self, name: str) -> int:
        """A counter of its own, over all its series."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return int(sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name}{{", f"{name}_total{{"))))

    def cpu_seconds(self) -> float:
        """CPU that it has used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def collecting(config: dict[str, Any], folder: Path, tempo: int, loki: int) -> Iterator[Collector]:
    """A collector with a configuration, its stores at two ports of this machine."""
    config, _ = machine.without_what_cannot_run(copy.deepcopy(config))
    ports = machine.Ports()
    wanted = sorted(set(machine.listeners(config)))
    *taken, metrics = ports.take(len(wanted) + 1)
    moved = dict(zip(wanted, taken, strict=True))
    config = machine.listening(config, moved)
    lead(config["exporters"], tempo, loki)
    reader = {"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": metrics}}}}
    config["service"]["telemetry"] = {"metrics": {"readers": [reader]}, "logs": {"level": "error"}}
    file, log = folder / "collector.yaml", folder / "collector.log"
    file.write_text(yaml.safe_dump(config))
    process = processes.start([tools.ensure("otelcol")["otelcol"], f"--config={file}"], log, die_with_parent=True)
    try:
        ready = processes.wait_until(lambda: not processes.port_is_free(moved[4317]) or not process.is_running(), 30)
        if not ready or not process.is_running():
            raise RehearsalError(f"the collector does not start: {processes.last_line(log)}")
        yield Collector(process, moved[4317], metrics)
    finally:
        process.stop(grace_seconds=10)
        ports.let_go()


@contextlib.contextmanager
def swallowing() -> Iterator[tuple[int, int]]:
    """Ports of stores that say yes to everything and look at nothing: OTLP over gRPC, and over HTTP."""
    ports = machine.Ports()
    otlp, http_port = ports.take(2)
    handler = grpc.unary_unary_rpc_method_handler(lambda request, _: b"")
    server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)])
    service, _, method = METHODS["traces"].strip("/").partition("/")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    server.add_insecure_port(f"127.0.0.1:{otlp}")
    server.start()
    http = ThreadingHTTPServer(("127.0.0.1", http_port), _Swallow)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield otlp, http_port
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
        server.stop(grace=0.2).wait()
        ports.let_go()


class _Swallow(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


def push(port: int, signal: str, request: Callable[[], bytes], seconds: float, pause: float = 0.0) -> int:
    """Sends requests for so many seconds, 16 at once (one at a time with a pause); how many the collector took."""
    taken = 0
    until = time.monotonic() + seconds
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(METHODS[signal])
        running: list[Any] = []
        while time.monotonic() < until or running:
            if time.monotonic() < until and len(running) < (1 if pause else IN_FLIGHT):
                running.append(call.future(request(), timeout=30))
                time.sleep(pause)
                continue
            answer = running.pop(0)
            taken += answer.exception() is None
    return taken


def measure(signal: str, name: str, config: dict[str, Any], seconds: float) -> Measured:
    """One round."""
    request = span_request() if signal == "traces" else log_request()
    with tempfile.TemporaryDirectory() as folder, swallowing() as stores, collecting(config, Path(folder), *stores) as collector:
        push(collector.otlp, signal, lambda: request, 1.0)  # until everything is warm
        processes.wait_until(lambda: collector.count(SENT[signal]) > 0, DRAIN_SECONDS, every=0.1)
        time.sleep(1)
        before, cpu, began = collector.count(SENT[signal]), collector.cpu_seconds(), time.monotonic()
        sent = push(collector.otlp, signal, lambda: request, seconds) * PER_REQUEST
        processes.wait_until(lambda: collector.count(SENT[signal]) - before >= sent, DRAIN_SECONDS, every=0.05)
        took = time.monotonic() - began
        return Measured(signal, name, sent, collector.count(SENT[signal]) - before, took, collector.cpu_seconds() - cpu)


@dataclass(frozen=True)
class Outage:
    """What became of spans while the trace store was away."""

    seconds: float
    accepted: int
    arrived: int

    @property
    def lost(self) -> int:
        return self.accepted - self.arrived


def outage(config: dict[str, Any], seconds: float) -> Outage:
    """Sends ten spans ten times a second, before, while and after the store is away for so many seconds; counts what arrives."""
    sequence = iter(range(0, 10**9, 10))
    ports = machine.Ports()
    otlp, http, other = ports.take(3)
    ids: set[str] = set()
    try:
        with tempfile.TemporaryDirectory() as folder, collecting(config, Path(folder), otlp, other) as collector:

            def send(seconds: float) -> int:
                return push(collector.otlp, "traces", lambda: span_request(next(sequence), 10), seconds, pause=0.1) * 10

            with serving(otlp, http) as store:
                accepted = send(2)
                processes.wait_until(lambda: store.spans >= accepted, DRAIN_SECONDS, every=0.1)
                ids |= store.trace_ids()
            accepted += send(seconds)
            with serving(otlp, http) as store:
                accepted += send(2)
                processes.wait_until(lambda: len(ids | store.trace_ids()) >= accepted, seconds + DRAIN_SECONDS, every=0.2)
                ids |= store.trace_ids()
    finally:
        ports.let_go()
    return Outage(seconds, accepted, len(ids))


def show(rounds: Sequence[Measured], away: Outage, target: Console | None = None) -> None:
    """Prints medians, their ratios and what was lost."""
    target = target or Console(width=120, highlight=False)
    table = Table(title="The collector, our configuration beside a bare one (medians)", title_justify="left")
    for heading in ("", "bare", "ours", "ratio"):
        table.add_column(heading, justify="right" if heading else "left")
    for signal in METHODS:
        for label, value, form in (
            ("per second", lambda m: m.per_second, "{:,.0f}"),
            ("CPU ms for a thousand", lambda m: m.cpu_per_thousand * 1000, "{:.2f}"),
        ):
            theirs, ours = (median(value(m) for m in rounds if (m.signal, m.config) == (signal, name)) for name in ("bare", "ours"))
            table.add_row(
                f"{'spans' if signal == 'traces' else 'log lines'} {label}", form.format(theirs), form.format(ours), f"{ours / theirs:.2f}"
            )
    target.print(table)
    lost = sum(m.sent - m.delivered for m in rounds)
    target.print(f"under load {lost} of {sum(m.sent for m in rounds):,} lost; goal for a rate: {GOAL} of bare")
    target.print(f"trace store away for {away.seconds:g} s: {away.accepted:,} spans accepted, {away.arrived:,} arrived, {away.lost:,} lost")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs it; exit code 1 where something was lost."""
    parser = argparse.ArgumentParser(prog="python -m bench.signals", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--stack", default="local")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each round sends")
    parser.add_argument("--away", type=float, default=60.0, help="for how many seconds the trace store is away")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    chosen = parser.parse_args(arguments)
    try:
        stack = read_stack(chosen.stack)
        config = opentelemetry.collector_spec(stack.settings, stack.topology)["config"]
        rounds = []
        for number in range(chosen.rounds):
            for signal in METHODS:
                for name, used in (("bare", bare(config)), ("ours", config)):
                    with console.step(f"round {number + 1}: {signal}, {name}"):
                        rounds.append(measure(signal, name, used, chosen.seconds))
        with console.step(f"the trace store is away for {chosen.away:g} s"):
            away = outage(config, chosen.away)
    except RehearsalError as error:
        console.error(str(error))
        return 2
    show(rounds, away)
    if chosen.json:
        chosen.json.write_text(json.dumps({"rounds": [asdict(m) for m in rounds], "outage": asdict(away)}, indent=2) + "\n")
    return int(away.lost > 0)


if __name__ == "__main__":
    raise SystemExit(main())
