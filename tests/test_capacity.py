"""What a load takes: each wrong choice gets one line with the numbers, and every figure has a source and a use."""

from __future__ import annotations

from typing import Any

import pytest

from components.capacity import Load, coefficients, needs, shortfalls
from components.config import parse
from components.errors import ConfigurationError
from components.footprint import workloads
from sizing.cluster import allocatable
from sizing.data import Node
from tests.plans import PARTS, SECRETS, size_of

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
    for module in ("plan", "bill", "choice", "cluster", "data"):
        monkeypatch.setattr(f"sizing.{module}.k", spy)
    for mesh in ("sidecar", "ambient"):
        for load in (Load(10, 10, 10, 0.1, 10), Load(10, 10, 200_000, 10, 10)):
            size_of(load, PARTS, mesh=mesh)
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
