"""One workload: what comes in, what it sends out, and what its pods use."""

from __future__ import annotations

from components.dashboards import links
from components.dashboards.kit import RATE, Kit, Panel, Row, build, quantiles

INCOMING = 'destination_workload_namespace="$namespace", destination_workload="$workload"'
OUTGOING = 'source_workload_namespace="$namespace", source_workload="$workload"'
PODS = 'namespace="$namespace", pod=~"$workload-.*", container!=""'


def _rate(kit: Kit, selector: str, by: str) -> str:
    return f"sum by ({by}) (rate(istio_requests_total{{{kit.reporters}, {selector}}}[{RATE}]))"


def incoming(kit: Kit) -> Panel:
    query = (_rate(kit, INCOMING, "response_code"), "{{response_code}}")
    return kit.series("Requests in", "Requests a second to the workload by the code of its answers.", "reqps", query, service="$workload")


def callers(kit: Kit) -> Panel:
    query = (_rate(kit, INCOMING, "source_workload"), "{{source_workload}}")
    return kit.series("Callers", "Requests a second by who sends them.", "reqps", query, service="source_workload")


def latency(kit: Kit) -> Panel:
    queries = quantiles("istio_request_duration_milliseconds", f"{kit.reporters}, {INCOMING}")
    return kit.series("Latency", "How long its callers wait.", "ms", *queries, service="$workload")


def sizes(kit: Kit) -> Panel:
    chosen = f"{kit.reporters}, {INCOMING}"
    request, response = quantiles("istio_request_bytes", chosen)[1][0], quantiles("istio_response_bytes", chosen)[1][0]
    description = "Nineteen of twenty requests and answers are smaller than this."
    return kit.series("Sizes, p95", description, "bytes", (request, "requests"), (response, "answers"), service="$workload")


def outgoing(kit: Kit) -> Panel:
    query = (_rate(kit, OUTGOING, "destination_service_name"), "{{destination_service_name}}")
    return kit.series(
        "Requests out", "Requests a second that the workload sends, by service.", "reqps", query, service="destination_service_name"
    )


def outgoing_errors(kit: Kit) -> Panel:
    query = (_rate(kit, f'{OUTGOING}, response_code=~"5.."', "destination_service_name"), "{{destination_service_name}}")
    description = "Requests a second that the workload sends and that are answered with a 5xx."
    return kit.series("Errors out", description, "reqps", query, service="destination_service_name")


def cpu(kit: Kit) -> Panel:
    query = (f"sum by (pod, container) (rate(container_cpu_usage_seconds_total{{{PODS}}}[{RATE}]))", "{{pod}} {{container}}")
    return kit.series("CPU", "Cores in use by each container, proxies too.", "cores", query, service="$workload")


def memory(kit: Kit) -> Panel:
    query = (f"sum by (pod, container) (container_memory_working_set_bytes{{{PODS}}})", "{{pod}} {{container}}")
    return kit.series("Memory", "Memory that each container cannot give back, proxies too.", "bytes", query, service="$workload")


def log_lines(kit: Kit) -> Panel:
    return kit.logs("Logs", "What the workload and its proxies say; a line leads to its trace.", '{service_name="$workload"}')


ROWS = (
    Row("In", (incoming, callers, latency, sizes)),
    Row("Out", (outgoing, outgoing_errors)),
    Row("Pods", (cpu, memory)),
    Row("Logs", (log_lines,)),
)


def board(kit: Kit) -> str:
    """The dashboard's JSON."""
    namespace = kit.variable("namespace", "Namespace", "label_values(istio_requests_total, destination_workload_namespace)")
    known = 'istio_requests_total{destination_workload_namespace="$namespace"}'
    workload = kit.variable("workload", "Workload", f"label_values({known}, destination_workload)")
    return build(kit, links.WORKLOAD, "Workload", "One workload of the mesh.", [namespace, workload], ROWS)
