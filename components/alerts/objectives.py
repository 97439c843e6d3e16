"""Objectives as rules: what each service promised, what it breaks of it, and alerts when the budget of failures burns too fast.

Multi-window, multi-burn-rate, after the SRE workbook's chapter on alerting: an alert needs a long window, so that it means something, and a
short one, so that it ends when the trouble ends. Everything is reckoned from Istio's own request metrics.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from components.alerts.rules import Alert, Group, Recording, Severity
from components.settings import Settings
from components.settings_alerting import SloSettings

RUNBOOK = "objectives"
PERIOD_DAYS = 30
"""What an objective is about; the budget shown covers as much of it as Prometheus keeps."""
GRPC_SERVER_FAULTS = "2|4|12|13|14|15"
"""Unknown, DeadlineExceeded, Unimplemented, Internal, Unavailable, DataLoss: what OpenTelemetry's conventions call a server's error."""

REQUESTS, BAD, BUDGET, LEFT = "slo:requests:rate5m", "slo:bad_requests:rate5m", "slo:error_budget:ratio", "slo:error_budget:left"


class Burn(NamedTuple):
    """How many times faster than the budget allows failures must come, over both windows, to be told."""

    factor: float
    long: str
    short: str
    severity: Severity


BURNS = (
    Burn(14.4, "1h", "5m", "critical"),  # a fiftieth of the month's budget in an hour
    Burn(6, "6h", "30m", "critical"),  # a twentieth in six hours
    Burn(3, "1d", "2h", "warning"),  # a tenth in a day
    Burn(1, "3d", "6h", "warning"),  # a tenth in three days
)


def ratio(window: str) -> str:
    """Name of the series that says which share of requests was bad over a window."""
    return f"slo:bad_requests:ratio{window}"


def reporters(settings: Settings) -> str:
    """Matcher of the side that reports each request once, also when nobody was there to answer it.

    The server's own report (`destination`) knows nothing of requests that never reached it. With sidecars that is the client's proxy or the
    gateway (`source`); in ambient mode waypoints report what pods send, and the gateway, which goes past them, what comes from outside.
    """
    return 'reporter=~"source|waypoint"' if settings.istio.mode == "ambient" else 'reporter="source"'


def _selector(slo: SloSettings, settings: Settings) -> str:
    return f'{reporters(settings)}, destination_service_name="{slo.service}", destination_service_namespace="{slo.namespace}"'


def boundary(milliseconds: float) -> str:
    """Matcher of one bucket, however its bound is spelt: Envoy writes 250, Prometheus 3 stores 250.0 (model/labels/float.go)."""
    written = str(int(milliseconds)) if milliseconds.is_integer() else str(milliseconds)
    stored = f"{milliseconds:g}" if milliseconds >= 1e6 else str(milliseconds)
    spellings = "|".join(dict.fromkeys((written, stored)))
    return 'le=~"' + spellings.replace(".", r"\\.").replace("+", r"\\+") + '"'


def budget(objective: float) -> float:
    """Share of requests that an objective (in per cent) lets fail."""
    return round(1 - objective / 100, 9)


def labels(slo: SloSettings, objective: str) -> dict[str, str]:
    """What every series of an objective carries."""
    return {"slo": slo.name, "namespace": slo.namespace, "service": slo.service, "objective": objective}


def _availability(slo: SloSettings, settings: Settings) -> Iterator[Recording]:
    mine, selector = labels(slo, "availability"), _selector(slo, settings)
    failed = f'istio_requests_total{{{selector}, response_code=~"5.."}}'
    faulty = f'istio_requests_total{{{selector}, response_code!~"5..", grpc_response_status=~"{GRPC_SERVER_FAULTS}"}}'
    yield Recording(BUDGET, f"vector({budget(slo.objective):.9g})", mine)
    yield Recording(REQUESTS, f"sum(rate(istio_requests_total{{{selector}}}[5m]))", mine)
    # a service that never failed has no such series, and that is none at all, not nothing known
    yield Recording(BAD, f"(sum(rate({failed}[5m])) or vector(0)) + (sum(rate({faulty}[5m])) or vector(0))", mine)


def _latency(slo: SloSettings, settings: Settings) -> Iterator[Recording]:
    if slo.latency_ms is None or slo.latency_objective is None:
        return
    mine, selector = labels(slo, "latency"), _selector(slo, settings)
    all_of_them = f"sum(rate(istio_request_duration_milliseconds_count{{{selector}}}[5m]))"
    fast = f"sum(rate(istio_request_duration_milliseconds_bucket{{{selector}, {boundary(slo.latency_ms)}}}[5m]))"
    yield Recording(BUDGET, f"vector({budget(slo.latency_objective):.9g})", mine)
    yield Recording(REQUESTS, all_of_them, mine)
    yield Recording(BAD, f"clamp_min({all_of_them} - {fast}, 0)", mine)


def _ratios() -> Iterator[Recording]:
    """Shares over every window, of all objectives at once. Sums of rates weigh each moment by its requests; averages of shares do not."""
    yield Recording(ratio("5m"), f"{BAD} / {REQUESTS}")
    for window in ("30m", "1h", "2h", "6h", "1d", "3d"):
        yield Recording(ratio(window), f"sum_over_time({BAD}[{window}]) / sum_over_time({REQUESTS}[{window}])")


def _burning() -> Iterator[Alert]:
    for burn in BURNS:
        limit = f"{burn.factor:g} * {BUDGET}"
        yield Alert(
            name="ObjectiveBurnsFast" if burn.severity == "critical" else "ObjectiveBurnsSlowly",
            severity=burn.severity,
            expr=f"{ratio(burn.long)} > {limit} and {ratio(burn.short)} > {limit}",
            summary="{{ $labels.slo }}: its budget for {{ $labels.objective }} burns at "
            f"{burn.factor:g} times the pace that lasts a month",
            description="{{ $value | humanizePercentage }} of the requests to {{ $labels.service }} in {{ $labels.namespace }} broke its "
            f"{{{{ $labels.objective }}}} objective over the last {burn.long}, and it goes on.",
            runbook=RUNBOOK,
            labels={"long": burn.long, "short": burn.short},
        )


def _unmeasured() -> Alert:
    return Alert(
        name="ObjectiveUnmeasured",
        severity="info",
        expr=f"{BUDGET} unless ({REQUESTS} and {BAD})",
        hold="1h",
        summary="{{ $labels.slo }}: nothing is known of its {{ $labels.objective }}",
        description="For an hour no proxy has reported a request to {{ $labels.service }} in {{ $labels.namespace }}, or none with the "
        "bucket of its latency objective.",
        runbook=RUNBOOK,
    )


def period_days(settings: Settings) -> int:
    """How many days the budget shown covers: thirty, or what Prometheus keeps if that is less."""
    return min(PERIOD_DAYS, settings.prometheus.retention_days)


def groups(settings: Settings) -> list[Group]:
    """Rules of every objective; none where there is none."""
    if not settings.slos:
        return []
    recordings = [r for slo in settings.slos for part in (_availability, _latency) for r in part(slo, settings)]
    days = f"{period_days(settings)}d"
    left = f"1 - sum_over_time({BAD}[{days}]) / sum_over_time({REQUESTS}[{days}]) / {BUDGET}"
    return [
        Group("objectives", [*recordings, *_ratios(), *_burning(), _unmeasured()]),
        # a month of samples, so not as often
        Group("objectives-budget", [Recording(LEFT, left, {"period": days})], interval="5m"),
    ]
