"""Which settings carry a load: modes, replicas and the least preset, with the reason where a documented limit decides. Pure."""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from typing import NamedTuple

from components import capacity
from components.capacity import FEWEST_NODES, Load, Logs, Mesh, Need, Traces, k
from components.footprint import Workload, workloads
from components.presets import PRESETS, size
from components.settings import LoadSettings, Preset, Settings
from sizing.data import Environment

MOST_REPLICAS = 100
"""What settings take at most; what that does not carry is said."""


class Choice(NamedTuple):
    """Settings, what they run, and what has to be said about them."""

    settings: Settings
    running: tuple[Workload, ...]
    notes: tuple[str, ...]


def choose(load: Load, environment: Environment, mesh: Mesh) -> Choice:
    """The least settings that carry a load and keep the environment's promises; the greatest, with what they lack, where none do."""
    traces, why_traces = _trace_mode(load)
    logs, why_logs = _log_mode(load)
    # what one process of Tempo no longer carries is at least as much as the greatest preset gives it
    least = PRESETS[-1] if traces == "distributed" else environment.least_preset
    for preset in PRESETS[PRESETS.index(least) :]:
        settings, running = _settings(load, environment, mesh, traces, logs, preset)
        # on the fewest nodes, or more pods, which are on more nodes, could do with a smaller preset
        short = capacity.shortfalls(settings, running, FEWEST_NODES)
        if not short or preset == PRESETS[-1]:
            return Choice(settings, running, (*why_traces, *why_logs, *short))
    raise AssertionError("the presets end with the greatest")


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


def _settings(
    load: Load, environment: Environment, mesh: Mesh, traces: Traces, logs: Logs, preset: Preset
) -> tuple[Settings, tuple[Workload, ...]]:
    needs = {n.component: n for n in capacity.needs(load, mesh, traces, logs)}
    least = environment.store_replicas
    ingesters = _replicas(load.span_mb_per_second / k("tempoIngesterMaxMB"), least) if traces == "distributed" else 1
    loki = _replicas(load.log_mb_per_second * k("lokiIngesters") / k("lokiTableMB"), least) if logs == "distributed" else least
    settings, running = _configured(
        preset,
        mesh,
        (traces, ingesters, least if traces == "distributed" else 1),
        (logs, loki, least),
        # as many as one core each carries, which every preset gives
        _replicas(needs["collector"].cpu, environment.replicas),
        _replicas(needs["gateway"].cpu, environment.replicas),
    )
    stated = {
        "pods": load.pods,
        "requestsPerSecond": load.requests_per_second,
        "spansPerSecond": load.spans_per_second,
        "logMBPerSecond": load.log_mb_per_second,
        "activeSeries": load.active_series,
    }
    return settings.model_copy(update={"load": LoadSettings.model_validate(stated)}), running


def _replicas(wanted: float, least: int) -> int:
    return min(MOST_REPLICAS, max(least, ceil(wanted)))


@lru_cache(maxsize=256)
def _configured(
    preset: Preset, mesh: Mesh, tempo: tuple[Traces, int, int], loki: tuple[Logs, int, int], collectors: int, gateways: int
) -> tuple[Settings, tuple[Workload, ...]]:
    settings = Settings.model_validate(
        {
            "preset": preset,
            "istio": {"mode": mesh, "gatewayReplicas": gateways},
            "opentelemetry": {"collectorReplicas": collectors},
            "tempo": {"mode": tempo[0], "replicas": tempo[1], "replicationFactor": tempo[2]},
            "loki": {"mode": loki[0], "replicas": loki[1], "replicationFactor": loki[2]},
        }
    )
    return settings, tuple(workloads(settings))
