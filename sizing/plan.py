"""The arithmetic: a load, an environment and prices in; replicas, requests, volumes, blobs, nodes and money out. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, inf

from components import capacity
from components.capacity import DAY, MIB, Load, k, load_of
from components.presets import replicas
from components.settings import Model, Settings
from components.tail_sampling import tail_replicas
from sizing.bill import Blobs, Cost, Volume, bill
from sizing.choice import choose
from sizing.cluster import Cluster, Nodes, Row, nodes
from sizing.data import Environment, Prices, own_stores

GIB = 1024 * MIB
GREATEST_VOLUME = 16_384
"""GiB that settings give one volume at the most."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one environment needs for a load, and what that costs."""

    load: Load
    settings: Settings
    """The settings that this plan is made with: preset, modes, replicas and retentions."""
    rows: tuple[Row, ...]
    volumes: tuple[Volume, ...]
    blobs: Blobs
    nodes: Nodes
    costs: tuple[Cost, ...]
    notes: tuple[str, ...]
    """Documented limits that are passed, why the preset is not the stack file's, and what no preset carries."""

    @property
    def cpu(self) -> float:
        """Cores reserved in all."""
        return sum(row.cpu for row in self.rows)

    @property
    def memory(self) -> float:
        """MiB reserved in all."""
        return sum(row.memory for row in self.rows)

    @property
    def volume_gib(self) -> int:
        """GiB of volumes in all."""
        return sum(volume.number * volume.gibibytes for volume in self.volumes)

    @property
    def total(self) -> float:
        """Money per month."""
        return sum(cost.amount for cost in self.costs)


def plan(environment: Environment, prices: Prices) -> Plan:
    """The least that carries an environment's load and keeps its promises.

    More load never costs less, and never needs less of anything but nodes, of which there may be fewer where greater ones are cheaper.
    """
    choice = choose(environment)
    settings, notes, load = choice.settings, choice.notes, load_of(choice.settings.load)
    volumes = _volumes(load, settings, prices)
    settings = settings.model_copy(update=_grown(settings, volumes))
    blobs = _blobs(load, settings, environment.soft_delete_days)
    needs = {need.component: need for need in _needs(load, settings)}
    cluster = Cluster(load, choice, needs, settings.tempo.mode != environment.settings.tempo.mode)
    found = nodes(cluster, environment, prices)
    if not found.fits:
        notes = (*notes, f"no node size in the prices holds the greatest pod; {found.node.name} is reckoned with: add a greater one")
    notes = (*notes, *_too_great(volumes))
    if choice.lesser:
        other = plan(environment.changed(preset=choice.lesser), prices).total
        money = f"{other:,.0f} {prices.currency} a month"
        notes = (*notes, f"{choice.lesser} would carry this load for {money}; {settings.preset} is what the stack file says")
    costs = tuple(bill(load, environment, prices, found, volumes, blobs))
    return Plan(load, settings, tuple(cluster.rows(found.count)), volumes, blobs, found, costs, notes)


def _needs(load: Load, settings: Settings) -> list[capacity.Need]:
    modes = settings.istio.mode, settings.tempo.mode, settings.loki.mode
    return capacity.needs(load, *modes, capacity.wait_seconds(settings))


def _blobs(load: Load, settings: Settings, soft_delete_days: int) -> Blobs:
    """Each span stands once among what Tempo keeps, as compaction removes the ingesters' copies; but it is deleted once for every copy,
    once for every round of compaction but the last, and once at the end. Loki writes a chunk once: equal chunks of its ingesters have one
    name.
    """
    traces = load.span_mb_per_second * capacity.kept_share(settings) * DAY / 1e3 / k("tempoCompression")
    logs = load.log_mb_per_second * DAY / 1e3 / k("lokiCompression")
    deletions = settings.tempo.replication_factor + k("tempoRounds")
    return Blobs(
        traces * settings.tempo.retention_days,
        logs * settings.loki.retention_days,
        (traces * deletions + logs) * soft_delete_days,
    )


def _volumes(load: Load, settings: Settings, prices: Prices) -> tuple[Volume, ...]:
    """As much as settings say, or more where the load needs it."""
    interval = min(k("scrapeSeconds"), settings.prometheus.scrape_interval_seconds)
    samples = load.active_series / interval * settings.prometheus.retention_days * DAY
    metrics = samples * k("prometheusBytesPerSample") / k("prometheusVolumeFill")
    # what one ingester gets at the most: all there is, until there are more of them
    traces = min(load.span_mb_per_second, k("tempoIngesterMaxMB") if settings.tempo.mode == "distributed" else inf)
    logs = min(load.log_mb_per_second, k("lokiTableMB") / k("lokiIngesters") if settings.loki.mode == "distributed" else inf)
    fresh_traces = traces * settings.tempo.replication_factor * k("tempoBlockSeconds") * 1e6
    fresh_logs = logs * settings.loki.replication_factor * k("lokiVolumeSeconds") * 1e6
    data = {"prometheus": metrics, "tempo": fresh_traces, "loki": fresh_logs}
    wanted = [(store, getattr(settings, store), data[store]) for store in own_stores(settings)]
    if settings.grafana.volume_gi is not None:
        wanted.append(("grafana", settings.grafana, 0))
    sizes = [(store, choice.replicas, max(choice.volume_gi, ceil(needed / GIB))) for store, choice, needed in wanted]
    return tuple(Volume(store, number, gibibytes, prices.billed_gibibytes(gibibytes)) for store, number, gibibytes in sizes)


def changes(environment: Environment, made: Plan) -> tuple[str, ...]:
    """What a stack file must say otherwise to have what was planned: key and value, one each."""
    before, after = environment.settings, made.settings
    keys = ("mode", "replicas", "volume_gi")
    found = [f"preset {after.preset}"] if after.preset != before.preset else []
    for store in own_stores(after):
        old, new = getattr(before, store), getattr(after, store)
        fields = type(new).model_fields
        found += [f"{store}.{fields[key].alias} {getattr(new, key)}" for key in keys if getattr(new, key, 0) != getattr(old, key, 0)]
    tail = after.telemetry.tail_sampling
    if tail is not None and tail.replicas != tail_replicas(before.model_copy(update={"preset": after.preset})):
        found.append(f"telemetry.tailSampling.replicas {tail.replicas}")
    collectors, gateways = after.opentelemetry.collector_replicas, after.istio.gateway_replicas
    if collectors != (before.opentelemetry.collector_replicas or replicas("collector", after.preset)):
        found.append(f"opentelemetry.collectorReplicas {collectors}")
    if after.istio.own_gateway and gateways != (before.istio.gateway_replicas or replicas("gateway", after.preset)):
        found.append(f"istio.gatewayReplicas {gateways}")
    return tuple(found)


def _grown(settings: Settings, volumes: tuple[Volume, ...]) -> dict[str, Model]:
    return {
        v.store: getattr(settings, v.store).model_copy(update={"volume_gi": min(v.gibibytes, GREATEST_VOLUME)})
        for v in volumes
        if v.gibibytes > getattr(settings, v.store).volume_gi
    }


def _too_great(volumes: tuple[Volume, ...]) -> Iterator[str]:
    for volume in volumes:
        if volume.gibibytes > GREATEST_VOLUME:
            yield f"{volume.store} needs a volume of {volume.gibibytes:,} GiB, and {GREATEST_VOLUME:,} is the most: keep its data less long"
