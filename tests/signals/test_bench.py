"""The benchmark measures what it says, on one short round of each."""

from __future__ import annotations

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rich.console import Console

from bench import signals as bench
from components import mesh_records, opentelemetry
from components.topology import plan
from signals.rendering import read_stack
from tests.stacks import settings_of

pytestmark = pytest.mark.xdist_group("signals")


@pytest.fixture(scope="module")
def config() -> dict:
    stack = read_stack("local")
    return opentelemetry.collector_spec(stack.settings, stack.topology)["config"]


def test_bare_is_the_same_without_anything_between_receiver_and_exporter(config: dict) -> None:
    bare = bench.bare(config)
    assert "processors" not in bare
    for name, pipeline in config["service"]["pipelines"].items():
        assert bare["service"]["pipelines"][name] == {**pipeline, "processors": []}
    assert (bare["receivers"], bare["exporters"]) == (config["receivers"], config["exporters"])


def test_the_first_of_two_tiers_is_measured_with_the_store_in_the_place_of_the_second() -> None:
    settings = settings_of("distributed")
    config = opentelemetry.collector_spec(settings, plan(settings))["config"]
    bench.lead(config["exporters"], 1, 2)
    assert config["exporters"]["load_balancing"]["resolver"] == {"static": {"hostnames": ["127.0.0.1:1"]}}
    assert config["exporters"]["load_balancing"]["sending_queue"]["enabled"] is True
    assert config["exporters"]["otlp_http/loki"]["endpoint"] == "http://127.0.0.1:2/otlp"


def test_requests_are_what_applications_and_proxies_send() -> None:
    spans = ExportTraceServiceRequest.FromString(bench.span_request(5, 3)).resource_spans[0].scope_spans[0].spans
    assert [int.from_bytes(span.trace_id, "big") for span in spans] == [6, 7, 8]
    (logs,) = ExportLogsServiceRequest.FromString(bench.log_request(2)).resource_logs
    assert len(logs.resource.attributes) == 0
    assert {entry.key for entry in logs.scope_logs[0].log_records[0].attributes} == set(mesh_records.LOG_LABELS)


@pytest.mark.parametrize("signal", list(bench.METHODS))
def test_all_that_the_collector_takes_under_load_it_delivers(signal: str, config: dict) -> None:
    measured = bench.measure(signal, "ours", config, 1.0)
    assert measured.sent > 0
    assert measured.delivered == measured.sent
    assert 0 < measured.cpu_per_thousand < 1


def test_nothing_is_lost_while_the_trace_store_is_away(config: dict) -> None:
    away = bench.outage(config, 4.0)
    assert away.accepted >= 200
    assert away.lost == 0


def test_a_loss_is_counted_and_shown() -> None:
    away = bench.Outage(60, 100, 97)
    assert away.lost == 3
    rounds = [bench.Measured(signal, name, 1000, 990, 2, 0.01) for signal in bench.METHODS for name in ("bare", "ours")]
    target = Console(width=120, highlight=False)
    with target.capture() as shown:
        bench.show(rounds, away, target)
    assert "under load 40 of 4,000 lost" in shown.get()
    assert "100 spans accepted, 97 arrived, 3 lost" in shown.get()
