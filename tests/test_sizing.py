"""What a load takes and costs: each wrong choice gets one line with the numbers, more never needs less, and one example is done by hand."""

from __future__ import annotations

import itertools
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from components import capacity
from components.capacity import Load, coefficients, needs, shortfalls
from components.charts import ROOT
from components.config import parse
from components.errors import ConfigurationError
from components.footprint import workloads
from components.presets import PRESETS, size
from components.settings import LoadSettings
from sizing.__main__ import main
from sizing.cluster import allocatable
from sizing.data import Environment, Node, Prices, environments, prices
from sizing.plan import Plan, plan
from sizing.report import docs_table
from tests.azure_stacks import AZURE, AZURE_VARIANTS

SECRETS = {"grafanaAdminPassword": "x"}
PUSHES = (
    "the collector and Tempo push through one Service, so each Prometheus would hold a part of the samples and every query see another "
    "part; only 1 gives right results"
)
FRESH = "each single-mode Tempo would hold a part of the fresh traces and compact the other's blocks; use 1, or tempo.mode distributed"
DATABASE = (
    "each would keep users and dashboards in a database file of its own, and this stack brings no shared database; only 1 shows everyone "
    "the same"
)

# wrong choices

MISTAKES: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    # replicas that would corrupt results
    ({"prometheus": {"replicas": 2}}, (f"prometheus.replicas is 2: {PUSHES}",)),
    ({"tempo": {"replicas": 2}}, (f"tempo.replicas is 2: {FRESH}",)),
    ({"grafana": {"replicas": 3, "volumeGi": 5}}, (f"grafana.replicas is 3: {DATABASE}",)),
    (
        {"tempo": {"mode": "distributed", "replicas": 2, "replicationFactor": 3}},
        ("tempo.replicas is 2: replication factor 3 needs at least 3",),
    ),
    ({"tempo": {"replicationFactor": 3}}, ("tempo.replicas is 1: replication factor 3 needs at least 3",)),
    ({"tempo": {"mode": "distributed", "replicas": 3, "replicationFactor": 2}}, ("tempo.replicationFactor is 2: should be 1 or 3",)),
    ({"prometheus": {"replicas": 0}}, ("prometheus.replicas is 0: should be greater than or equal to 1",)),
    # loads that are none
    ({"load": {"pods": -1}}, ("load.pods is -1: should be greater than or equal to 0",)),
    ({"load": {"pods": 1.5}}, ("load.pods is 1.5: should be a valid integer",)),
    ({"load": {"spansPerSecond": "20k"}}, ("load.spansPerSecond is '20k': should be a valid number",)),
    ({"load": {"requestsPerSecond": float("inf")}}, ("load.requestsPerSecond is inf: should be a finite number",)),
    ({"load": {"logMbPerSecond": 1}}, ("load.logMbPerSecond is not a configuration key; did you mean logMBPerSecond?",)),
    (
        {"load": {"series": 1}},
        ("load.series is not a configuration key; the keys are pods, requestsPerSecond, spansPerSecond, logMBPerSecond, activeSeries",),
    ),
    ({"load": 20000}, ("load is 20000: should be an object of keys",)),
    # presets that cannot carry what is stated
    (
        {"load": {"activeSeries": 280_000}},
        ("preset is small: 280,000 active series need 2,225 MiB of memory of Prometheus, small gives 2,048; a greater preset gives more",),
    ),
    (
        {"preset": "medium", "load": {"activeSeries": 750_000}},
        ("preset is medium: 750,000 active series need 2.50 CPU of Prometheus, medium gives 2.00; a greater preset gives more",),
    ),
    (
        {"preset": "large", "load": {"activeSeries": 1_500_000}},
        ("preset is large: 1,500,000 active series need 5.00 CPU of Prometheus, large gives 4.00; no setting gives more",),
    ),
    (
        {"load": {"spansPerSecond": 2500}},
        (
            (
                "preset is small: 2,500 spans/s (1.1 MB/s) need 1.02 CPU of Tempo, small gives 1.00; a greater preset or tempo.mode "
                "distributed gives more"
            ),
        ),
    ),
    (
        {"tempo": {"mode": "distributed", "replicas": 8}, "load": {"spansPerSecond": 20_000}},
        (
            (
                "preset is small: 20,000 spans/s need 1.33 CPU of the collector, small gives 1.00; a greater preset or "
                "opentelemetry.collectorReplicas gives more"
            ),
        ),
    ),
    (
        {
            "preset": "medium",
            "opentelemetry": {"collectorReplicas": 2},
            "tempo": {"mode": "distributed", "replicas": 16},
            "load": {"spansPerSecond": 66_000},
        },
        (
            (
                "preset is medium: 66,000 spans/s need 4.40 CPU of the collector, medium gives 4.00 in 2 pods; a greater preset or "
                "opentelemetry.collectorReplicas gives more"
            ),
        ),
    ),
    (
        {"load": {"requestsPerSecond": 6000}},
        (
            (
                "preset is small: 6,000 requests/s need 1.20 CPU of the gateway, small gives 1.00; a greater preset or "
                "istio.gatewayReplicas "
                "gives more"
            ),
        ),
    ),
    (
        {"load": {"pods": 1900}},
        ("preset is small: 1,900 pods need 1,359 MiB of memory of istiod, small gives 1,024; a greater preset gives more",),
    ),
    (
        {"istio": {"mode": "ambient", "gatewayReplicas": 9}, "load": {"requestsPerSecond": 30_000}},
        ("preset is small: 30,000 requests/s need 3.60 CPU of Ztunnel, small gives 3.00 in 3 pods; a greater preset gives more",),
    ),
    (
        {"loki": {"mode": "distributed", "replicas": 3}, "load": {"logMBPerSecond": 2}},
        ("preset is small: 2 MB/s of logs need 1.91 CPU of Alloy, small gives 1.50 in 3 pods; a greater preset gives more",),
    ),
    (
        {"preset": "medium", "loki": {"mode": "distributed", "replicas": 1}, "load": {"logMBPerSecond": 5.9}},
        (
            "preset is medium: 5.9 MB/s of logs need 5.63 CPU of Alloy, medium gives 3.00 in 3 pods; a greater preset gives more",
            (
                "preset is medium: 5.9 MB/s of logs need 2.04 CPU of Loki's ingester, medium gives 2.00; a greater preset or loki.replicas "
                "gives more"
            ),
            (
                "preset is medium: 5.9 MB/s of logs need 4,179 MiB of memory of Loki's ingester, medium gives 4,096; a greater preset or "
                "loki.replicas gives more"
            ),
        ),
    ),
    # one process beyond what is documented
    (
        {"loki": {"mode": "monolithic"}, "load": {"logMBPerSecond": 0.5}},
        ("loki.mode is monolithic: 0.5 MB/s of logs are 43 GB a day, and it is documented for about 20; use distributed",),
    ),
    (
        {"preset": "large", "opentelemetry": {"collectorReplicas": 9}, "load": {"spansPerSecond": 90_000}},
        (
            "preset is large: 90,000 spans/s (41.0 MB/s) need 36.86 CPU of Tempo, large gives 8.00; tempo.mode distributed gives more",
            (
                "preset is large: 90,000 spans/s (41.0 MB/s) need 70,295 MiB of memory of Tempo, large gives 16,384; "
                "tempo.mode distributed "
                "gives more"
            ),
            "tempo.mode is single: 90,000 spans/s pass what one Tempo is documented to carry, 55,000 to 80,000 spans/s; use distributed",
        ),
    ),
]


@pytest.mark.parametrize(("config", "lines"), MISTAKES, ids=lambda p: p[0][:50] if isinstance(p, tuple) else "")
def test_a_wrong_choice_is_refused_with_the_numbers(config: dict[str, Any], lines: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse({**SECRETS, **config})
    assert caught.value.lines == lines


RIGHT: list[dict[str, Any]] = [
    {"tempo": {"mode": "distributed", "replicas": 3, "replicationFactor": 3}},
    {"tempo": {"mode": "distributed", "replicas": 2}},
    {"prometheus": {"replicas": 1}, "tempo": {"replicas": 1}, "grafana": {"replicas": 1}},
    {"load": {}},
    {"load": {"pods": 0, "requestsPerSecond": 0, "spansPerSecond": 0, "logMBPerSecond": 0, "activeSeries": 0}},
    {"load": {"pods": 100, "requestsPerSecond": 500, "spansPerSecond": 2000, "logMBPerSecond": 0.2, "activeSeries": 200_000}},
    {"preset": "medium", "load": {"activeSeries": 280_000}},
    {"opentelemetry": {"collectorReplicas": 2}, "tempo": {"mode": "distributed", "replicas": 8}, "load": {"spansPerSecond": 20_000}},
]


@pytest.mark.parametrize("config", RIGHT, ids=str)
def test_what_fits_is_taken(config: dict[str, Any]) -> None:
    assert parse({**SECRETS, **config}).preset == config.get("preset", "small")


def test_a_stack_that_states_no_load_is_not_checked() -> None:
    assert shortfalls(parse(SECRETS)) == []


def test_a_load_that_is_wrong_elsewhere_too_gets_every_line() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse({"istoi": {}, "load": {"logMBPerSecond": 0.5}})
    assert [line.split(" is ")[0] for line in caught.value.lines] == ["istoi", "grafanaAdminPassword", "loki.mode"]


# coefficients


def test_every_coefficient_says_its_unit_and_its_source() -> None:
    assert len(coefficients()) > 40
    for name, entry in coefficients().items():
        assert entry.value > 0, name
        assert entry.unit, name
        assert len(entry.source) > 4, name


def test_every_coefficient_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    used: set[str] = set()
    known = {name: entry.value for name, entry in coefficients().items()}

    def spy(name: str) -> float:
        used.add(name)
        return known[name]

    monkeypatch.setattr("components.capacity.k", spy)
    for module in ("plan", "choice", "cluster"):
        monkeypatch.setattr(f"sizing.{module}.k", spy)
    for mesh in ("sidecar", "ambient"):
        for load in (Load(10, 10, 10, 0.1, 10), Load(10, 10, 200_000, 10, 10)):
            size_of(load, mesh=mesh)
    shortfalls(parse({**SECRETS, "load": {"pods": 1}}))
    assert used == set(known)


def test_a_node_keeps_back_what_aks_says() -> None:
    """The table and the formula of AKS' page on node resource reservations."""
    for cores, millicores in ((4, 140), (8, 180), (16, 260), (32, 420), (64, 740)):
        cpu, _ = allocatable(Node(name="x", cpu=cores, memory_gi_b=1024, per_hour=1))
        assert cpu == pytest.approx(cores - millicores / 1000)
    _, memory = allocatable(Node(name="x", cpu=4, memory_gi_b=16, per_hour=1))
    assert memory == pytest.approx(16 * 1024 - (20 * 110 + 50 + 100) * 1e6 / 2**20)
    _, memory = allocatable(Node(name="x", cpu=4, memory_gi_b=8, per_hour=1))
    assert memory == 8 * 1024 * 0.75


def test_needs_name_components_that_there_are() -> None:
    """A need that no workload answers would never be checked."""
    everywhere = {"sidecars", "waypoints"}
    for mesh in ("sidecar", "ambient"):
        for traces, logs in (("single", "monolithic"), ("distributed", "distributed")):
            chosen = parse({**SECRETS, "istio": {"mode": mesh}, "tempo": {"mode": traces}, "loki": {"mode": logs}})
            asked = {n.component for n in needs(Load(), mesh, traces, logs)}  # pyright: ignore[reportArgumentType]
            assert asked - everywhere <= {w.component for w in workloads(chosen)}


# one example by hand

REPLICATIONS = ("LRS", "ZRS", "GRS", "RAGRS", "GZRS", "RAGZRS")
PRICES: dict[str, Any] = {
    "asOf": date(2026, 1, 1),
    "currency": "EUR",
    "region": "nowhere",
    "source": "round numbers",
    "hoursPerMonth": 100,
    "nodes": [{"name": "four", "cpu": 4, "memoryGiB": 16, "perHour": 1}],
    "diskGiBPerMonth": 1,
    "blobGBPerMonth": dict.fromkeys(REPLICATIONS, 1),
    "blobWritesPer10000": dict.fromkeys(REPLICATIONS, 1),
    "clusterPerMonth": {"Free": 10, "Standard": 20},
    "loadBalancerPerMonth": 5,
}
EXAMPLE: dict[str, Any] = {"pods": 40, "requestsPerSecond": 500, "spansPerSecond": 1000, "logMBPerSecond": 0.18, "activeSeries": 150_000}


def environment_of(nodes: int = 1, tier: Any = "Free", **config: Any) -> Environment:
    return Environment("an example", nodes, tier, parse({**SECRETS, **config}))


CHEAP = Prices.model_validate(
    PRICES
    | {
        "nodes": [
            {"name": "four", "cpu": 4, "memoryGiB": 16, "perHour": 1},
            {"name": "eight", "cpu": 8, "memoryGiB": 32, "perHour": 2},
            {"name": "sixteen", "cpu": 16, "memoryGiB": 128, "perHour": 5},
            {"name": "many", "cpu": 64, "memoryGiB": 512, "perHour": 20},
        ]
    }
)
SMALL = environment_of(load=EXAMPLE, prometheus={"retentionDays": 12}, tempo={"retentionDays": 10}, loki={"retentionDays": 10})
GREAT = environment_of(
    3,
    "Standard",
    preset="medium",
    loki={"replicas": 3, "replicationFactor": 3},
    storage={"kind": "azure"},
    azure={**AZURE, "replication": "Standard_GZRS"},
    cluster={"aks": {"resourceGroup": "clusters", "name": "aks"}},
)
PARTS = environment_of(
    3,
    tempo={"mode": "distributed", "replicas": 3, "replicationFactor": 3},
    loki={"mode": "distributed", "replicas": 3, "replicationFactor": 3},
)


def size_of(load: Load, environment: Environment = SMALL, costs: Prices = CHEAP, **changes: Any) -> Plan:
    """The plan of an environment for another load."""
    stated = {
        "pods": load.pods,
        "requestsPerSecond": load.requests_per_second,
        "spansPerSecond": load.spans_per_second,
        "logMBPerSecond": load.log_mb_per_second,
        "activeSeries": load.active_series,
    }
    return plan(environment.changed(load=LoadSettings.model_validate(stated), **changes), costs)


def test_the_worked_example_comes_out_as_it_does_by_hand() -> None:
    made = plan(SMALL, Prices.model_validate(PRICES))
    rows = {row.component: row for row in made.rows}
    assert made.settings.preset == "small"
    assert made.notes == ()
    # 1000/15000 + (0.18e6/2000)/10000 = 0.0667 + 0.009; the request, 50m, is less
    assert rows["collector"].cpu == pytest.approx(0.0757, abs=1e-4)
    # 0.18e6/2^20 = 0.1717 MiB/s at 1 CPU each; 20m + 5m are requested; memory 112 + 24 against 120 x 0.1717 = 21
    assert (rows["alloy"].pods, rows["alloy"].memory) == (1, 136)
    assert rows["alloy"].cpu == pytest.approx(0.1717, abs=1e-4)
    # 150000/300000 CPU; 150000 x 8333 bytes = 1,192 MiB, more than 512 + 24
    assert rows["prometheus"].cpu == pytest.approx(0.5)
    assert rows["prometheus"].memory == pytest.approx(1192.0, abs=0.1)
    # 1000 x 455 bytes = 0.455 MB/s at 0.2 + 0.5 + 0.2 CPU and 200 + 800 + 800 MB each
    assert rows["tempo"].cpu == pytest.approx(0.4095)
    assert rows["tempo"].memory == pytest.approx(819e6 / 2**20)
    # 0.18/34.7 of 38 CPU; of 59 GiB that is 313 MiB, less than the 384 requested
    assert rows["loki"].cpu == pytest.approx(0.1971, abs=1e-4)
    assert rows["loki"].memory == 384
    # two proxies a request: 500 x 2 x 0.0002 = 0.2 CPU, less than 40 x 10m; 40 x 60 MB = 2,289 MiB, less than 40 x 64
    assert (rows["sidecars"].pods, rows["sidecars"].cpu, rows["sidecars"].memory) == (40, 0.4, 2560)
    # the gateway 500 x 0.0002; istiod 40/2000, less than its 100m
    assert (rows["gateway"].cpu, rows["istiod"].cpu) == (pytest.approx(0.1), 0.1)
    # all rows by hand: 2.114 CPU and 6,277 MiB; a node leaves (4 - 0.14) x 0.85 = 3.28 CPU, so one will do
    assert made.cpu == pytest.approx(2.1139, abs=1e-4)
    assert made.memory == pytest.approx(6277.1, abs=0.1)
    assert (made.node.name, made.node_count) == ("four", 1)
    # 150000/15 x 12 x 86400 x 2 bytes / 0.9 = 21.5 GiB; what the stores hold fresh is far below their least, 10 GiB
    assert [(v.store, v.number, v.gibibytes) for v in made.volumes] == [("prometheus", 1, 22), ("tempo", 1, 10), ("loki", 1, 10)]
    # 0.455 MB/s x 86400 x 10 / 1; 0.18 MB/s x 86400 x 10 / 9
    assert made.trace_gb == pytest.approx(393.12)
    assert made.log_gb == pytest.approx(17.28)
    # 1 node x 1 x 100 h; free tier 10; 42 GiB; 410.4 GB; 0.18e6 x 730 x 3600 / 9 / 1572864 = 33,417 writes; load balancer 5
    amounts = {cost.what: cost.amount for cost in made.costs}
    assert amounts == {
        "nodes": 100,
        "cluster": 10,
        "volumes": 42,
        "blobs": pytest.approx(410.4),
        "blob writes": pytest.approx(3.3417, abs=1e-4),
        "load balancer": 5,
    }
    assert made.total == pytest.approx(570.7417, abs=1e-4)


# laws

LOADS = st.builds(
    Load,
    pods=st.integers(0, 5000),
    requests_per_second=st.floats(0, 50_000),
    spans_per_second=st.floats(0, 200_000),
    log_mb_per_second=st.floats(0, 40),
    active_series=st.integers(0, 2_000_000),
)
ENVIRONMENTS = st.sampled_from([SMALL, GREAT, PARTS])
MESHES = st.sampled_from(["sidecar", "ambient"])
LAW = hypothesis_settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def plus(load: Load, more: Load) -> Load:
    return Load(
        load.pods + more.pods,
        load.requests_per_second + more.requests_per_second,
        load.spans_per_second + more.spans_per_second,
        load.log_mb_per_second + more.log_mb_per_second,
        load.active_series + more.active_series,
    )


def amounts(made: Plan) -> dict[str, float]:
    """Everything that may only grow. Nodes, and with them their daemons, may become fewer where greater ones are cheaper."""
    return {
        "CPU": sum(row.cpu for row in made.rows if not row.on_every_node),
        "memory": sum(row.memory for row in made.rows if not row.on_every_node),
        "volumes": made.volume_gib,
        "trace blobs": made.trace_gb,
        "log blobs": made.log_gb,
        "money": made.total,
        "preset": PRESETS.index(made.settings.preset),
        "tempo replicas": made.settings.tempo.replicas,
        "loki replicas": made.settings.loki.replicas,
        "collectors": made.settings.opentelemetry.collector_replicas or 0,
        "gateways": made.settings.istio.gateway_replicas or 0,
    }


def shrunk(less: Plan, more: Plan) -> list[str]:
    before, after = amounts(less), amounts(more)
    return [f"{name}: {before[name]} > {after[name]}" for name in before if before[name] > after[name] * (1 + 1e-9)]


@LAW
@given(load=LOADS, more=LOADS, environment=ENVIRONMENTS, mesh=MESHES)
def test_more_load_never_needs_less_and_never_costs_less(load: Load, more: Load, environment: Environment, mesh: Any) -> None:
    assert shrunk(size_of(load, environment, mesh=mesh), size_of(plus(load, more), environment, mesh=mesh)) == []


@LAW
@given(
    load=LOADS,
    part=st.sampled_from(["pods", "requests_per_second", "spans_per_second", "log_mb_per_second", "active_series"]),
    share=st.floats(0, 0.1),
    environment=ENVIRONMENTS,
)
def test_a_little_more_of_one_thing_never_needs_less(load: Load, part: str, share: float, environment: Environment) -> None:
    """Just past a limit, where modes, presets and node sizes change."""
    grown = {name: getattr(load, name) for name in Load.__slots__}
    grown[part] = int(grown[part] * (1 + share)) if isinstance(grown[part], int) else grown[part] * (1 + share)
    assert shrunk(size_of(load, environment), size_of(Load(**grown), environment)) == []


EDGES = [
    ("spans_per_second", 2442), ("spans_per_second", 4884), ("spans_per_second", 19_538), ("spans_per_second", 55_000),
    ("log_mb_per_second", 20e3 / 86_400), ("log_mb_per_second", 34.7 / 6), ("log_mb_per_second", 34.7 / 3),
    ("active_series", 257_698), ("active_series", 600_000), ("active_series", 1_200_000), ("pods", 1431), ("requests_per_second", 5000.0),
]  # fmt: skip


@pytest.mark.parametrize(("part", "edge"), EDGES)
@pytest.mark.parametrize("environment", [SMALL, GREAT, PARTS], ids=["small", "great", "in parts"])
def test_just_past_each_limit_nothing_shrinks(part: str, edge: float, environment: Environment) -> None:
    values: list[Any] = [type(edge)(edge * step) for step in (0.98, 0.999, 1.001, 1.02)]
    plans = [size_of(Load(**{part: value}), environment) for value in values]
    for less, more in itertools.pairwise(plans):
        assert shrunk(less, more) == [], part


@LAW
@given(load=LOADS, days=st.integers(1, 365), more=st.integers(0, 365))
def test_a_longer_retention_never_needs_less(load: Load, days: int, more: int) -> None:
    assert shrunk(size_of(load, retention_days=days), size_of(load, retention_days=days + more)) == []


@LAW
@given(load=LOADS, environment=ENVIRONMENTS, mesh=MESHES)
def test_a_plan_is_settings_that_the_program_takes_or_says_what_no_preset_carries(load: Load, environment: Environment, mesh: Any) -> None:
    made = size_of(load, environment, mesh=mesh)
    refused = [note for note in made.notes if note.startswith("preset is ")]
    document = json.loads(made.settings.model_dump_json(by_alias=True, exclude_defaults=True))
    assert not refused or made.settings.preset == PRESETS[-1]
    try:
        assert parse({**SECRETS, **document}).preset == made.settings.preset
        assert refused == []
    except ConfigurationError as error:
        assert list(error.lines) == refused


@LAW
@given(load=LOADS, environment=ENVIRONMENTS)
def test_everything_fits_on_the_nodes(load: Load, environment: Environment) -> None:
    made = size_of(load, environment)
    cpu, memory = allocatable(made.node)
    assert made.cpu <= cpu * made.node_count
    assert made.memory <= memory * made.node_count
    assert made.node_count >= max(environment.nodes, made.settings.loki.replicas)


# limits that are documented


@pytest.mark.parametrize(("megabytes", "mode"), [(0.231, "monolithic"), (0.232, "distributed")])
def test_past_twenty_gigabytes_a_day_loki_is_distributed_and_the_source_is_named(megabytes: float, mode: str) -> None:
    made = size_of(Load(log_mb_per_second=megabytes))
    assert made.settings.loki.mode == mode
    assert any("20 (Loki, Deployment modes" in note for note in made.notes) == (mode == "distributed")


@pytest.mark.parametrize(
    ("spans", "reason"), [(19_000, None), (20_000, "more than the greatest preset gives"), (56_000, "55,000 to 80,000")]
)
def test_past_one_process_tempo_is_distributed_and_the_reason_is_named(spans: float, reason: str | None) -> None:
    made = size_of(Load(spans_per_second=spans))
    assert made.settings.tempo.mode == ("distributed" if reason else "single")
    assert [(reason or "nothing") in note for note in made.notes] == ([True] if reason else [])


def test_what_no_preset_carries_is_said_and_still_reckoned() -> None:
    made = size_of(Load(active_series=3_000_000))
    assert "preset is large: 3,000,000 active series need 10.00 CPU of Prometheus, large gives 4.00; no setting gives more" in made.notes
    assert next(row.cpu for row in made.rows if row.component == "prometheus") == pytest.approx(10)


def test_a_pod_that_no_node_holds_is_said() -> None:
    made = size_of(Load(active_series=3_000_000), SMALL, Prices.model_validate(PRICES))
    assert made.notes[-1] == "no node size in the prices holds the greatest pod; four is reckoned with: add a greater one"


def test_daemons_of_the_greatest_preset_are_helped_by_nodes_and_not_refused() -> None:
    made = size_of(Load(log_mb_per_second=30))
    assert made.settings.preset == "large"
    assert not [note for note in made.notes if "Alloy" in note]
    (alloy,) = [row for row in made.rows if row.component == "alloy"]
    assert alloy.need
    assert alloy.pods == made.node_count >= alloy.need.cpu / (size("alloy", "large").cpu_limit / 1000) == pytest.approx(14.3, abs=0.1)


def test_ambient_reserves_no_sidecars() -> None:
    sidecar, ambient = ({row.component for row in size_of(Load(pods=9), GREAT, mesh=mesh).rows} for mesh in ("sidecar", "ambient"))
    assert sidecar - ambient == {"sidecars"}
    assert ambient - sidecar == {"cni", "ztunnel", "waypoints"}


# the data files

WRONG_PRICES: list[tuple[dict[str, Any], str]] = [
    ({"asOf": "last week"}, "asOf is 'last week': should be a valid date"),
    ({"hoursPerMonth": 8760}, "hoursPerMonth is 8760: should be less than or equal to 744"),
    ({"diskGiBPerMonth": -1}, "diskGiBPerMonth is -1: should be greater than or equal to 0"),
    ({"nodes": []}, "nodes is []: at least one size of node must have a price"),
    ({"nodes": [{"name": "two", "cpu": 2, "memoryGiB": 8, "perHour": 1}]}, "nodes.0.cpu is 2: should be greater than or equal to 4"),
    ({"nodes": [{"name": "x", "cpu": 4, "memoryGiB": 8, "perHour": 0}]}, "nodes.0.perHour is 0: should be greater than 0"),
    ({"blobGBPerMonth": {"LRS": 1}}, "blobGBPerMonth has no price for ZRS, GRS, RAGRS, GZRS, RAGZRS"),
    ({"discount": 0.3}, "discount is not a key of this file"),
]


def written(folder: Path, document: Any) -> Path:
    path = folder / "prices.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.mark.parametrize(("change", "line"), WRONG_PRICES, ids=lambda p: p[:40] if isinstance(p, str) else "")
def test_a_mistake_in_the_prices_gets_one_line(change: dict[str, Any], line: str, tmp_path: Path) -> None:
    path = written(tmp_path, PRICES | change)
    with pytest.raises(ConfigurationError) as caught:
        prices(path)
    (found,) = caught.value.lines
    assert found.startswith(f"{path}: {line}")


def test_prices_without_a_key_name_it(tmp_path: Path) -> None:
    path = written(tmp_path, {key: value for key, value in PRICES.items() if key != "currency"})
    with pytest.raises(ConfigurationError, match="currency is missing: it must be set"):
        prices(path)


@pytest.mark.parametrize("text", ["a: 1\na: 2\n", "a: [1\n", None])
def test_prices_that_cannot_be_read_get_one_line(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        prices(path)
    (line,) = caught.value.lines
    assert line.startswith(f"{path} cannot be read: ")
    assert "\n" not in line


def test_the_prices_that_come_along_say_what_they_are() -> None:
    own = prices(ROOT / "prices.yaml")
    assert "approximations" in own.source
    assert own.as_of.year >= 2026
    assert own.region


def stack_file(folder: Path, name: str, config: dict[str, Any]) -> Path:
    path = folder / f"Pulumi.{name}.yaml"
    path.write_text(yaml.safe_dump({"config": {f"istio-stack:{key}": value for key, value in config.items()}}))
    return path


def test_a_stack_file_speaks_for_its_environment(tmp_path: Path) -> None:
    example = environments(tmp_path)["dev"]
    assert (example.settings.preset, example.replication, example.settings.load.pods) == ("small", "LRS", 50)
    stack_file(
        tmp_path,
        "dev",
        {
            "load": {"pods": 7},
            "preset": "medium",
            "loki": {"retentionDays": 2, "volumeGi": 30},
            "istio": {"mode": "ambient"},
            "storage": {"kind": "azure"},
            "azure": {**AZURE, "replication": "Standard_RAGRS"},
            "cluster": {"aks": {"resourceGroup": "clusters", "name": "aks"}},
        },
    )
    stated = environments(tmp_path)["dev"]
    assert stated.settings.load == LoadSettings(pods=7)
    assert stated.replication == "RAGRS"
    made = plan(stated, CHEAP)
    assert (made.settings.preset, made.settings.loki.retention_days, made.volumes[2].gibibytes) == ("medium", 2, 30)
    assert {"ztunnel", "waypoints"} <= {row.component for row in made.rows}
    assert "small would carry this load; medium is what the stack file says" in made.notes


def test_a_stack_file_whose_preset_is_too_small_is_sized_and_not_refused(tmp_path: Path) -> None:
    stack_file(tmp_path, "dev", {"load": {"activeSeries": 900_000}})
    assert plan(environments(tmp_path)["dev"], CHEAP).settings.preset == "large"


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"preset": "huge"}, "Pulumi.dev.yaml: preset is 'huge': should be 'small', 'medium' or 'large'"),
        ({"load": {"pods": -1}}, "Pulumi.dev.yaml: load: pods is -1: should be greater than or equal to 0"),
        ({"load": {"pod": 1}}, "Pulumi.dev.yaml: load: pod is not a key of this file"),
    ],
)
def test_a_mistake_in_a_stack_file_is_named(config: dict[str, Any], line: str, tmp_path: Path) -> None:
    stack_file(tmp_path, "dev", config)
    with pytest.raises(ConfigurationError) as caught:
        environments(tmp_path)
    assert caught.value.lines == (line,)


def test_what_a_cluster_has_already_is_not_counted() -> None:
    there = environment_of(**AZURE_VARIANTS["existing"])
    found = {row.component for row in size_of(Load(pods=10, active_series=1000), there).rows}
    assert not found & {"cert-manager", "istiod", "gateway", "prometheus", "otel-operator", "azurite"}
    assert {"collector", "tempo", "loki", "alloy", "grafana", "sidecars"} <= found


def test_the_examples_are_carried_and_grow_from_dev_to_prod() -> None:
    found = environments()
    assert list(found) == ["dev", "staging", "prod"]
    costs = prices(ROOT / "prices.yaml")
    plans = [plan(e, costs) for e in found.values()]
    assert not [note for made in plans for note in made.notes if note.startswith("preset is ")]
    assert plans[0].total < plans[1].total < plans[2].total
    assert [made.settings.preset for made in plans] == [e.settings.preset for e in found.values()]


# the command and the page


def test_the_command_prints_every_environment_with_its_bill(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    for name in ("dev:", "staging:", "prod:", "collector", "in all", "USD", "approximations"):
        assert name in shown


def test_the_command_takes_a_load_a_retention_and_prices(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, PRICES)
    flags = ["--environment", "dev", "--pods", "12", "--log-mb-per-second", "0.5", "--retention-days", "9", "--prices", str(path)]
    assert main(flags) == 0
    shown = capsys.readouterr().out
    assert "load: 12 pods, 50 requests/s" in shown
    assert "metrics 9 days, traces 9, logs 9" in shown
    assert "note: Loki in distributed mode: 43 GB of logs a day" in shown
    assert "prices of 2026-01-01 for nowhere in EUR: round numbers" in shown
    assert "staging" not in shown


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--environment", "qa"], "error: environment is qa: must be one of dev, staging, prod"),
        (["--pods", "-1"], "error: pods is -1: should be greater than or equal to 0"),
        (["--spans-per-second", "nan"], "error: spansPerSecond is nan: should be a finite number"),
        (["--retention-days", "0"], "error: retentionDays is 0: should be greater than or equal to 1"),
        (["--prices", "nowhere.yaml"], "error: nowhere.yaml cannot be read: No such file or directory"),
    ],
)
def test_a_wrong_argument_gets_one_line_and_exit_code_two(flags: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(flags) == 2
    assert capsys.readouterr().err == f"{line}\n"


def test_an_argument_that_is_no_number_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--pods", "many"])
    assert caught.value.code == 2
    assert "invalid int value: 'many'" in capsys.readouterr().err


def test_the_page_has_a_table_with_a_column_per_environment_and_a_source_per_figure(capsys: pytest.CaptureFixture[str]) -> None:
    page = docs_table()
    lines = page.splitlines()
    head = lines.index("|  | dev | staging | prod |")
    table = [line.split("|")[1:-1] for line in lines[head : lines.index("## Why") - 1]]
    assert {len(row) for row in table} == {4}
    total = [float(cell.strip(" *").replace(",", "")) for cell in table[-1][1:]]
    costs = prices(ROOT / "prices.yaml")
    assert total == [round(plan(e, costs).total) for e in environments().values()]
    assert "Prices of" in page
    assert "approximations" in page
    assert all(f"`{name}`" in page for name in coefficients())
    assert main(["--markdown"]) == 0
    assert capsys.readouterr().out == page


def test_a_plan_depends_on_nothing_that_ran_before() -> None:
    first = plan(SMALL, CHEAP)
    capacity.coefficients.cache_clear()
    assert plan(environment_of(**json.loads(SMALL.settings.model_dump_json(by_alias=True, exclude_defaults=True))), CHEAP) == first
