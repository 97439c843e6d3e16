"""The mesh at a glance: how much, how well, how fast, and which services stand out."""

from __future__ import annotations

from components.alerts.health import DROPPED
from components.dashboards import links
from components.dashboards.kit import RATE, Kit, Panel, Row, build, quantiles

SERVICE = "destination_service_namespace, destination_service_name"
LEGEND = "{{destination_service_namespace}}/{{destination_service_name}}"
NAME = "destination_service_name"


def _rate(kit: Kit, more: str = "", by: str = "") -> str:
    return f"sum{f' by ({by})' if by else ''} (rate(istio_requests_total{{{kit.reporters}{more}}}[{RATE}]))"


def request_rate(kit: Kit) -> Panel:
    return kit.number("Requests", "Requests a second in the whole mesh, each counted once.", "reqps", _rate(kit))


def success(kit: Kit) -> Panel:
    expr = f"""{_rate(kit, ', response_code!~"5.."')} / {_rate(kit)}"""
    return kit.number("Success", "Share of requests that were not answered with a 5xx.", "percentunit", expr)


def slowest(kit: Kit) -> Panel:
    expr = quantiles("istio_request_duration_milliseconds", kit.reporters)[-1][0]
    return kit.number("Latency, p99", "Ninety-nine of a hundred requests in the mesh are faster than this.", "ms", expr)


def dropped(kit: Kit) -> Panel:
    expr = f"sum(rate({DROPPED}[{RATE}]))"
    return kit.number("Access logs dropped", "Access logs a second that proxies threw away, as no collector took them.", "cps", expr)


def by_service(kit: Kit) -> Panel:
    return kit.series("Requests by service", "Requests a second to each service.", "reqps", (_rate(kit, by=SERVICE), LEGEND), service=NAME)


def errors(kit: Kit) -> Panel:
    query = (_rate(kit, ', response_code=~"5.."', SERVICE), LEGEND)
    return kit.series("Errors by service", "Requests a second to each service that were answered with a 5xx.", "reqps", query, service=NAME)


def latency(kit: Kit) -> Panel:
    queries = quantiles("istio_request_duration_milliseconds", kit.reporters)
    return kit.series("Latency", "How long requests take as their clients' proxies see it.", "ms", *queries)


def span_latency(kit: Kit) -> Panel:
    queries = quantiles("traces_spanmetrics_latency", 'span_kind="SPAN_KIND_SERVER"')
    return kit.series(
        "Latency of sampled requests", "The same from spans that servers made; each point on it leads to one trace.", "s", *queries
    )


def tcp(kit: Kit) -> Panel:
    return kit.series(
        "TCP",
        "Bytes a second over connections that are not HTTP or gRPC.",
        "Bps",
        (f"sum(rate(istio_tcp_sent_bytes_total{{{kit.reporters}}}[{RATE}]))", "sent"),
        (f"sum(rate(istio_tcp_received_bytes_total{{{kit.reporters}}}[{RATE}]))", "received"),
        span=24,
    )


def services(kit: Kit) -> Panel:
    rate, failed = _rate(kit, by=SERVICE), _rate(kit, ', response_code=~"5.."', SERVICE)
    address = links.dashboard(
        links.SERVICE, namespace="${__data.fields.destination_service_namespace}", service=f"${{__data.fields.{NAME}}}"
    )
    return kit.table(
        "Services",
        "Every service with its traffic and its errors, in requests a second; a click opens it.",
        "reqps",
        (rate, "Requests"),
        (failed, "Errors"),
        target=("Open the service", address),
    )


ROWS = (
    Row("Now", (request_rate, success, slowest, dropped)),
    Row("Traffic", (by_service, errors, latency, span_latency, tcp)),
    Row("Services", (services,)),
)


def board(kit: Kit) -> str:
    """The dashboard's JSON."""
    return build(kit, links.MESH, "Mesh", "All traffic of the mesh.", [], ROWS)
