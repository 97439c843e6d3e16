"""What a load takes, and whether a stack's preset gives it. Pure; every figure comes from components/coefficients.yaml, with its source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import Literal, NamedTuple

from components.charts import ROOT
from components.footprint import Workload, workloads
from components.merge import read_yaml
from components.presets import PRESETS
from components.settings import LoadSettings, Preset, Settings
from components.tail_sampling import DECISION_SECONDS, LATE_SECONDS

DAY = 86_400
MIB = 1024 * 1024
FEWEST_NODES = 3


class Coefficient(NamedTuple):
    """A figure with its unit, and who published or measured it."""

    value: float
    unit: str
    source: str


@cache
def coefficients() -> Mapping[str, Coefficient]:
    """Every coefficient, by name."""
    return {name: Coefficient(**entry) for name, entry in read_yaml(ROOT / "components" / "coefficients.yaml").items()}


def k(name: str) -> float:
    """The value of one coefficient. KeyError for a name the file does not have."""
    return coefficients()[name].value


@dataclass(frozen=True, slots=True)
class Load:
    """What a stack has to carry at its busiest; 0 where nobody said."""

    pods: int = 0
    requests_per_second: float = 0
    spans_per_second: float = 0
    log_mb_per_second: float = 0
    active_series: int = 0

    @property
    def span_mb_per_second(self) -> float:
        """Megabytes of spans a second."""
        return self.spans_per_second * k("bytesPerSpan") / 1e6

    @property
    def log_gb_per_day(self) -> float:
        """Gigabytes of logs a day."""
        return self.log_mb_per_second * DAY / 1e3


class Need(NamedTuple):
    """What one component needs for a load, over all its replicas."""

    component: str
    cpu: float
    """Cores."""
    memory: float
    """MiB."""
    what: str
    """The part of the load that asks for it, in words."""
    whole: bool = False
    """Every replica needs all of it, as when each holds the same state."""


Mesh = Literal["sidecar", "ambient"]
Traces = Literal["single", "distributed"]
Logs = Literal["monolithic", "distributed"]

TEMPO_PARTS = ("distributor", "ingester", "compactor")
"""Parts of Tempo whose needs are published; what queries take depends on the queries."""
LOKI_PARTS = ("distributor", "ingester", "querier", "query-frontend", "query-scheduler", "index-gateway", "compactor")


def load_of(stated: LoadSettings) -> Load:
    """The load that settings state."""
    return Load(
        stated.pods or 0,
        stated.requests_per_second or 0,
        stated.spans_per_second or 0,
        stated.log_mb_per_second or 0,
        stated.active_series or 0,
    )


def fewest_nodes(load: Load) -> int:
    """The fewest nodes that the pods of a load can be on, so the most that each node gets."""
    return max(FEWEST_NODES, ceil(load.pods / k("podsPerNode")))


def needs(load: Load, mesh: Mesh, traces: Traces, logs: Logs, wait_seconds: int | None = None) -> list[Need]:
    """What each component needs; components that no figure is published for are not in it.

    `wait_seconds` is how long tail sampling holds a trace before it decides; None where there is none. Tempo is sized for all spans
    all the same: when everything fails, everything is kept.
    """
    return [*_pipeline(load), *_tail(load, wait_seconds), *_mesh(load, mesh), *_metrics(load), *_traces(load, traces), *_logs(load, logs)]


def _pipeline(load: Load) -> Iterator[Need]:
    records = load.log_mb_per_second * 1e6 / k("bytesPerLogRecord")
    cpu = load.spans_per_second / k("collectorSpansPerCpu") + records / k("collectorLogsPerCpu")
    yield Need("collector", cpu, _from_mb(cpu * k("collectorMBPerCpu")), _words(_spans(load), _log_rate(load)))
    mebibytes = load.log_mb_per_second * 1e6 / MIB
    yield Need("alloy", mebibytes * k("alloyCpuPerMiB"), mebibytes * k("alloyMiBPerMiB"), _log_rate(load))


def _tail(load: Load, wait_seconds: int | None) -> Iterator[Need]:
    if wait_seconds is None:
        return
    spans = load.spans_per_second * (wait_seconds + DECISION_SECONDS) * k("tailBytesPerSpan")
    # as many as there are spans: a trace may be a single one
    decisions = 2 * load.spans_per_second * LATE_SECONDS * k("tailBytesPerDecision")
    memory = (spans + decisions) / MIB / k("tailMemoryFill")
    yield Need("tail-collector", load.spans_per_second / k("collectorSpansPerCpu"), memory, f"{_spans(load)} held for {wait_seconds} s")


def wait_seconds(settings: Settings) -> int | None:
    """How long tail sampling holds a trace; None where there is none."""
    chosen = settings.telemetry.tail_sampling
    return chosen.decision_wait_seconds if chosen else None


def kept_share(settings: Settings) -> float:
    """Share of the spans that reach the collector which ends in the trace store, on an ordinary day."""
    chosen = settings.telemetry.tail_sampling
    if chosen is None:
        return 1
    return k("tailStandsOut") + (1 - k("tailStandsOut")) * chosen.percentage / 100


def _mesh(load: Load, mesh: Mesh) -> Iterator[Need]:
    requests = f"{load.requests_per_second:,g} requests/s"
    cpu, memory = load.pods / k("istiodPodsPerCpu"), _from_mb(load.pods * k("istiodMBPerPod"))
    yield Need("istiod", cpu, memory, f"{load.pods:,} pods", whole=True)
    yield Need("gateway", load.requests_per_second * k("proxyCpuPerRequest"), _from_mb(k("proxyMB")), requests, whole=False)
    passes = load.requests_per_second * k("proxiesPerRequest")
    if mesh == "ambient":
        yield Need("ztunnel", passes * k("ztunnelCpuPerRequest"), _from_mb(k("ztunnelMB")), requests)
        yield Need("waypoints", load.requests_per_second * k("waypointCpuPerRequest"), _from_mb(k("proxyMB")), requests)
    else:
        yield Need(
            "sidecars", passes * k("proxyCpuPerRequest"), _from_mb(load.pods * k("proxyMB")), _words(f"{load.pods:,} pods", requests)
        )


def _metrics(load: Load) -> Iterator[Need]:
    memory = load.active_series * k("prometheusBytesPerSeries") / MIB
    yield Need("prometheus", load.active_series / k("prometheusSeriesPerCpu"), memory, f"{load.active_series:,} active series")


def _traces(load: Load, mode: Traces) -> Iterator[Need]:
    megabytes = load.span_mb_per_second
    parts = {
        part: (megabytes * k(f"tempo{part.title()}CpuPerMB"), _from_mb(megabytes * k(f"tempo{part.title()}MBPerMB")))
        for part in TEMPO_PARTS
    }
    what = f"{_spans(load)} ({megabytes:.1f} MB/s)"
    yield from _whole_or_parts("tempo", parts, what, mode == "distributed")


def _logs(load: Load, mode: Logs) -> Iterator[Need]:
    share = load.log_mb_per_second / k("lokiTableMB")
    parts = {}
    for part in LOKI_PARTS:
        name = "".join(word.title() for word in part.split("-"))
        parts[part] = (share * k(f"loki{name}Cpu"), share * k(f"loki{name}GiB") * 1024)
    yield from _whole_or_parts("loki", parts, _log_rate(load), mode == "distributed")


def _whole_or_parts(store: str, parts: Mapping[str, tuple[float, float]], what: str, distributed: bool) -> Iterator[Need]:
    if distributed:
        for part, (cpu, memory) in parts.items():
            yield Need(f"{store}-{part}", cpu, memory, what)
    else:
        yield Need(store, sum(cpu for cpu, _ in parts.values()), sum(memory for _, memory in parts.values()), what)


def shortfalls(settings: Settings, running: Sequence[Workload] | None = None, nodes: int | None = None) -> list[str]:
    """One line for each component that a stack's preset does not give what its stated load needs, or that should not run as one.

    `running` spares a caller who knows the stack's workloads already from having them read again. `nodes` is how many share what
    daemons do; default: the fewest that the load's pods can be on.
    """
    load = load_of(settings.load)
    count = nodes or fewest_nodes(load)
    found = {workload.component: workload for workload in (workloads(settings) if running is None else running)}
    lines = []
    for need in needs(load, settings.istio.mode, settings.tempo.mode, settings.loki.mode, wait_seconds(settings)):
        if need.component in found:  # proxies of the applications are as many as these have pods
            lines += _short(settings, need, found[need.component], count)
    return [*lines, *past_limits(settings)]


def _short(settings: Settings, need: Need, workload: Workload, nodes: int) -> Iterator[str]:
    if workload.replicas is None and settings.preset == PRESETS[-1]:
        return  # more nodes carry more, and how many there are is not the program's to say
    (limits,) = (size for container, size in workload.containers.items() if container != "config-reloader")
    count = 1 if need.whole else workload.pods(nodes)
    for wanted, limit, unit in ((need.cpu, limits.cpu_limit / 1000, "CPU"), (need.memory, limits.memory_limit, "MiB of memory")):
        if wanted > limit * count:
            figures = (f"{wanted:.2f}", f"{limit * count:.2f}") if unit == "CPU" else (f"{wanted:,.0f}", f"{limit * count:,.0f}")
            several = f" in {count} pods" if count > 1 else ""
            yield (
                f"preset is {settings.preset}: {need.what} need {figures[0]} {unit} of {_name(need.component)}, "
                f"{settings.preset} gives {figures[1]}{several}{_remedy(need.component, settings.preset)}"
            )


def past_limits(settings: Settings) -> list[str]:
    """One line for each store that runs as one process beyond what its documentation says one process carries."""
    load, lines = load_of(settings.load), []
    if settings.tempo.mode == "single" and load.spans_per_second > k("tempoSingleMaxSpans"):
        lines.append(
            f"tempo.mode is single: {_spans(load)} pass what one Tempo is documented to carry, {k('tempoSingleMinSpans'):,g} to "
            f"{k('tempoSingleMaxSpans'):,g} spans/s; use distributed"
        )
    if settings.loki.mode == "monolithic" and load.log_gb_per_day > k("lokiMonolithicGBPerDay"):
        lines.append(
            f"loki.mode is monolithic: {_log_rate(load)} are {load.log_gb_per_day:,.0f} GB a day, and it is documented for about "
            f"{k('lokiMonolithicGBPerDay'):g}; use distributed"
        )
    return lines


_NAMES = {
    "collector": "the collector",
    "tail-collector": "the collector that decides",
    "gateway": "the gateway",
    "istiod": "istiod",
    "prometheus": "Prometheus",
    "alloy": "Alloy",
}
_REMEDIES = {
    "collector": "opentelemetry.collectorReplicas",
    "tail-collector": "telemetry.tailSampling.replicas or a shorter decisionWaitSeconds",
    "gateway": "istio.gatewayReplicas",
    "tempo": "tempo.mode distributed",
    **{f"tempo-{part}": "tempo.replicas" for part in TEMPO_PARTS},
    **{f"loki-{part}": "loki.replicas" for part in ("distributor", "ingester", "querier")},
}
"""What settings can do beside a greater preset."""


def _name(component: str) -> str:
    store, _, part = component.partition("-")
    return _NAMES.get(component, f"{store.title()}'s {part}" if part else component.title())


def _remedy(component: str, preset: Preset) -> str:
    ways = ["a greater preset"] if preset != PRESETS[-1] else []
    ways += [_REMEDIES[component]] if component in _REMEDIES else []
    return f"; {' or '.join(ways)} gives more" if ways else "; no setting gives more"


def _from_mb(megabytes: float) -> float:
    return megabytes * 1e6 / MIB


def _spans(load: Load) -> str:
    return f"{load.spans_per_second:,g} spans/s"


def _log_rate(load: Load) -> str:
    return f"{load.log_mb_per_second:g} MB/s of logs"


def _words(*parts: str) -> str:
    """The parts that are not nothing."""
    return " and ".join(part for part in parts if not part.startswith("0 ")) or parts[0]
