"""Environments, prices and loads that tests of the sizing plan with."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import yaml

from components.capacity import Load
from components.config import parse
from components.settings import LoadSettings
from sizing.data import Environment, Prices
from sizing.plan import Plan, plan
from tests.azure_stacks import AZURE

SECRETS = {"grafanaAdminPassword": "x"}
REPLICATIONS = ("LRS", "ZRS", "GRS", "RAGRS", "GZRS", "RAGZRS")
PRICES: dict[str, Any] = {
    "asOf": date(2026, 1, 1),
    "currency": "EUR",
    "region": "nowhere",
    "source": "round numbers",
    "hoursPerMonth": 100,
    "nodes": [{"name": "four", "cpu": 4, "memoryGiB": 16, "perHour": 1}],
    "diskGiBPerMonth": {"LRS": 1, "ZRS": 2},
    "diskSizesGiB": [4, 8, 16, 32, 64],
    "blobGBPerMonth": dict.fromkeys(REPLICATIONS, 1),
    "blobWritesPer10000": dict.fromkeys(REPLICATIONS, 1),
    "clusterPerMonth": {"Free": 10, "Standard": 20},
    "loadBalancerPerMonth": 5,
    "privateEndpointPerMonth": 7,
}
EXAMPLE: dict[str, Any] = {"pods": 40, "requestsPerSecond": 500, "spansPerSecond": 1000, "logMBPerSecond": 0.18, "activeSeries": 150_000}


def environment_of(nodes: int = 1, tier: Any = "Free", survives: Any = "nothing", **config: Any) -> Environment:
    return Environment("an example", nodes, tier, parse({**SECRETS, **config}), survives)


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
    "node",
    preset="medium",
    loki={"replicas": 3, "replicationFactor": 3},
    storage={"kind": "azure"},
    azure={**AZURE, "replication": "Standard_GZRS"},
    cluster={"aks": {"resourceGroup": "clusters", "name": "aks"}},
)
PARTS = environment_of(
    3,
    "Free",
    "zone",
    load={"spansPerSecond": 1},
    telemetry={"tailSampling": {"decisionWaitSeconds": 30}},
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


def written(folder: Path, document: Any) -> Path:
    """A file of prices."""
    path = folder / "prices.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def stack_file(folder: Path, name: str, config: dict[str, Any]) -> Path:
    """The stack file of an environment."""
    path = folder / f"Pulumi.{name}.yaml"
    path.write_text(yaml.safe_dump({"config": {f"istio-stack:{key}": value for key, value in config.items()}}))
    return path
