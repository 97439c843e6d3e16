"""Whether tail sampling decides on whole traces, and keeps those that somebody asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from components import tail_sampling
from components.signals.configured import Configured, at
from components.signals.model import Defect


def endpoint(exporter: Mapping[str, Any]) -> str:
    """Where the balancing exporter sends: the host whose addresses it looks up, and the port at each of them."""
    dns = at(exporter, "resolver.dns", {})
    return f"{dns.get('hostname', '')}:{dns.get('port', '')}" if dns else ""


def decided(c: Configured) -> Iterator[Defect]:
    """What would tear traces apart, or throw away the proof's own; nothing without tail sampling."""
    if c.tail is None:
        return
    said = f"collector.config.exporters.{tail_sampling.EXPORTER}"
    balancing = at(c.collector, f"config.exporters.{tail_sampling.EXPORTER}", {})
    key = balancing.get("routing_key", "traceID")
    if balancing and key != "traceID":
        yield Defect(f"{said}.routing_key is {key}: spans of one trace would be decided on apart; must be traceID")
    stages = at(c.tail, "config.service.pipelines.traces.processors", [])
    if tail_sampling.PROCESSOR not in stages:
        yield Defect(f"tail.config.service.pipelines.traces.processors is {stages}: nothing would be decided; must name tail_sampling")
        return
    said = f"tail.config.processors.{tail_sampling.PROCESSOR}.policies"
    states = [at(policy, "trace_state", {}) for policy in at(c.tail, f"config.processors.{tail_sampling.PROCESSOR}.policies", [])]
    if not any(state.get("key") == tail_sampling.MARK and tail_sampling.MARKED in state.get("values", []) for state in states):
        yield Defect(f"{said} keep no trace whose tracestate says {tail_sampling.TRACE_STATE}: the proof's own would be thrown away")
