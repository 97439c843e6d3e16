"""Objectives: rules that say what Istio's metrics mean, and alerts that fire at their pace and not below it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components import settings_rules
from components.alerts import objectives
from components.alerts.objectives import BURNS, Burn
from components.alerts.rules import rule_spec
from components.config import parse
from components.errors import ConfigurationError
from components.settings import Settings
from components.settings_alerting import LATENCY_BOUNDARIES_MS
from components.topology import plan
from tests import promtool
from tests.promtool import Firing, Timeline, counter
from tests.stacks import VARIANTS, settings_of

ROLLDICE = {"service": "rolldice", "namespace": "sample", "objective": 99.9, "latencyMs": 250, "latencyObjective": 99}
CHECKOUT = {"service": "checkout", "namespace": "shop", "objective": 95}
CATALOG = {"service": "catalog", "namespace": "shop", "objective": 99, "latencyMs": 0.5, "latencyObjective": 90}
MINUTES = {"5m": 5, "30m": 30, "1h": 60, "2h": 120, "6h": 360, "1d": 1440, "3d": 4320}
PER_STEP = 1000.0
"""Requests in a step of a timeline."""


def settings(*slos: dict[str, Any], **config: Any) -> Settings:
    return parse({"grafanaAdminPassword": "x", "slos": list(slos), **config})


def rules(chosen: Settings) -> dict[str, Any]:
    return rule_spec(objectives.groups(chosen), chosen.alerting)


ALL = settings(ROLLDICE, CHECKOUT, CATALOG)
PROMISES = [
    (slo, objective)
    for slo in ALL.slos
    for objective in ("availability", "latency")
    if objective == "availability" or slo.latency_ms is not None
]


def scraped(slo: Any, objective: str, phases: list[tuple[float, int]], reporter: str = "source", **spelling: str) -> dict[str, str]:
    """What proxies report of a service of whose requests, phase after phase, such a share is bad for so many steps."""
    who = f'reporter="{reporter}", destination_service_name="{slo.service}", destination_service_namespace="{slo.namespace}"'
    good = counter(*((PER_STEP * (1 - share), steps) for share, steps in phases))
    bad = counter(*((PER_STEP * share, steps) for share, steps in phases))
    every = counter(*((PER_STEP, steps) for _, steps in phases))
    if objective == "availability":
        return {
            f'istio_requests_total{{{who}, response_code="200"}}': good,
            f'istio_requests_total{{{who}, response_code="503"}}': bad,
        }
    name, bound = "istio_request_duration_milliseconds", spelling.get("le") or str(float(slo.latency_ms))
    return {f'{name}_count{{{who}, response_code="200"}}': every, f'{name}_bucket{{{who}, response_code="200", le="{bound}"}}': good}


def labels(slo: Any, objective: str, burn: Burn) -> str:
    name = "ObjectiveBurnsFast" if burn.severity == "critical" else "ObjectiveBurnsSlowly"
    return f'alertname="{name}", slo="{slo.name}", objective="{objective}", long="{burn.long}", severity="{burn.severity}"'


def timelines(slo: Any, objective: str, burn: Burn) -> list[Timeline]:
    """Healthy, then a burst, which is not enough yet, then the whole long window, then well again; and just below the pace for ever."""
    allowed = objectives.budget(slo.objective if objective == "availability" else slo.latency_objective)
    # two scrapes within five minutes are a rate; more would only take longer
    limit, step = burn.factor * allowed, 4 if MINUTES[burn.long] > 360 else 1
    mine, long, short = labels(slo, objective, burn), MINUTES[burn.long] // step, MINUTES[burn.short] // step
    name, possible = f"{slo.name} {objective} {burn.long}", limit < 1
    share = min(1.0, limit * 1.2)
    healed = short + 10 // step
    story = [(0.0, long), (share, long), (0.0, healed)]
    return [
        Timeline(
            f"{name}: over the pace",
            scraped(slo, objective, story),
            [
                Firing(long * step, mine, 0),
                Firing((long + short) * step, mine, 0),
                Firing(2 * long * step, mine, int(possible)),
                Firing((2 * long + healed) * step, mine, 0),
            ],
            step,
        ),
        Timeline(
            f"{name}: below the pace",
            scraped(slo, objective, [(min(1.0, limit * 0.95), 60)]),
            [Firing(30 * step, mine, 0), Firing(60 * step, mine, 0)],
            step,
        ),
    ]


@pytest.mark.parametrize("burn", BURNS, ids=lambda burn: burn.long)
@pytest.mark.parametrize(("slo", "objective"), PROMISES, ids=lambda p: p if isinstance(p, str) else p.name.replace("/", "-"))
def test_an_alert_fires_at_its_pace_is_silent_below_and_ends_with_the_trouble(slo: Any, objective: str, burn: Burn, tmp_path: Path) -> None:
    alone = Settings(slos=(slo,))
    assert promtool.prove(rules(alone), timelines(slo, objective, burn), tmp_path) == ""


def test_promtool_finds_no_fault_with_the_rules(tmp_path: Path) -> None:
    assert promtool.check(rules(ALL), tmp_path) == ""
    assert promtool.check(rules(settings(ROLLDICE, istio={"mode": "ambient"})), tmp_path) == ""


def test_a_wrong_expectation_is_found(tmp_path: Path) -> None:
    """The proof above is worth nothing if promtool agreed to everything."""
    slo, burn = ALL.slos[0], BURNS[0]
    wrong = Timeline("wrong", scraped(slo, "availability", [(0.0, 60)]), [Firing(60, labels(slo, "availability", burn), 1)])
    assert "FAILED" in promtool.prove(rules(ALL), [wrong], tmp_path)


@pytest.mark.parametrize("spelling", ["250", "250.0"])
def test_a_bucket_is_found_however_its_bound_is_spelt(spelling: str, tmp_path: Path) -> None:
    """Envoy writes le="250"; Prometheus 3 stores it as 250.0, and an older one does not."""
    slo = ALL.slos[0]
    mine = labels(slo, "latency", BURNS[0])
    bad = Timeline("bad", scraped(slo, "latency", [(0.5, 90)], le=spelling), [Firing(90, mine, 1)])
    good = Timeline("good", scraped(slo, "latency", [(0.0, 90)], le=spelling), [Firing(90, mine, 0)])
    assert promtool.prove(rules(ALL), [bad, good], tmp_path) == ""


@pytest.mark.parametrize("bound", LATENCY_BOUNDARIES_MS)
def test_every_bucket_has_both_its_spellings(bound: float) -> None:
    matcher = objectives.boundary(float(bound)).replace(r"\\", "")
    stored = str(float(bound)) if bound < 1e6 else f"{bound:g}"
    assert set(matcher.removeprefix('le=~"').removesuffix('"').split("|")) == {f"{bound:.10g}", stored}


@pytest.mark.parametrize(("mode", "counts"), [("sidecar", {"source"}), ("ambient", {"source", "waypoint"})])
def test_each_request_is_counted_once_by_the_side_that_sees_it_fail(mode: str, counts: set[str], tmp_path: Path) -> None:
    chosen = settings(ROLLDICE, istio={"mode": mode})
    slo = chosen.slos[0]
    mine = labels(slo, "availability", BURNS[0])
    reports = [
        Timeline(reporter, scraped(slo, "availability", [(0.5, 90)], reporter), [Firing(90, mine, int(reporter in counts))])
        for reporter in ("source", "destination", "waypoint")
    ]
    assert promtool.prove(rules(chosen), reports, tmp_path) == ""


@pytest.mark.parametrize(("status", "bad"), [("14", True), ("2", True), ("5", False), ("0", False)])
def test_a_grpc_status_counts_where_it_is_the_servers_fault(status: str, bad: bool, tmp_path: Path) -> None:
    slo = ALL.slos[0]
    who = f'reporter="source", destination_service_name="{slo.service}", destination_service_namespace="{slo.namespace}"'
    series = {f'istio_requests_total{{{who}, response_code="200", grpc_response_status="{status}"}}': counter((100, 90))}
    story = Timeline(status, series, [Firing(90, labels(slo, "availability", BURNS[0]), int(bad))])
    assert promtool.prove(rules(ALL), [story], tmp_path) == ""


def test_what_is_not_measured_is_said_and_not_taken_for_health(tmp_path: Path) -> None:
    slo = ALL.slos[0]
    mine = f'alertname="ObjectiveUnmeasured", slo="{slo.name}", objective='
    silent = Timeline("nobody asks", {}, [Firing(59, mine + '"availability"', 0), Firing(65, mine + '"availability"', 1)])
    # the histogram was given other bounds by an annotation: requests are counted, but not below ours
    other = Timeline("no such bucket", scraped(slo, "latency", [(0.0, 70)], le="300.0"), [Firing(70, mine + '"latency"', 1)])
    asked = Timeline("measured", scraped(slo, "latency", [(0.0, 70)]), [Firing(70, mine + '"latency"', 0)])
    assert promtool.prove(rules(ALL), [silent, other, asked], tmp_path) == ""


def test_a_budget_is_what_the_objective_leaves() -> None:
    assert [objectives.budget(o) for o in (99.9, 99, 99.999, 50)] == [0.001, 0.01, 0.00001, 0.5]


def test_the_budget_shown_covers_a_month_or_what_prometheus_keeps() -> None:
    assert objectives.period_days(settings(ROLLDICE, prometheus={"retentionDays": 15})) == 15
    assert objectives.period_days(settings(ROLLDICE, prometheus={"retentionDays": 90})) == 30


def test_without_objectives_there_is_no_rule() -> None:
    assert objectives.groups(settings()) == []


def test_no_alert_looks_back_further_than_the_settings_are_checked_for() -> None:
    assert max(MINUTES[burn.long] for burn in BURNS) == settings_rules.LONGEST_WINDOW_DAYS * 24 * 60


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"slos": {}}, "slos is {}: should be a valid tuple"),
    ({"slos": [{**CHECKOUT, "obejctive": 99}]}, "slos.0.obejctive is not a configuration key; did you mean objective?"),
    ({"slos": [{"service": "a", "namespace": "b"}]}, "slos.0.objective is missing: it must be set"),
    ({"slos": [{**CHECKOUT, "objective": 100}]}, "slos.0.objective is 100: should be less than or equal to 99.999"),
    ({"slos": [{**CHECKOUT, "objective": 0.999}]}, "slos.0.objective is 0.999: should be greater than or equal to 50"),
    (
        {"slos": [{**CHECKOUT, "service": "Check_out"}]},
        "slos.0.service is 'Check_out': must be a DNS label: 1 to 63 lower-case letters, digits or hyphens, no hyphen at an end",
    ),
    (
        {"slos": [{**ROLLDICE, "latencyMs": 300}]},
        "slos.0.latencyMs is 300: Istio's histogram has no such boundary; the nearest are 250 or 500",
    ),
    (
        {"slos": [CHECKOUT, {**ROLLDICE, "latencyMs": 0.1}]},
        "slos.1.latencyMs is 0.1: Istio's histogram has no such boundary; the nearest are 0.5",
    ),
    (
        {"slos": [{**ROLLDICE, "latencyMs": 1000000}]},
        "slos.0.latencyMs is 1000000: Istio's histogram has no such boundary; the nearest are 600000 or 1800000",
    ),
    (
        {"slos": [{k: v for k, v in ROLLDICE.items() if k != "latencyObjective"}]},
        "slos.0.latencyMs is 250: latencyObjective must say for how many per cent of requests",
    ),
    (
        {"slos": [{k: v for k, v in ROLLDICE.items() if k != "latencyMs"}]},
        "slos.0.latencyObjective is 99: latencyMs must say how fast a request must be",
    ),
    ({"slos": [ROLLDICE, CHECKOUT, ROLLDICE]}, "slos.2 is sample/rolldice: slos.0 is the same service; one objective each"),
    (
        {"slos": [CHECKOUT], "prometheus": {"retentionDays": 2}},
        "prometheus.retentionDays is 2: alerts of slos look back 3 days; keep at least as much",
    ),
]


@pytest.mark.parametrize(("config", "line"), MISTAKES, ids=lambda p: p[:50] if isinstance(p, str) else "")
def test_a_mistake_gets_one_clear_line(config: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse({"grafanaAdminPassword": "x", **config})
    assert caught.value.lines == (line,)


def test_the_objectives_of_a_stack_are_one_rule_that_its_prometheus_finds(record: Any) -> None:
    chosen = settings_of("distributed")
    run = record(VARIANTS["distributed"])
    rule = run.named("PrometheusRule", "objectives").inputs
    assert rule["spec"] == rules(chosen)
    assert rule["metadata"]["namespace"] == plan(chosen).releases.prometheus.namespace
    assert [r.name for r in record({}).of_kind("PrometheusRule")] == ["stack-health"]
