"""Tail sampling as real processes: what is kept and what is not, by whole traces, and the proof's own at a head sampling of 0 %."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import grpc
import pytest
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from components import opentelemetry, tail_sampling
from components.config import parse
from components.topology import plan
from rehearsal import processes, tools
from signals import places
from signals.rendering import Stack
from signals.run import OWN_METRICS, Signals, quickly, running
from tests.catalogue import text
from tests.signals.conftest import CUT_WAIT_SECONDS, FLUSH_MS, IN_CLEAR, WAIT_SECONDS
from tests.signals.test_path import NOT_RUN_HERE, states
from tests.signals.test_series import exposed
from verify.checks import verify
from verify.results import Result

pytestmark = pytest.mark.xdist_group("signals")

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
SLOW_MS = 800
SAMPLED = {
    **IN_CLEAR,
    "load": {"spansPerSecond": 500},
    # nothing by chance, so that what is kept is kept for a reason
    "telemetry": {"tailSampling": {"percentage": 0, "headPercentage": 0, "slowerThanMs": SLOW_MS}},
}


@pytest.fixture(scope="module")
def tiers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signals]:
    settings = parse(SAMPLED)
    stack = Stack("sampled", settings, plan(settings, "istio-stack", "local"))
    with running(stack, tmp_path_factory.mktemp("tiers"), flush_every_ms=FLUSH_MS) as found:
        yield found


def proof(tiers: Signals, wait: float = WAIT_SECONDS) -> dict[str, Result]:
    return {result.name: result for result in verify(places.of(tiers), places.subject(tiers), wait)}


def send(tiers: Signals, *spans: Mapping[str, Any]) -> None:
    """Spans to the first tier, as an application sends them, each in a request of its own."""
    with grpc.insecure_channel(f"127.0.0.1:{tiers.table.port(tiers.stack.topology.otlp_grpc)}") as channel:
        for said in spans:
            request = ExportTraceServiceRequest()
            part = request.resource_spans.add()
            part.resource.attributes.add(key="service.name").value.string_value = "batch"
            span = part.scope_spans.add().spans.add(trace_id=said["trace"], span_id=os.urandom(8), name="work")
            span.trace_state, span.start_time_unix_nano = said.get("state", ""), time.time_ns()
            span.end_time_unix_nano = span.start_time_unix_nano + said.get("ms", 1) * 10**6
            if said.get("failed"):
                span.status.code = Status.STATUS_CODE_ERROR
            channel.unary_unary(EXPORT)(request.SerializeToString(), timeout=10)


def kept(tiers: Signals, trace: bytes) -> int:
    """How many spans of a trace have reached the store."""
    assert tiers.sink is not None
    found = tiers.sink.trace(trace.hex())
    return len(found["trace"]["resourceSpans"]) if found else 0


def decided(tiers: Signals) -> float:
    return tiers.collector_counter("otelcol_processor_tail_sampling_global_count_traces_sampled", "tail") or 0


def test_the_proof_finds_its_trace_though_nobody_samples_and_nothing_is_kept_by_chance(tiers: Signals) -> None:
    results = proof(tiers)
    assert states(results, "failed") == set(), [r for r in results.values() if r.state == "failed"]
    assert states(results, "not run") == NOT_RUN_HERE


def test_a_trace_that_nobody_asked_for_and_in_which_nothing_happened_is_decided_on_and_not_kept(tiers: Signals) -> None:
    """The same request as the proof's, which samplers let through, but for the word that it is to be kept."""
    assert tiers.sink is not None
    trace, before = os.urandom(16), decided(tiers)
    header = {"traceparent": f"00-{trace.hex()}-{os.urandom(8).hex()}-01"}
    with urlopen(Request(f"{places.of(tiers).gateway}/rolldice", headers=header), timeout=10) as answer:
        assert answer.status == 200
    assert processes.wait_until(lambda: decided(tiers) > before, 15, every=0.2)
    time.sleep(2)
    assert kept(tiers, trace) == 0


def test_what_failed_was_slow_or_was_asked_for_is_kept_whole_and_nothing_else(tiers: Signals) -> None:
    names = ("failed", "slow", "asked for", "ordinary")
    failed, slow, asked, ordinary = traces = [os.urandom(16) for _ in names]
    before = decided(tiers)
    send(tiers, *({"trace": trace} for trace in traces))
    send(
        tiers,
        {"trace": failed, "failed": True},
        {"trace": slow, "ms": SLOW_MS + 100},
        {"trace": asked, "state": f"other=1,{tail_sampling.TRACE_STATE}"},
        {"trace": ordinary, "ms": SLOW_MS - 400},
    )
    assert processes.wait_until(lambda: decided(tiers) - before >= 4, 15, every=0.1)
    assert processes.wait_until(lambda: [kept(tiers, trace) for trace in traces] == [2, 2, 2, 0], 5, every=0.1), dict(
        zip(names, (kept(tiers, trace) for trace in traces), strict=True)
    )
    # what comes after the decision follows it
    send(tiers, {"trace": failed}, {"trace": ordinary, "failed": True})
    assert processes.wait_until(lambda: kept(tiers, failed) == 3, 10, every=0.1)
    assert kept(tiers, ordinary) == 0


def test_a_request_that_the_mesh_itself_has_to_fail_is_kept(tiers: Signals) -> None:
    """No application speaks: the sidecar answers 503, and says so of its span."""
    trace = os.urandom(16)
    tiers.stop_one("application")
    try:
        header = {"traceparent": f"00-{trace.hex()}-{os.urandom(8).hex()}-01"}
        with pytest.raises(OSError, match="503"):
            urlopen(Request(f"{places.of(tiers).gateway}/rolldice", headers=header), timeout=10)
        assert processes.wait_until(lambda: kept(tiers, trace) >= 3, 15, every=0.2), kept(tiers, trace)
    finally:
        tiers.start_application()


def test_two_collectors_decide_on_whole_traces_each(tiers: Signals) -> None:
    """A trace's spans come in requests of their own, and one of them failed: at whichever collector, all of them are kept."""
    spec = opentelemetry.tail_spec(tiers.stack.settings, tiers.stack.topology)
    assert spec is not None
    tiers.start_second_tail(quickly(spec["config"]))
    topology = tiers.stack.topology
    assert topology.tail_otlp is not None
    here = [tiers.table.port(topology.tail_otlp), tiers.port("tail-2", topology.tail_otlp.port)]

    def both(config: dict[str, Any]) -> dict[str, Any]:
        changed = copy.deepcopy(config)
        changed["exporters"][tail_sampling.EXPORTER]["resolver"] = {"static": {"hostnames": [f"127.0.0.1:{port}" for port in here]}}
        return changed

    try:
        tiers.start_collector(both)
        traces = [os.urandom(16) for _ in range(40)]
        for said in ({}, {"failed": True}, {}):
            send(tiers, *({"trace": trace, **said} for trace in traces))
        whole = processes.wait_until(lambda: all(kept(tiers, trace) == 3 for trace in traces), 20, every=0.2)
        assert whole, sorted(kept(tiers, trace) for trace in traces)
        shares = [tiers.collector_counter("otelcol_receiver_accepted_spans", tier) or 0 for tier in ("tail", "tail-2")]
        assert min(shares) >= 30, shares
    finally:
        tiers.stop_one("tail-2")
        tiers.start_collector()


def test_what_comes_while_nobody_decides_waits_and_is_decided_on_after(tiers: Signals) -> None:
    traces = [os.urandom(16) for _ in range(30)]
    tiers.stop_one("tail")
    try:
        send(tiers, *({"trace": trace, "failed": True} for trace in traces))
        time.sleep(2)
    finally:
        tiers.start_tail(quickly)
    assert processes.wait_until(lambda: all(kept(tiers, trace) for trace in traces), 40, every=0.2)


def test_a_second_tier_that_is_not_found_is_named(tiers: Signals) -> None:
    def lost(config: dict[str, Any]) -> dict[str, Any]:
        changed = copy.deepcopy(config)
        changed["exporters"][tail_sampling.EXPORTER]["resolver"]["dns"] = {"hostname": "127.0.0.1", "port": "9"}
        return changed

    try:
        tiers.start_collector(lost)
        results = proof(tiers, CUT_WAIT_SECONDS)
        assert {"span of the mesh", "span of the application"} < states(results, "failed")
        assert "load_balancing must find the collectors that decide" in results["span of the application"].hint
    finally:
        tiers.start_collector()


def test_the_tiers_expose_what_the_catalogue_says_of_them(tiers: Signals) -> None:
    trace = os.urandom(16)
    send(tiers, {"trace": trace, "failed": True})
    assert processes.wait_until(lambda: kept(tiers, trace) == 1, 15, every=0.2)
    send(tiers, {"trace": trace})  # too late for the decision
    assert processes.wait_until(lambda: kept(tiers, trace) == 2, 15, every=0.2)
    pages = {**exposed(tiers.port("collector", OWN_METRICS), "/metrics"), **exposed(tiers.port("tail", OWN_METRICS), "/metrics")}
    for metric, about in text()["otelcol-tail"]["metrics"].items():
        assert metric in pages, sorted(name for name in pages if "tail" in name or "balancer" in name)
        assert set(about["labels"]) <= pages[metric], metric


# the configuration, without anything that runs


def go_writes(data: Any) -> Any:
    """Numbers as they come out of the operator, which reads them from JSON: 1000000 as 1e+06."""
    if isinstance(data, Mapping):
        return {key: go_writes(value) for key, value in data.items()}
    if isinstance(data, list):
        return [go_writes(value) for value in data]
    return f"@{data:g}@" if isinstance(data, int) and not isinstance(data, bool) and data >= 1e6 else data


def test_the_collector_takes_sizes_that_came_through_the_operators_yaml(tmp_path: Path) -> None:
    settings = parse(SAMPLED)
    spec = opentelemetry.tail_spec(settings, plan(settings))
    assert spec is not None
    config = copy.deepcopy(spec["config"])
    config["processors"]["tail_sampling"] |= {"num_traces": 3_200_000, "expected_new_traces_per_sec": 1_000_000}
    written = yaml.safe_dump(json.loads(json.dumps(go_writes(config)))).replace("'@", "").replace("@'", "")
    assert "num_traces: 3.2e+06" in written and "expected_new_traces_per_sec: 1e+06" in written
    file = tmp_path / "tail.yaml"
    file.write_text(written)
    command = [tools.ensure("otelcol")["otelcol"], "validate", f"--config={file}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
