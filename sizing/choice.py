"""Which settings carry a load: modes, replicas and the least preset, with the reason where a documented limit decides. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import ceil
from typing import NamedTuple

from components import capacity
from components.capacity import FEWEST_NODES, Load, Logs, Need, Traces, k, load_of
from components.footprint import Workload, workloads
from components.presets import PRESETS, replicas, size
from components.settings import LoadSettings, Preset, Settings
from components.tail_sampling import tail_replicas
from sizing.data import Environment

MOST_REPLICAS = 100
"""What settings take at most; what that does not carry is said."""


class Choice(NamedTuple):
    """Settings, what they run, and what has to be said about them."""

    settings: Settings
    running: tuple[Workload, ...]
    notes: tuple[str, ...]
    lesser: Preset | None
    """The least preset that would carry the load too, where the stack file's own is more than that."""


def choose(environment: Environment) -> Choice:
    """The environment's settings, raised as far as its load asks; as far as they go, with what they lack, where nothing carries it."""
    load, base = load_of(environment.settings.load), environment.settings
    traces, why_traces = _trace_mode(load)
    logs, why_logs = _log_mode(load)
    traces = "distributed" if base.tempo.mode == "distributed" else traces
    logs = "distributed" if base.loki.mode == "distributed" else logs
    # what one process of Tempo no longer carries is at least as much as the greatest preset gives it
    least = PRESETS[-1] if traces != base.tempo.mode else base.preset
    raised: list[str] = []
    if least != base.preset:
        raised = [f"preset {least} instead of {base.preset}: Tempo's parts begin where one process of the greatest preset ends"]
    for preset in PRESETS[PRESETS.index(least) :]:
        settings, running = _raised(load, environment, traces, logs, preset)
        short = _short(settings, running)
        if not short or preset == PRESETS[-1]:
            notes = (*why_traces, *why_logs, *raised, *short)
            return Choice(settings, running, notes, _lesser(load, environment, settings))
        following = PRESETS[PRESETS.index(preset) + 1]
        raised += [f"preset {following} instead of {preset}: {_reason(line)}" for line in short]
    raise AssertionError("the presets end with the greatest")


def _reason(shortfall: str) -> str:
    """What a line of capacity.shortfalls says after the preset, without what a plan does anyway."""
    figures, _, remedy = shortfall.partition(": ")[2].partition("; ")
    other = remedy.removeprefix("a greater preset").removeprefix(" or ").removesuffix("gives more").strip()
    return f"{figures}; the other way is {other}" if other else figures


def _short(settings: Settings, running: tuple[Workload, ...]) -> list[str]:
    # on the fewest nodes, or more pods, which are on more nodes, could do with a smaller preset
    return capacity.shortfalls(settings, running, FEWEST_NODES)


def _lesser(load: Load, environment: Environment, chosen: Settings) -> Preset | None:
    for preset in PRESETS[: PRESETS.index(chosen.preset)] if chosen.preset == environment.settings.preset else ():
        if not _short(*_raised(load, environment, chosen.tempo.mode, chosen.loki.mode, preset)):
            return preset
    return None


def _log_mode(load: Load) -> tuple[Logs, list[str]]:
    limit = capacity.coefficients()["lokiMonolithicGBPerDay"]
    if load.log_gb_per_day <= k("lokiMonolithicGBPerDay"):
        return "monolithic", []
    day = f"{load.log_gb_per_day:,.0f} GB of logs a day"
    return "distributed", [
        f"Loki in distributed mode: {day}, and the monolithic mode is documented for about {limit.value:g} ({limit.source})"
    ]


def _trace_mode(load: Load) -> tuple[Traces, list[str]]:
    """Distributed where one Tempo is past its documented limit, or past what the greatest preset gives to one."""
    if load.spans_per_second > k("tempoSingleMinSpans"):
        reason = (
            f"{load.spans_per_second:,g} spans/s, and one process is documented up to {k('tempoSingleMinSpans'):,g} to "
            f"{k('tempoSingleMaxSpans'):,g} ({capacity.coefficients()['tempoSingleMinSpans'].source})"
        )
        return "distributed", [f"Tempo in distributed mode: {reason}"]
    need, limits = _one_tempo(load), size("tempo", PRESETS[-1])
    if need.cpu > limits.cpu_limit / 1000 or need.memory > limits.memory_limit:
        reason = f"{need.what} need {need.cpu:.1f} CPU and {need.memory:,.0f} MiB, more than the greatest preset gives to one process"
        return "distributed", [f"Tempo in distributed mode: {reason}"]
    return "single", []


def _one_tempo(load: Load) -> Need:
    (need,) = [n for n in capacity.needs(load, "sidecar", "single", "monolithic") if n.component == "tempo"]
    return need


def one_tempo_at_its_greatest() -> Need:
    """What one Tempo needs at the most that the greatest preset, or its documentation, lets it carry."""
    limits, each = size("tempo", PRESETS[-1]), _one_tempo(Load(spans_per_second=1))
    spans = min(limits.cpu_limit / 1000 / each.cpu, limits.memory_limit / each.memory, k("tempoSingleMinSpans"))
    return _one_tempo(Load(spans_per_second=spans))


def _raised(load: Load, environment: Environment, traces: Traces, logs: Logs, preset: Preset) -> tuple[Settings, tuple[Workload, ...]]:
    base = environment.settings
    needs = {n.component: n for n in capacity.needs(load, base.istio.mode, traces, logs, capacity.wait_seconds(base))}
    ingesters = load.span_mb_per_second / k("tempoIngesterMaxMB") if traces == "distributed" else 1
    loki = load.log_mb_per_second * k("lokiIngesters") / k("lokiTableMB") if logs == "distributed" else 1
    settings, running = _configured(
        environment,
        preset,
        (traces, _replicas(ingesters, base.tempo.replicas)),
        (logs, _replicas(loki, base.loki.replicas)),
        # as many as one core each carries, which every preset gives
        _replicas(needs["collector"].cpu, base.opentelemetry.collector_replicas or replicas("collector", preset)),
        _replicas(needs["gateway"].cpu, base.istio.gateway_replicas or replicas("gateway", preset)),
        _deciding(needs, base.model_copy(update={"preset": preset})),
    )
    return settings.model_copy(update={"load": base.load}), running


def _deciding(needs: Mapping[str, Need], settings: Settings) -> int:
    """Collectors of tail sampling: as many as the load takes of those that the preset makes; 0 where there are none."""
    if settings.telemetry.tail_sampling is None:
        return 0
    need, each = needs["tail-collector"], size("tail-collector", settings.preset)
    return _replicas(max(need.cpu / each.cpu_limit * 1000, need.memory / each.memory_limit), tail_replicas(settings))


def _replicas(wanted: float, least: int) -> int:
    return min(MOST_REPLICAS, max(least, ceil(wanted)))


@lru_cache(maxsize=1024)
def _configured(
    environment: Environment,
    preset: Preset,
    tempo: tuple[Traces, int],
    loki: tuple[Logs, int],
    collectors: int,
    gateways: int,
    deciding: int,
) -> tuple[Settings, tuple[Workload, ...]]:
    base = environment.settings
    changes = {
        "preset": preset,
        "load": LoadSettings(),
        "istio": base.istio.model_copy(update={"gateway_replicas": gateways}),
        "opentelemetry": base.opentelemetry.model_copy(update={"collector_replicas": collectors}),
        "tempo": base.tempo.model_copy(update={"mode": tempo[0], "replicas": tempo[1]}),
        "loki": base.loki.model_copy(update={"mode": loki[0], "replicas": loki[1]}),
    }
    tail = base.telemetry.tail_sampling
    if tail is not None:
        changes["telemetry"] = base.telemetry.model_copy(update={"tail_sampling": tail.model_copy(update={"replicas": deciding})})
    settings = base.model_copy(update=changes)
    return settings, tuple(workloads(settings))
