"""The data files of the sizing as typed models: prices, and what the environments differ in. A mistake in one is one clear line."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator

from components.charts import ROOT
from components.errors import ConfigurationError
from components.merge import DuplicateKey, read_yaml
from components.settings import LoadSettings, Model, Preset, RetentionDays

Replication = Literal["LRS", "ZRS", "GRS", "RAGRS", "GZRS", "RAGZRS"]
ClusterTier = Literal["Free", "Standard"]
Money = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _every(*keys: str) -> AfterValidator:
    """A table that must have a price for each of these."""

    def check(table: dict[str, float]) -> dict[str, float]:
        missing = [key for key in keys if key not in table]
        if missing:
            raise ValueError(f"has no price for {', '.join(missing)}")
        return table

    return AfterValidator(check)


def _some(nodes: tuple[Any, ...]) -> tuple[Any, ...]:
    if not nodes:
        raise ValueError("is []: at least one size of node must have a price")
    return nodes


ByReplication = Annotated[dict[Replication, Money], _every("LRS", "ZRS", "GRS", "RAGRS", "GZRS", "RAGZRS")]


class Node(Model):
    """A size of node and what one costs."""

    name: str
    cpu: Annotated[int, Field(ge=4, le=1024)]
    """Cores. Four or more, as below that AKS reserves by another rule."""
    memory_gi_b: Annotated[float, Field(ge=4, le=16384, alias="memoryGiB")]
    per_hour: Annotated[Money, Field(gt=0)]


class Prices(Model):
    """What things cost, and on which day somebody vouched for it."""

    as_of: date
    currency: Annotated[str, Field(min_length=1)]
    region: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]
    hours_per_month: Annotated[float, Field(ge=1, le=744)]
    nodes: Annotated[tuple[Node, ...], Field(strict=False), AfterValidator(_some)]
    disk_gi_b_per_month: Annotated[Money, Field(alias="diskGiBPerMonth")]
    blob_gb_per_month: Annotated[ByReplication, Field(alias="blobGBPerMonth")]
    blob_writes_per10000: Annotated[ByReplication, Field(alias="blobWritesPer10000")]
    cluster_per_month: Annotated[dict[ClusterTier, Money], _every("Free", "Standard")]
    load_balancer_per_month: Money


class Retention(Model):
    """Days that each store keeps its data."""

    metrics_days: RetentionDays
    traces_days: RetentionDays
    logs_days: RetentionDays


class Environment(Model):
    """What one environment promises, and what it has to carry."""

    why: str
    least_preset: Preset
    replicas: Annotated[int, Field(ge=1, le=100)]
    """Collectors and gateways, at least."""
    store_replicas: Literal[1, 3]
    """Processes that hold fresh logs and traces, and the replication factor with it."""
    nodes: Annotated[int, Field(ge=1, le=1000)]
    """Nodes, at least."""
    replication: Replication
    cluster_tier: ClusterTier
    retention: Retention
    load: LoadSettings

    @model_validator(mode="after")
    def _three_stores_need_three_nodes(self) -> Environment:
        if self.nodes < self.store_replicas:
            raise ValueError(f"nodes is {self.nodes}: {self.store_replicas} replicas of a store go on as many nodes")
        return self


_M = TypeVar("_M", bound=Model)


def prices(path: Path) -> Prices:
    """The prices in a file. Raises ConfigurationError, one line per mistake."""
    return _model(Prices, _document(path), str(path))


def environments(folder: Path = ROOT) -> dict[str, Environment]:
    """Every environment, with the load and the retention that its stack file in this folder states. Raises ConfigurationError."""
    path = Path(__file__).parent / "environments.yaml"
    return {
        name: _model(Environment, entry | _stated(name, entry, folder), f"{path.name}: {name}") for name, entry in _document(path).items()
    }


def _stated(name: str, entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    path = folder / f"Pulumi.{name}.yaml"
    if not path.is_file():
        return {}
    config = (_document(path) or {}).get("config") or {}
    days = {
        key: config[f"istio-stack:{store}"]["retentionDays"]
        for store, key in (("prometheus", "metricsDays"), ("tempo", "tracesDays"), ("loki", "logsDays"))
        if isinstance(config.get(f"istio-stack:{store}"), dict) and "retentionDays" in config[f"istio-stack:{store}"]
    }
    stated: dict[str, Any] = {"retention": entry["retention"] | days}
    return stated | ({"load": config["istio-stack:load"]} if config.get("istio-stack:load") else {})


def _document(path: Path) -> Any:
    try:
        return read_yaml(path)
    except (OSError, yaml.YAMLError, DuplicateKey) as error:
        reason = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise ConfigurationError(f"{path} cannot be read: {reason}") from None


def _model(model: type[_M], document: Any, name: str) -> _M:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise ConfigurationError(f"{name}: {_line(detail)}" for detail in error.errors(include_url=False)) from None


def _line(detail: Any) -> str:
    """One mistake as settings say theirs: the key, its value, the rule."""
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "missing":
        return f"{key} is missing: it must be set"
    if detail["type"] == "extra_forbidden":
        return f"{key} is not a key of this file"
    if detail["type"] == "value_error":
        return f"{key} {detail['ctx']['error']}".strip()
    return f"{key} is {detail['input']!r}: {detail['msg'].removeprefix('Input ')}".removeprefix(" is ")
