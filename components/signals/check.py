"""What is wrong with a signal graph, one line for each defect: where it is said, its value, and the rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from components.addresses import SecretKey, Service
from components.grants import ROLE_NAMES
from components.signals import views
from components.signals.configured import at
from components.signals.entrance import BROWSERS, COMMUNITY, DASHBOARD, ENTRA_ID, SIGN_IN, VIEW
from components.signals.listeners import BLOB, OTLP_GRPC, OTLP_HTTP, PUSH, api, over
from components.signals.model import Edge, Link
from components.signals.monitors import MERGED, monitored
from components.signals.reading import Graph, resolve
from components.signals.senders import ACCESS_LOG, LOG, METRIC, SPAN, STDOUT, proxies

TRACE_ID = "trace_id"
"""Loki's name for an OTLP record's trace."""
_SHIFT = re.compile(r"(-?)([0-9]+)(ms|s|m|h|d)")
PLANNED = {
    "otlp_grpc": ("collector", OTLP_GRPC, ""),
    "otlp_http": ("collector", OTLP_HTTP, ""),
    "tail_otlp": ("tail", OTLP_GRPC, ""),
    "tempo_otlp": ("tempo", OTLP_GRPC, ""),
    "tempo": ("tempo", api("tempo"), ""),
    "loki": ("loki", PUSH, "/loki/api/v1/push"),
    "prometheus": ("prometheus", api("prometheus"), ""),
}
"""Field of the address plan to who must listen there, and for what; a field that is None is not planned."""


def defects(g: Graph) -> list[str]:
    """Everything that is wrong with a graph; nothing where all is well."""
    return list(dict.fromkeys(line for rule in RULES for line in rule(g)))


def _readable(g: Graph) -> Iterator[str]:
    yield from g.unreadable


def _nothing_dangles(g: Graph) -> Iterator[str]:
    for found in g.edges:
        if found.target is None:
            yield f"{found.edge.said} is {found.at}: {found.why}"


def _the_plan_is_what_is_configured(g: Graph) -> Iterator[str]:
    for name, (node, protocol, path) in PLANNED.items():
        service: Service | None = getattr(g.configured.topology, name)
        if service is None:
            continue
        said = f"topology.{name}"
        spoken = over(protocol, service.scheme == "https")
        found = resolve(Edge("plan", said, f"{service.authority}{path}", spoken, said), g.listeners)
        if found.target != node:
            yield f"{said} is {found.at}: {found.why or f'that is {found.target}, not {node}'}"


def flows(g: Graph) -> dict[tuple[str, str], str]:
    """Every way a signal must go: signal and source to who must get it."""
    c = g.configured
    seen = {(signal, proxy): "collector" for proxy in proxies(c) for signal in (ACCESS_LOG, SPAN)}
    kinds = {source.get("uid", ""): source.get("type", "") for source in views.datasources(c)}
    asked = {found.edge.signal for found in g.edges}
    return {
        **seen,
        **{(signal, "applications"): "collector" for signal in (SPAN, METRIC, LOG)},
        (STDOUT, "pods"): "alloy",
        (LOG, "alloy"): "loki",
        (SPAN, "collector"): "tail" if c.tail is not None else "tempo",
        **({(SPAN, "tail"): "tempo"} if c.tail is not None else {}),
        (METRIC, "collector"): "prometheus",
        (LOG, "collector"): "loki",
        (SPAN, "tempo"): "generator",
        (METRIC, "generator"): "prometheus",
        ("block", "tempo"): "tempo blobs",
        ("chunk", "loki"): "loki blobs",
        **{("query", f"grafana/{uid}"): kind for uid, kind in kinds.items()},
        **({(VIEW, BROWSERS): "gateway", (VIEW, "gateway"): "grafana"} if c.entrance else {}),
        **{(signal, "grafana"): wanted for signal, wanted in ((SIGN_IN, ENTRA_ID), (DASHBOARD, COMMUNITY)) if signal in asked},
    }


def _every_signal_arrives(g: Graph) -> Iterator[str]:
    for (signal, source), wanted in flows(g).items():
        node, _, uid = source.partition("/")
        sent = [f for f in g.edges if (f.edge.signal, f.edge.source) == (signal, node) and (not uid or f.edge.label == uid)]
        if not sent:
            yield f"{signal}s of {node}: nothing sends them to {wanted}"
        for found in sent:
            if found.target not in (None, wanted):
                yield f"{found.edge.said} is {found.at}: {signal}s go to {wanted}, and that is {found.target}"


def _a_tenant_is_said_where_one_is_wanted(g: Graph) -> Iterator[str]:
    if not at(g.configured.loki, "loki.auth_enabled", True):
        return
    for found in g.edges:
        if found.target == "loki" and found.edge.protocol in (OTLP_HTTP, PUSH) and not found.edge.label:
            yield f"{found.edge.said} names no tenant: loki.auth_enabled is not false, so Loki refuses what lacks X-Scope-OrgID"


def _every_monitor_is_selected(g: Graph) -> Iterator[str]:
    by_kind = {selector.kind: selector for selector in g.selectors}
    for monitor in g.monitors:
        selector = by_kind[monitor.kind]
        said = f"{monitor.kind} {monitor.name} ({monitor.said}) is selected by no Prometheus"
        if not set(selector.labels) <= set(monitor.labels):
            yield f"{said}: {selector.said} wants {_pairs(selector.labels)}"
        # what every namespace has; another label none of ours would have
        if not set(selector.namespaces) <= {("kubernetes.io/metadata.name", monitor.namespace)}:
            where = selector.said.replace("Selector", "NamespaceSelector")
            yield f"{said}: {where} wants {_pairs(selector.namespaces)}, its namespace is {monitor.namespace}"
    for name in monitored(g.configured):
        if name not in {monitor.target for monitor in g.monitors}:
            yield f"metrics of {name}: no monitor scrapes them"


def _pairs(labels: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in labels)


def _merged_metrics_are_merged(g: Graph) -> Iterator[str]:
    if any(m.port == MERGED for m in g.monitors) and at(g.configured.mesh, "enablePrometheusMerge") is not True:
        yield "meshConfig.enablePrometheusMerge is not true: envoy-stats-monitor goes to the merged port 15020"


def _links_lead_somewhere(g: Graph) -> Iterator[str]:
    kinds = dict(g.datasources)
    for link in g.links:
        wanted = views.LINKS[link.name][1]
        if link.to not in kinds:
            yield f"{link.said} opens {link.to or 'nothing'}: there is no such datasource; there are {', '.join(kinds)}"
        elif kinds[link.to] != wanted:
            yield f"{link.said} opens {link.to}: {link.name} needs a datasource of type {wanted}, that one is {kinds[link.to]}"
    there = {(link.name, kinds.get(link.source)) for link in g.links}
    for name, (source, target) in views.LINKS.items():
        if (name, source) not in there:
            yield f"no datasource of type {source} has a link {name}: nothing would lead to {target}"
    for source in views.datasources(g.configured):
        if source.get("type") == "tempo" and at(source, "jsonData.nodeGraph.enabled") is not True:
            yield f"datasource {source.get('uid')} jsonData.nodeGraph.enabled is not true: a trace would have no node graph"


def seconds(shift: str) -> float | None:
    """A time shift as Grafana writes it; None where it is none."""
    found = _SHIFT.fullmatch(shift)
    if found is None:
        return None
    unit = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}[found[3]]
    return (-1 if found[1] else 1) * int(found[2]) * unit


def _shifts_reach_around_the_span(g: Graph) -> Iterator[str]:
    """Grafana's own documentation had the signs the wrong way round (grafana#88421)."""
    ends = (("spanStartTimeShift", -1, "from before it on: negative"), ("spanEndTimeShift", 1, "until after it: positive"))
    for link in (link for link in g.links if link.shifts is not None):
        for (name, sign, rule), shift in zip(ends, link.shifts or (), strict=True):
            if (seconds(shift) or 0) * sign <= 0:
                yield f"{link.said}.{name} is {shift or 'not set'}: what belongs to a span is looked for {rule}"


def _links_go_by_what_is_there(g: Graph) -> Iterator[str]:
    for link in g.links:
        yield from _BY_LINK.get(link.name, lambda _: iter(()))(link)


def _logs_of_a_trace(link: Link) -> Iterator[str]:
    if not re.search(rf"\|\s*{TRACE_ID}\s*=", link.query):
        yield f"{link.said}.query is {link.query or 'not set'}: an OTLP log has its trace id beside its line; must ask `| {TRACE_ID}=`"
    if "service_name" not in link.key.split(","):
        yield f"{link.said}.tags lead to {link.key or 'no label'}: OTLP logs and shipped lines have service_name in common"


def _trace_of_a_log(link: Link) -> Iterator[str]:
    if link.key != TRACE_ID:
        yield f"{link.said} goes by {link.key or 'the text of a line'}: the trace id of an OTLP log is its label {TRACE_ID}"


_BY_LINK: dict[str, Callable[[Link], Iterator[str]]] = {views.TRACE_TO_LOGS: _logs_of_a_trace, views.LOG_TO_TRACE: _trace_of_a_log}


def _exemplars_have_one_label(g: Graph) -> Iterator[str]:
    for link in g.links:
        for writer in g.exemplars if link.name == views.EXEMPLAR_TO_TRACE else ():
            if writer.label != link.key:
                yield f"{link.said} looks for {link.key}: exemplars of {writer.writer} have {writer.label} ({writer.said})"
    spec = at(g.configured.prometheus or {}, "prometheus.prometheusSpec", {})
    if g.configured.prometheus is not None and "exemplar-storage" not in spec.get("enableFeatures", []):
        yield "prometheus.prometheusSpec.enableFeatures lacks exemplar-storage: no metric would lead to a trace"


def _every_need_is_granted(g: Graph) -> Iterator[str]:
    for need in g.needs:
        if not any((grant.account, grant.role, grant.on) == (need.account, need.role, need.on) for grant in g.grants):
            given = ", ".join(f"{grant.account.subject} on {grant.on}" for grant in g.grants if grant.role == need.role) or "nobody"
            role = ROLE_NAMES.get(need.role, need.role)
            yield f"{need.said} is {need.account.name}: {need.account.subject} lacks the role {role} on {need.on}; it is given to {given}"


def _keys_are_there_to_read(g: Graph) -> Iterator[str]:
    written = g.configured.secrets
    for read in g.keys:
        if read.key not in written:
            there = ", ".join(map(_key, written)) or "none"
            yield f"{read.node} {read.said} reads {_key(read.key)}: no layer writes that; written: {there}"
        if read.placeholder != read.variable:
            yield f"{read.node} {read.said} is {read.variable}: its configuration refers to {read.placeholder}"


def _key(key: SecretKey) -> str:
    return f"{key.namespace}/{key.name} {key.key}"


def _every_edge_is_one_that_was_meant(g: Graph) -> Iterator[str]:
    meant = {(signal, source.partition("/")[0]) for signal, source in flows(g)}
    for found in g.edges:
        if (found.edge.signal, found.edge.source) not in meant and found.edge.protocol != BLOB:
            yield f"{found.edge.said} sends {found.edge.signal}s of {found.edge.source}: nobody planned that"


RULES: tuple[Callable[[Graph], Iterator[str]], ...] = (
    _readable,
    _nothing_dangles,
    _the_plan_is_what_is_configured,
    _every_signal_arrives,
    _every_edge_is_one_that_was_meant,
    _a_tenant_is_said_where_one_is_wanted,
    _every_monitor_is_selected,
    _merged_metrics_are_merged,
    _links_lead_somewhere,
    _shifts_reach_around_the_span,
    _links_go_by_what_is_there,
    _exemplars_have_one_label,
    _every_need_is_granted,
    _keys_are_there_to_read,
)
