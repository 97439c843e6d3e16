"""The mesh's control plane: does istiod reach every proxy, how fast, and what does it refuse."""

from __future__ import annotations

from components.dashboards import links
from components.dashboards.kit import RATE, Kit, Panel, Row, build, quantiles

PODS = 'container="discovery"'


def proxies(kit: Kit) -> Panel:
    return kit.number("Proxies", "Proxies that istiod configures now.", "short", "sum(pilot_xds)")


def services(kit: Kit) -> Panel:
    return kit.number("Services", "Services that istiod knows.", "short", "max(pilot_services)")


def rejected(kit: Kit) -> Panel:
    expr = f"sum(rate(pilot_total_xds_rejects[{RATE}]))"
    return kit.number("Rejected configuration", "Configurations a second that a proxy refused; it keeps the old one.", "cps", expr)


def root(kit: Kit) -> Panel:
    expr = "min(citadel_server_root_cert_expiry_timestamp) - time()"
    return kit.number("Root certificate", "How long the mesh's root certificate is still valid.", "s", expr)


def versions(kit: Kit) -> Panel:
    query = ("sum by (component, tag) (istio_build)", "{{component}} {{tag}}")
    return kit.series("Versions", "Running parts of the mesh by version; two of one kind are an upgrade under way.", "short", query)


def convergence(kit: Kit) -> Panel:
    description = "From a change in the cluster to the proxy that has it."
    return kit.series("Time to every proxy", description, "s", *quantiles("pilot_proxy_convergence_time", ""))


def pushes(kit: Kit) -> Panel:
    query = (f"sum by (type) (rate(pilot_xds_pushes[{RATE}]))", "{{type}}")
    return kit.series("Pushes", "Configurations a second that istiod sends, by type; senderr are those that did not arrive.", "cps", query)


def triggers(kit: Kit) -> Panel:
    query = (f"sum by (type) (rate(pilot_push_triggers[{RATE}]))", "{{type}}")
    return kit.series("What makes it push", "Reasons a second to send configuration again.", "cps", query)


def validation(kit: Kit) -> Panel:
    return kit.series(
        "Validation",
        "Istio's own objects a second that its webhook let pass or refused.",
        "cps",
        (f"sum(rate(galley_validation_passed[{RATE}]))", "passed"),
        (f"sum(rate(galley_validation_failed[{RATE}]))", "refused"),
    )


def injection(kit: Kit) -> Panel:
    return kit.series(
        "Injection",
        "Pods a second that were given a proxy, or should have been and were not.",
        "cps",
        (f"sum(rate(sidecar_injection_success_total[{RATE}]))", "injected"),
        (f"sum(rate(sidecar_injection_failure_total[{RATE}]))", "failed"),
    )


def cpu(kit: Kit) -> Panel:
    query = (f"sum by (pod) (rate(container_cpu_usage_seconds_total{{{PODS}}}[{RATE}]))", "{{pod}}")
    return kit.series("CPU", "Cores in use by istiod.", "cores", query)


def memory(kit: Kit) -> Panel:
    query = (f"sum by (pod) (container_memory_working_set_bytes{{{PODS}}})", "{{pod}}")
    return kit.series("Memory", "Memory that istiod cannot give back.", "bytes", query)


def log_lines(kit: Kit) -> Panel:
    return kit.logs("Logs", "What istiod says.", '{service_name="istiod"}')


ROWS = (
    Row("Now", (proxies, services, rejected, root)),
    Row("Configuration", (convergence, pushes, triggers, versions)),
    Row("Webhooks", (validation, injection)),
    Row("Pods", (cpu, memory)),
    Row("Logs", (log_lines,)),
)


def board(kit: Kit) -> str:
    """The dashboard's JSON."""
    return build(kit, links.CONTROL_PLANE, "Mesh control plane", "istiod: configuration, webhooks, certificates.", [], ROWS)
