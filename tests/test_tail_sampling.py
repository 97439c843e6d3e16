"""Tail sampling: the configuration of both tiers, parsed back, the room that a rate needs, and settings that contradict each other."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components import opentelemetry, tail_sampling
from components.capacity import Load, kept_share, needs
from components.config import parse
from components.errors import ConfigurationError
from components.merge import leaves, parse_yaml
from components.settings import Settings
from components.topology import plan
from verify import evidence

SECRETS = {"grafanaAdminPassword": "x"}


def settings(chosen: dict[str, Any] | None = None, spans: float = 1000, **more: Any) -> Settings:
    return parse({**SECRETS, "load": {"spansPerSecond": spans}, "telemetry": {"tailSampling": chosen or {}}, **more})


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
    wait=st.integers(10, 300),
)
def test_more_spans_a_longer_wait_or_fewer_collectors_never_get_less_room(rate: float, more: float, collectors: int, wait: int) -> None:
    room = tail_sampling.sizes(rate, collectors, wait)
    assert all(a <= b for a, b in zip(room, tail_sampling.sizes(rate + more, collectors, wait), strict=True))
    assert all(a <= b for a, b in zip(room, tail_sampling.sizes(rate, collectors, wait + 1), strict=True))
    assert all(a >= b for a, b in zip(room, tail_sampling.sizes(rate, collectors + 1, wait), strict=True))


@given(rate=st.floats(0.001, 1e6), collectors=st.integers(1, 50), wait=st.integers(10, 300))
def test_traces_of_one_span_each_find_room_until_they_are_decided_on_with_one_collector_away(
    rate: float, collectors: int, wait: int
) -> None:
    """Undersized, ninety-eight of a hundred traces were lost to others before anybody looked at them."""
    left = max(1, collectors - 1)
    room = tail_sampling.sizes(rate, collectors, wait)
    assert room.traces * left >= rate * wait
    assert room.traces_per_second * left >= rate


@given(rate=st.floats(0, 1e5), more=st.floats(0, 1e5), wait=st.integers(10, 299))
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
    with pytest.raises(ConfigurationError) as caught:
        settings({"decisionWaitSeconds": 120}, 2000)
    (line,) = caught.value.lines
    found = re.fullmatch(
        r"preset is small: 2,000 spans/s held for 120 s need ([\d,]+) MiB of memory of the collector that decides, small gives 1,024; "
        r"a greater preset or telemetry\.tailSampling\.replicas or a shorter decisionWaitSeconds gives more",
        line,
    )
    assert found and int(found[1].replace(",", "")) > 1024
    settings({"decisionWaitSeconds": 120, "replicas": 2}, 2000)
    settings({"decisionWaitSeconds": 20}, 2000)
