"""What a load costs: one example by hand, more never needs less, and documented limits are said."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from components.capacity import Load
from components.config import parse
from components.errors import ConfigurationError
from components.presets import PRESETS, size
from sizing.cluster import allocatable
from sizing.data import Environment, Prices, environments
from sizing.plan import Plan, changes, plan
from tests.azure_stacks import AZURE_VARIANTS
from tests.plans import CHEAP, GREAT, PARTS, PRICES, SECRETS, SMALL, environment_of, size_of

# one example by hand


def test_the_worked_example_comes_out_as_it_does_by_hand() -> None:
    made = plan(SMALL, Prices.model_validate(PRICES))
    rows = {row.component: row for row in made.rows}
    assert made.settings.preset == "small"
    assert made.notes == ()
    # 1000/15000 + (0.18e6/2000)/10000 = 0.0667 + 0.009; the request, 50m, is less
    assert rows["collector"].cpu == pytest.approx(0.0757, abs=1e-4)
    # 0.18e6/2^20 = 0.1717 MiB/s at 1 CPU each; 20m is requested; memory 112 against 120 x 0.1717 = 21
    assert (rows["alloy"].pods, rows["alloy"].memory) == (1, 112)
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
    # all rows by hand: 2.114 CPU and 6,253 MiB; a node leaves (4 - 0.14) x 0.85 = 3.28 CPU, so one will do
    assert made.cpu == pytest.approx(2.1139, abs=1e-4)
    assert made.memory == pytest.approx(6253.1, abs=0.1)
    assert (made.nodes.node.name, made.nodes.count, made.nodes.why) == ("four", 1, "the fewest that the environment has")
    # 150000/15 x 12 x 86400 x 2 bytes / 0.9 = 21.5 GiB; what the stores hold fresh is far below their least, 10 GiB
    assert made.volumes == (("prometheus", 1, 22, 32), ("tempo", 1, 10, 16), ("loki", 1, 10, 16))
    assert changes(SMALL, made) == ("prometheus.volumeGi 22",)
    # 0.455 MB/s x 86400 x 10 / 1; 0.18 MB/s x 86400 x 10 / 9
    assert made.blobs.traces == pytest.approx(393.12)
    assert made.blobs.logs == pytest.approx(17.28)
    # 39.312 GB of spans a day are deleted as fresh blocks, once more by the second round of compaction, and in the end; logs once; 7 days
    assert made.blobs.deleted == pytest.approx((39.312 * 3 + 1.728) * 7)
    # 1 node x 1 x 100 h; free tier 10; 32 + 16 + 16 GiB; 410.4 and 837.648 GB; load balancer 5
    # 0.18e6 x 730 x 3600 / 9 / 1572864 = 33,417 writes, more than 40 pods x 730/2
    amounts = {cost.what: cost.amount for cost in made.costs}
    assert amounts == {
        "nodes": 100,
        "cluster": 10,
        "volumes": 64,
        "blobs": pytest.approx(410.4),
        "deleted blobs": pytest.approx(837.648),
        "blob writes": pytest.approx(3.3417, abs=1e-4),
        "load balancer": 5,
        "private endpoint": 0,
    }
    assert made.total == pytest.approx(1430.3897, abs=1e-4)


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
        "trace blobs": made.blobs.traces,
        "log blobs": made.blobs.logs,
        "deleted blobs": made.blobs.deleted,
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
    assume(load.spans_per_second > 0 or environment.settings.telemetry.tail_sampling is None)  # refused, and by another rule
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
    cpu, memory = allocatable(made.nodes.node)
    count = made.nodes.count
    assert made.cpu <= cpu * count
    assert made.memory <= memory * count
    assert sum(row.pods for row in made.rows) <= 110 * count
    assert count >= max(environment.nodes, made.settings.loki.replicas)


@LAW
@given(load=LOADS, environment=st.sampled_from([GREAT, PARTS]))
def test_what_is_left_after_the_loss_that_is_promised_holds_every_pod(load: Load, environment: Environment) -> None:
    made = size_of(load, environment)
    cpu, memory = allocatable(made.nodes.node)
    count = made.nodes.count
    left = count - 1 if environment is GREAT else count * 2 // 3
    lost = (count - left) / count
    daemons = [row for row in made.rows if row.on_every_node and not row.need]
    assert made.cpu - lost * sum(row.cpu for row in daemons) <= cpu * left
    assert made.memory - lost * sum(row.memory for row in daemons) <= memory * left


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
    assert [(reason or "nothing") in note for note in made.notes if note.startswith("Tempo")] == ([True] if reason else [])


def test_a_greater_preset_says_why_and_names_the_other_way() -> None:
    made = size_of(Load(spans_per_second=2500))
    assert made.settings.preset == "medium"
    assert made.notes == (
        (
            "preset medium instead of small: 2,500 spans/s (1.1 MB/s) need 1.02 CPU of Tempo, small gives 1.00; the other way is "
            "tempo.mode distributed"
        ),
    )


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
    assert not [note for note in made.notes if note.startswith("preset is")]
    (alloy,) = [row for row in made.rows if row.component == "alloy"]
    assert alloy.need
    assert alloy.pods == made.nodes.count >= alloy.need.cpu / (size("alloy", "large").cpu_limit / 1000) == pytest.approx(14.3, abs=0.1)


def test_a_node_holds_no_more_pods_than_it_may_and_the_bill_says_what_decided() -> None:
    made = size_of(Load(pods=1090), mesh="ambient", costs=Prices.model_validate(PRICES))
    ours = [row for row in made.rows if not row.on_every_node]
    # cni, ztunnel, alloy and node-exporter on each node: ten may hold 1,100 pods of 1,090 + 16 + 40, eleven 1,210 of 1,150
    assert (sum(row.pods for row in ours), len(made.rows) - len(ours)) == (16, 4)
    assert (made.nodes.count, made.nodes.why) == (11, "number of pods")


def test_a_loss_that_is_survived_is_paid_for() -> None:
    costs = Prices.model_validate(PRICES)
    made = {name: size_of(Load(pods=300), environment_of(1, "Free", name), costs) for name in ("nothing", "node", "zone")}
    # 300 sidecars, 16 more and 2 daemons a node are 322 pods on three nodes of 110; 3 are left of 4 nodes, but 2 of 4 in zones, 3 of 5
    assert {name: found.nodes.count for name, found in made.items()} == {"nothing": 3, "node": 4, "zone": 5}
    assert made["zone"].nodes.why == "number of pods when a zone is lost"
    # 20, 10 and 10 GiB are billed as 32, 16 and 16; with a copy in each zone they cost twice as much here
    disks = {name: cost.amount for name, found in made.items() for cost in found.costs if cost.what == "volumes"}
    assert disks == {"nothing": 64, "node": 64, "zone": 128}


def test_a_disk_is_billed_as_the_next_size_and_past_the_last_as_it_is() -> None:
    costs = Prices.model_validate(PRICES)
    assert [costs.billed_gibibytes(gi) for gi in (1, 4, 5, 64, 65)] == [4, 4, 8, 64, 65]


def test_a_volume_that_settings_do_not_take_is_said() -> None:
    made = size_of(Load(active_series=10_000_000), retention_days=200)
    assert made.settings.prometheus.volume_gi == 16_384
    assert any(note.startswith("prometheus needs a volume of ") and "16,384 is the most" in note for note in made.notes)


def test_what_is_not_there_is_not_billed() -> None:
    inside = environment_of(istio={"gatewayService": "ClusterIP"}, grafana={"volumeGi": 3})
    made = size_of(Load(), inside)
    costs = {cost.what: cost for cost in made.costs}
    assert (costs["load balancer"].amount, costs["load balancer"].why) == (0, "none")
    assert made.volumes[-1] == ("grafana", 1, 3, 4)
    there = environment_of(**AZURE_VARIANTS["existing"])
    assert "prometheus" not in {v.store for v in size_of(Load(active_series=1000), there, retention_days=9).volumes}


def test_a_private_endpoint_and_soft_delete_come_from_the_stack_file() -> None:
    costs = {cost.what: cost for cost in plan(environments()["prod"], CHEAP).costs}
    assert costs["private endpoint"].amount == 7
    days = environments()["prod"].settings.azure
    assert days is not None
    assert costs["deleted blobs"].why.endswith(f" GB, {days.soft_delete_days} days of soft delete")


def test_ambient_reserves_no_sidecars() -> None:
    sidecar, ambient = ({row.component for row in size_of(Load(pods=9), GREAT, mesh=mesh).rows} for mesh in ("sidecar", "ambient"))
    assert sidecar - ambient == {"sidecars"}
    assert ambient - sidecar == {"cni", "ztunnel", "waypoints"}
