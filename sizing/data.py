"""The data files of the sizing as typed models: prices, and what the environments differ in. A mistake in one is one clear line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from math import ceil
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

import yaml
from pydantic import AfterValidator, Field, ValidationError

from components.capacity import Mesh, k
from components.charts import ROOT
from components.config import needed_secrets, parse
from components.errors import ConfigurationError
from components.merge import DuplicateKey, read_yaml
from components.settings import LoadSettings, Model, Preset, Settings
from components.settings_azure import AzureSettings

PREFIX = "istio-stack:"
ENVIRONMENTS = Path(__file__).parent / "environments.yaml"

Replication = Literal["LRS", "ZRS", "GRS", "RAGRS", "GZRS", "RAGZRS"]
ClusterTier = Literal["Free", "Standard"]
Survives = Literal["nothing", "node", "zone"]
"""The greatest loss after which what is left still holds every pod."""
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


def _rising(sizes: tuple[int, ...]) -> tuple[int, ...]:
    if not sizes or list(sizes) != sorted(set(sizes)):
        raise ValueError(f"is {list(sizes)}: must be sizes, each greater than the one before")
    return sizes


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
    disk_gi_b_per_month: Annotated[dict[Literal["LRS", "ZRS"], Money], _every("LRS", "ZRS"), Field(alias="diskGiBPerMonth")]
    disk_sizes_gi_b: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False, alias="diskSizesGiB"), AfterValidator(_rising)]
    """A disk is billed as the next of these; a greater one as it is."""
    blob_gb_per_month: Annotated[ByReplication, Field(alias="blobGBPerMonth")]
    blob_writes_per10000: Annotated[ByReplication, Field(alias="blobWritesPer10000")]
    cluster_per_month: Annotated[dict[ClusterTier, Money], _every("Free", "Standard")]
    load_balancer_per_month: Money
    private_endpoint_per_month: Money

    def billed_gibibytes(self, gibibytes: int) -> int:
        """The size that a disk of so many GiB is billed as."""
        return next((size for size in self.disk_sizes_gi_b if size >= gibibytes), gibibytes)


class _Entry(Model):
    """What environments.yaml says of one environment."""

    why: str
    nodes: Annotated[int, Field(ge=1, le=1000)]
    survives: Survives
    cluster_tier: ClusterTier
    load: LoadSettings


@dataclass(frozen=True, eq=False)
class Environment:
    """What one environment promises, and the settings that it has anyway: a plan may have more of everything, never less."""

    why: str
    nodes: int
    """Nodes, at least."""
    cluster_tier: ClusterTier
    settings: Settings
    """Those of its stack, with the load that it has to carry."""
    survives: Survives = "nothing"

    def left(self, nodes: int) -> int:
        """How many of so many nodes are left after the loss that it survives; zones have as many each as can be."""
        lost = {"nothing": 0, "node": 1, "zone": ceil(nodes / k("zones"))}
        return nodes - lost[self.survives]

    @property
    def fewest_nodes(self) -> int:
        """Nodes that it has at least; one more than may be lost."""
        return max(self.nodes, {"nothing": 1, "node": 2, "zone": int(k("zones"))}[self.survives])

    @property
    def soft_delete_days(self) -> int:
        """How long deleted blobs are kept, and paid for; the default where the stack has no storage account yet."""
        default = AzureSettings.model_fields["soft_delete_days"].default
        return self.settings.azure.soft_delete_days if self.settings.azure else default

    @property
    def replication(self) -> Replication:
        """How the storage account keeps its blobs; locally redundant where the stack has none yet."""
        found = self.settings.azure.replication if self.settings.azure else "Standard_LRS"
        return cast(Replication, found.removeprefix("Standard_"))

    def changed(
        self,
        *,
        load: LoadSettings | None = None,
        retention_days: int | None = None,
        mesh: Mesh | None = None,
        preset: Preset | None = None,
    ) -> Environment:
        """The same environment with another load, one retention for all signals that it keeps itself, another mesh or preset."""
        settings = self.settings
        if preset is not None:
            settings = settings.model_copy(update={"preset": preset})
        if load is not None:
            settings = settings.model_copy(update={"load": load})
        if retention_days is not None:
            stores = {name: getattr(settings, name).model_copy(update={"retention_days": retention_days}) for name in own_stores(settings)}
            settings = settings.model_copy(update=stores)
        if mesh is not None:
            settings = settings.model_copy(update={"istio": settings.istio.model_copy(update={"mode": mesh})})
        return replace(self, settings=settings)


def own_stores(settings: Settings) -> tuple[str, ...]:
    """The stores that a stack brings itself; their names in settings."""
    return ("tempo", "loki") if settings.prometheus.source == "existing" else ("prometheus", "tempo", "loki")


_M = TypeVar("_M", bound=Model)


def prices(path: Path) -> Prices:
    """The prices in a file. Raises ConfigurationError, one line per mistake."""
    return _model(Prices, _document(path), str(path))


def environments(folder: Path = ROOT, path: Path = ENVIRONMENTS) -> dict[str, Environment]:
    """Every environment of a file, with the settings of its stack file in this folder. Raises ConfigurationError."""
    return {str(name): _environment(str(name), entry, folder) for name, entry in _mapping(_document(path), path.name).items()}


def _environment(name: str, document: Any, folder: Path) -> Environment:
    entry = _model(_Entry, document, f"environments.yaml: {name}")
    path = folder / f"Pulumi.{name}.yaml"
    stated = _mapping(_document(path), path.name).get("config") if path.is_file() else {}
    entries = _mapping(stated, f"{path.name}: config").items()
    own = {str(key).removeprefix(PREFIX): value for key, value in entries if str(key).startswith(PREFIX)}
    own.setdefault("load", entry.load.model_dump(by_alias=True))
    try:
        # a preset that is too small for the load is what this is to find out
        settings = parse({**own, **dict.fromkeys(needed_secrets(own), "not needed here")}, carried=False)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path.name}: {line}" for line in error.lines) from None
    return Environment(entry.why, entry.nodes, entry.cluster_tier, settings, entry.survives)


def _mapping(document: Any, name: str) -> dict[Any, Any]:
    """What should be an object of keys, or is empty."""
    if document is not None and not isinstance(document, dict):
        raise ConfigurationError(f"{name} is {document!r}: should be an object of keys")
    return document or {}


def _document(path: Path) -> Any:
    try:
        return read_yaml(path)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, DuplicateKey) as error:
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
    if detail["type"] == "model_type":
        return f"{key} is {detail['input']!r}: should be an object of keys".removeprefix(" is ")
    return f"{key} is {detail['input']!r}: {detail['msg'].removeprefix('Input ')}".removeprefix(" is ")
