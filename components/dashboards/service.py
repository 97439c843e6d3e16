"""One service: who calls it, what it answers, how fast, and its logs."""

from __future__ import annotations

from components.dashboards import links
from components.dashboards.kit import RATE, Kit, Panel, Row, build, quantiles

CHOSEN = 'destination_service_namespace="$namespace", destination_service_name="$service"'


def _rate(kit: Kit, more: str = "", by: str = "") -> str:
    return f"sum{f' by ({by})' if by else ''} (rate(istio_requests_total{{{kit.reporters}, {CHOSEN}{more}}}[{RATE}]))"


def request_rate(kit: Kit) -> Panel:
    return kit.number("Requests", "Requests a second to the service.", "reqps", _rate(kit), "$service", 8)


def success(kit: Kit) -> Panel:
    expr = f"""{_rate(kit, ', response_code!~"5.."')} / {_rate(kit)}"""
    return kit.number("Success", "Share of requests that were not answered with a 5xx.", "percentunit", expr, "$service", 8)


def slowest(kit: Kit) -> Panel:
    expr = quantiles("istio_request_duration_milliseconds", f"{kit.reporters}, {CHOSEN}")[-1][0]
    return kit.number("Latency, p99", "Ninety-nine of a hundred requests are faster than this.", "ms", expr, "$service", 8)


def by_code(kit: Kit) -> Panel:
    query = (_rate(kit, by="response_code"), "{{response_code}}")
    return kit.series(
        "Answers", "Requests a second by the code of their answer; 0 is a client that went away.", "reqps", query, service="$service"
    )


def by_grpc_status(kit: Kit) -> Panel:
    query = (_rate(kit, ', request_protocol="grpc"', "grpc_response_status"), "{{grpc_response_status}}")
    return kit.series("gRPC answers", "gRPC requests a second by their status; 0 is OK.", "reqps", query, service="$service")


def flags(kit: Kit) -> Panel:
    query = (_rate(kit, ', response_flags!="-"', "response_flags"), "{{response_flags}}")
    description = "Requests a second that a proxy ended itself: UF no connection, UH no healthy pod, UT timeout, URX retries used up."
    return kit.series("Ended by a proxy", description, "reqps", query, service="$service")


def latency(kit: Kit) -> Panel:
    queries = quantiles("istio_request_duration_milliseconds", f"{kit.reporters}, {CHOSEN}")
    return kit.series("Latency", "How long requests take as their clients' proxies see it.", "ms", *queries, service="$service")


def span_latency(kit: Kit) -> Panel:
    queries = quantiles("traces_spanmetrics_latency", 'service="$service", span_kind="SPAN_KIND_SERVER"')
    description = "How long the service itself took, from its spans; each point leads to one trace."
    return kit.series("Latency of sampled requests", description, "s", *queries, service="$service")


def callers(kit: Kit) -> Panel:
    query = (_rate(kit, by="source_workload_namespace, source_workload"), "{{source_workload_namespace}}/{{source_workload}}")
    return kit.series(
        "Callers", "Requests a second by who sends them; unknown is from outside the mesh.", "reqps", query, service="source_workload"
    )


def log_lines(kit: Kit) -> Panel:
    return kit.logs("Logs", "What the service and the proxies in front of it say; a line leads to its trace.", '{service_name="$service"}')


ROWS = (
    Row("Now", (request_rate, success, slowest)),
    Row("Answers", (by_code, by_grpc_status, flags, callers)),
    Row("Latency", (latency, span_latency)),
    Row("Logs", (log_lines,)),
)


def board(kit: Kit) -> str:
    """The dashboard's JSON."""
    namespace = kit.variable("namespace", "Namespace", "label_values(istio_requests_total, destination_service_namespace)")
    known = 'istio_requests_total{destination_service_namespace="$namespace"}'
    service = kit.variable("service", "Service", f"label_values({known}, destination_service_name)")
    return build(kit, links.SERVICE, "Service", "One service of the mesh.", [namespace, service], ROWS)
