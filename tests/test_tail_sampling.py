"""Tail sampling: the configuration of both tiers, parsed back, the room that a rate needs, and settings that contradict each other."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components import istio, mesh_records, opentelemetry, tail_sampling
from components.alerts import health, objectives
from components.capacity import Load, kept_share, needs
from components.config import parse
from components.errors import ConfigurationError
from components.merge import leaves, parse_yaml
from components.settings import Settings
from components.settings_telemetry import READ_METRIC_TAGS, MetricTag
from components.signals import budget
from components.signals.configured import configured
from components.topology import plan
from tests.catalogue import entries
from tests.promql import reads
from tests.stacks import settings_of
from tests.test_dashboards import queries
from verify import evidence

SECRETS = {"grafanaAdminPassword": "x"}


def settings(chosen: dict[str, Any] | None = None, spans: float = 1000, **more: Any) -> Settings:
    stated = {"load": {"spansPerSecond": spans}, "telemetry": {"tailSampling": chosen or {}}}
    return parse({**SECRETS, **stated, **more})


def tail_config(made: Settings) -> dict[str, Any]:
    spec = opentelemetry.tail_spec(made, plan(made))
    assert spec is not None
    return spec["config"]


def processor(made: Settings) -> dict[str, Any]:
    return tail_config(made)["processors"]["tail_sampling"]


# both tiers


def test_without_tail_sampling_there_is_one_tier_and_its_spans_go_to_the_store() -> None:
    made = parse(SECRETS)
    assert opentelemetry.tail_spec(made, plan(made)) is None
    assert plan(made).tail_otlp is None
    assert opentelemetry.collector_config(plan(made))["service"]["pipelines"]["traces"]["exporters"] == ["otlp_grpc/tempo"]


def test_the_first_tier_sends_all_spans_of_a_trace_to_one_pod_of_the_second() -> None:
    topology = plan(settings())
    first = opentelemetry.collector_config(topology)
    assert first["service"]["pipelines"]["traces"]["exporters"] == ["load_balancing"]
    assert "otlp_grpc/tempo" not in first["exporters"]
    balancing = first["exporters"]["load_balancing"]
    assert balancing["routing_key"] == "traceID"
    assert topology.tail_otlp is not None
    # an address of each pod, and not the one of them all that a Service has
    assert balancing["resolver"]["dns"]["hostname"] == "otel-tail-collector-headless.observability.svc.cluster.local"
    # a text, or the collector refuses it
    assert balancing["resolver"]["dns"]["port"] == "4317"


def test_what_a_pod_does_not_take_waits_where_it_is_counted_and_goes_to_another() -> None:
    balancing = opentelemetry.collector_config(plan(settings()))["exporters"]["load_balancing"]
    assert balancing["sending_queue"]["enabled"] is balancing["retry_on_failure"]["enabled"] is True
    assert balancing["retry_on_failure"]["max_elapsed_time"] == "300s"
    inner = balancing["protocol"]["otlp"]
    assert inner["sending_queue"]["enabled"] is inner["retry_on_failure"]["enabled"] is False


def test_logs_and_metrics_take_no_part_in_it() -> None:
    with_it, without = (opentelemetry.collector_config(plan(made)) for made in (settings(), parse(SECRETS)))
    for pipeline in ("logs", "metrics"):
        assert with_it["service"]["pipelines"][pipeline] == without["service"]["pipelines"][pipeline]


def test_what_stands_out_is_kept_and_a_share_of_the_rest() -> None:
    found = {policy["name"]: policy[policy["type"]] for policy in processor(settings({"percentage": 2, "slowerThanMs": 500}))["policies"]}
    assert found == {
        "asked-for": {"key": "istio-stack", "values": ["keep"]},
        "failed": {"status_codes": ["ERROR"]},
        "failed-in-the-mesh": {"key": "error", "values": ["true"]},
        "slow": {"threshold_ms": 500},
        "share": {"sampling_percentage": 2.0},
    }


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        ({"errors": False}, ["asked-for", "slow", "share"]),
        ({"slowerThanMs": None}, ["asked-for", "failed", "failed-in-the-mesh", "share"]),
        ({"percentage": 0}, ["asked-for", "failed", "failed-in-the-mesh", "slow"]),
    ],
)
def test_what_was_not_chosen_keeps_nothing_and_what_was_asked_for_is_always_kept(chosen: dict[str, Any], names: list[str]) -> None:
    assert [policy["name"] for policy in processor(settings(chosen))["policies"]] == names


def test_the_proof_asks_for_its_traces_as_the_policy_wants_it() -> None:
    assert evidence.headers("4bf92f3577b34da6a3ce929d0e0e4736")["tracestate"] == "istio-stack=keep"
    (policy,) = (p for p in processor(settings())["policies"] if p["type"] == "trace_state")
    key, _, value = tail_sampling.TRACE_STATE.partition("=")
    assert policy["trace_state"] == {"key": key, "values": [value]}
    assert re.fullmatch(r"[a-z][a-z0-9_\-*/]{0,255}=[\x21-\x2b\x2d-\x3c\x3e-\x7e]{1,256}", tail_sampling.TRACE_STATE)  # W3C trace context


@pytest.mark.parametrize("spans", [1, 300, 4000, 55_000, 123_456.7])
def test_sizes_are_whole_numbers_that_the_configuration_gives_back(spans: float) -> None:
    made = settings(
        {"replicas": 8}, spans, preset="large", tempo={"mode": "distributed", "replicas": 90}, opentelemetry={"collectorReplicas": 9}
    )
    config = tail_config(made)
    assert parse_yaml(yaml.safe_dump(config)) == config
    for key in ("num_traces", "expected_new_traces_per_sec", "decision_cache.sampled_cache_size", "decision_cache.non_sampled_cache_size"):
        value = dict(leaves(config["processors"]["tail_sampling"]))[key]
        assert type(value) is int and value > 0


# room


@given(
    rate=st.floats(0.001, 1e6),
    more=st.floats(0, 1e6),
    collectors=st.integers(1, 50),
    wait=st.integers(10, 30),
)
def test_more_spans_a_longer_wait_or_fewer_collectors_never_get_less_room(rate: float, more: float, collectors: int, wait: int) -> None:
    room = tail_sampling.sizes(rate, collectors, wait)
    assert all(a <= b for a, b in zip(room, tail_sampling.sizes(rate + more, collectors, wait), strict=True))
    assert all(a <= b for a, b in zip(room, tail_sampling.sizes(rate, collectors, wait + 1), strict=True))
    assert all(a >= b for a, b in zip(room, tail_sampling.sizes(rate, collectors + 1, wait), strict=True))


@given(rate=st.floats(0.001, 1e6), collectors=st.integers(1, 50), wait=st.integers(10, 30))
def test_traces_of_one_span_each_find_room_until_they_are_decided_on_with_one_collector_away(
    rate: float, collectors: int, wait: int
) -> None:
    """Undersized, ninety-eight of a hundred traces were lost to others before anybody looked at them."""
    left = max(1, collectors - 1)
    room = tail_sampling.sizes(rate, collectors, wait)
    assert room.traces * left >= rate * wait
    assert room.traces_per_second * left >= rate


@given(rate=st.floats(0, 1e5), more=st.floats(0, 1e5), wait=st.integers(10, 29))
def test_more_spans_or_a_longer_wait_never_need_less_memory(rate: float, more: float, wait: int) -> None:
    def memory(rate: float, wait: int) -> float:
        (need,) = (
            n for n in needs(Load(spans_per_second=rate), "sidecar", "single", "monolithic", wait) if n.component == "tail-collector"
        )
        return need.memory

    assert memory(rate, wait) <= memory(rate + more, wait) <= memory(rate + more, wait + 1)


def test_the_store_keeps_the_share_and_what_stands_out() -> None:
    assert kept_share(parse(SECRETS)) == 1
    assert kept_share(settings({"percentage": 0})) == pytest.approx(0.05)
    assert kept_share(settings({"percentage": 50})) == pytest.approx(0.525)


# contradictions

REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"telemetry": {"tailSampling": {}}},
        "load.spansPerSecond is not set: telemetry.tailSampling holds every span in memory and must know how many there are",
    ),
    (
        {"telemetry": {"tailSampling": {}}, "load": {"spansPerSecond": 0}},
        "load.spansPerSecond is 0: telemetry.tailSampling holds every span in memory and must know how many there are",
    ),
    (
        {"istio": {"samplingPercentage": 5}},
        (
            "istio.samplingPercentage is 5: telemetry.tailSampling chooses among what head sampling lets through, so of a "
            "hundred traces that "
            "fail 5 were kept; set it to 100, or say that this is meant with telemetry.tailSampling.headPercentage 5"
        ),
    ),
    (
        {"opentelemetry": {"samplingPercentage": 0.5}, "istio": {"samplingPercentage": 20}},
        (
            "opentelemetry.samplingPercentage is 0.5: telemetry.tailSampling chooses among what head sampling lets "
            "through, so of a hundred "
            "traces that fail 0.5 were kept; set it to 100, or say that this is meant with telemetry.tailSampling.headPercentage 0.5"
        ),
    ),
    (
        {"telemetry": {"tailSampling": {"headPercentage": 20}}},
        (
            "telemetry.tailSampling.headPercentage is 20: istio.samplingPercentage is 100, which is the least of what "
            "samplers let through; "
            "say the same"
        ),
    ),
    (
        {"telemetry": {"tailSampling": {"errors": False, "slowerThanMs": None, "percentage": 5}}},
        (
            "telemetry.tailSampling keeps 5 % of all traces and nothing else: a second tier decides on what stands out; set errors or "
            "slowerThanMs, or remove it and set istio.samplingPercentage to 5"
        ),
    ),
    (
        {"telemetry": {"tailSampling": {"slowerThanMs": 8000}}},
        (
            "telemetry.tailSampling.slowerThanMs is 8000: after decisionWaitSeconds 10, of which spans are held back for "
            "up to 5, a trace is "
            "known to have lasted 5000 ms at the most; wait longer or ask for less"
        ),
    ),
    ({"telemetry": {"tailSampling": {"percentage": 100}}}, "telemetry.tailSampling.percentage is 100: should be less than 100"),
    (
        {"telemetry": {"tailSampling": {"decisionWaitSeconds": 6}}},
        "telemetry.tailSampling.decisionWaitSeconds is 6: should be greater than or equal to 10",
    ),
    (
        {"telemetry": {"tailSampling": {"decisionWaitSeconds": 60}}},
        "telemetry.tailSampling.decisionWaitSeconds is 60: should be less than or equal to 30",
    ),
]


@pytest.mark.parametrize(("config", "line"), REFUSED, ids=[line[:60] for _, line in REFUSED])
def test_settings_that_contradict_each_other_are_refused_with_the_numbers(config: dict[str, Any], line: str) -> None:
    stated = {} if line.startswith("load.spansPerSecond") else {"load": {"spansPerSecond": 100}}
    with pytest.raises(ConfigurationError) as caught:
        parse({**SECRETS, "telemetry": {"tailSampling": {}}, **stated, **config})
    assert caught.value.lines == (line,)


def test_a_head_that_lets_a_share_through_on_purpose_is_said() -> None:
    made = settings({"headPercentage": 20}, istio={"samplingPercentage": 20}, opentelemetry={"samplingPercentage": 50})
    assert made.telemetry.tail_sampling is not None


def test_a_preset_whose_memory_does_not_hold_the_spans_is_refused_with_the_numbers() -> None:
    parts = {"tempo": {"mode": "distributed", "replicas": 8}, "opentelemetry": {"collectorReplicas": 2}}
    with pytest.raises(ConfigurationError) as caught:
        settings({"decisionWaitSeconds": 30}, 7500, **parts)
    (line,) = caught.value.lines
    found = re.fullmatch(
        r"preset is small: 7,500 spans/s held for 30 s need ([\d,]+) MiB of memory of the collector that decides, small gives 1,024; "
        r"a greater preset or telemetry\.tailSampling\.replicas or a shorter decisionWaitSeconds gives more",
        line,
    )
    assert found and int(found[1].replace(",", "")) > 1024
    settings({"decisionWaitSeconds": 30, "replicas": 2}, 7500, **parts)
    settings({"decisionWaitSeconds": 10}, 7500, **parts)


# the policy as one


def test_the_page_of_signals_says_what_is_kept_of_each() -> None:
    made = settings(
        {"percentage": 2.5, "slowerThanMs": 500},
        telemetry={
            "tailSampling": {"percentage": 2.5, "slowerThanMs": 500},
            "accessLogFields": "request",
            "removedMetricTags": ["source_principal"],
            "statsEvictionSeconds": 600,
        },
    )
    found = {what: much for what, much, _ in budget.kept(configured(made, plan(made)))}
    assert found == {
        "traces that the mesh begins": "100 %",
        "traces that applications begin": "100 %, others as their caller decided",
        "whole traces": (
            "what says istio-stack=keep; what failed; what the mesh had to fail; what took longer than 500 ms; 2.5 % of all; after 10s"
        ),
        "fields of an access log": (
            "http.request.method, url.path, http.response.status_code, server.address, envoy.response_flags, envoy.duration_ms"
        ),
        "labels of Istio's metrics": "all but source_principal",
        "series that no request touches": "600s long",
    }


def test_more_fields_have_all_of_the_fewer_and_always_whose_a_record_is() -> None:
    lean, request, full = (mesh_records.log_labels(fields) for fields in ("lean", "request", "full"))
    assert lean == mesh_records.LOG_LABELS
    assert lean.items() < request.items() < full.items()
    # what Envoy takes for no command it writes as it stands
    assert [text for text in full.values() if not re.fullmatch(r"%[A-Z_]+(\([^)]+\))?%", text)] == []


def test_labels_are_removed_from_every_metric_of_both_sides_by_istios_own_provider() -> None:
    (metrics,) = istio.telemetry_spec(settings(telemetry={"removedMetricTags": ["source_app", "source_version"]}))["metrics"]
    assert metrics["providers"] == [{"name": "prometheus"}]
    (override,) = metrics["overrides"]
    assert override["match"] == {"metric": "ALL_METRICS", "mode": "CLIENT_AND_SERVER"}
    assert override["tagOverrides"] == {"source_app": {"operation": "REMOVE"}, "source_version": {"operation": "REMOVE"}}
    assert "metrics" not in istio.telemetry_spec(settings())


def test_labels_that_queries_read_are_those_that_may_not_be_removed() -> None:
    with_objectives = settings_of("distributed")
    names = plan(with_objectives)
    groups = [*health.groups(with_objectives, names), *objectives.groups(with_objectives)]
    texts = [rule.expr for group in groups for rule in group.rules] + [expr for _, expr in queries("distributed")]
    read: set[str] = set()
    for expr in texts:
        found = reads(expr)
        of_the_mesh = any(metric.startswith("istio_") for metric in found.metrics)
        read |= found.labels if of_the_mesh else {label for metric, label in found.selected if metric.startswith("istio_")}
    assert read & set(get_args(MetricTag)) == set(READ_METRIC_TAGS)
    catalogue = entries()["istio_requests_total"].labels
    assert set(get_args(MetricTag)) <= catalogue


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (
            {"telemetry": {"removedMetricTags": ["source_app", "response_code"]}},
            "telemetry.removedMetricTags.1 is response_code: dashboards, objectives and alerts read it; remove it from the list",
        ),
        (
            {"telemetry": {"removedMetricTags": ["source_app", "source_app"]}},
            "telemetry.removedMetricTags.1 is source_app: telemetry.removedMetricTags.0 is the same",
        ),
        (
            {"telemetry": {"statsEvictionSeconds": 600}, "istio": {"mode": "ambient"}},
            "telemetry.statsEvictionSeconds is 600: istio.mode is ambient, whose waypoints take no such annotation; remove the key",
        ),
        (
            {"telemetry": {"accessLogFields": "full"}, "istio": {"source": "existing"}},
            (
                "telemetry.accessLogFields is full: istio.source is existing, and the format of access logs stands in its MeshConfig; "
                "remove the key"
            ),
        ),
        ({"telemetry": {"statsEvictionSeconds": 301}}, "telemetry.statsEvictionSeconds is 301: should be a multiple of 5"),
    ],
)
def test_what_would_change_nothing_or_blind_somebody_is_refused(config: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse({**SECRETS, **config})
    assert caught.value.lines == (line,)


def test_proxies_learn_from_their_pods_when_to_forget_a_series() -> None:
    made = settings(telemetry={"statsEvictionSeconds": 3600})
    injected = istio.istiod_values(made, plan(made))["sidecarInjectorWebhook"]["injectedAnnotations"]
    assert injected == {"sidecar.istio.io/statsEvictionInterval": "3600s"}
