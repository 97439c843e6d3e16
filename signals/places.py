"""Where the proof finds what runs here: the same places as in a cluster, through the one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components import grafana, sample_app
from rehearsal.errors import RehearsalError
from signals.run import NO_MESH_METRICS, Signals
from signals.sink import NO_METRICS
from verify import links
from verify.evidence import ISTIO_METRICS, SPAN_METRICS, Places, Subject
from verify.stores import Endpoint, NoAnswer


def of(signals: Signals, datasources: list[dict[str, Any]] | None = None) -> Places:
    """The places of what runs; `datasources` in the place of those that the program provisions."""
    topology, table = signals.stack.topology, signals.table

    def reach(source: Mapping[str, Any]) -> Endpoint:
        url = table.here(source["url"])
        if url == source["url"]:
            raise NoAnswer(f"{url} is no address of the plan")
        return Endpoint(url)

    return Places(
        gateway=table.url(topology.gateway),
        tempo=Endpoint(table.url(topology.tempo)),
        loki=Endpoint(table.url(topology.loki)),
        prometheus=Endpoint(table.url(topology.prometheus)),
        datasources=links.provisioned(grafana.datasources(topology)) if datasources is None else datasources,
        reach=reach,
        absent={ISTIO_METRICS: NO_MESH_METRICS, **({SPAN_METRICS: NO_METRICS} if signals.sink else {})},
    )


def subject(signals: Signals) -> Subject:
    """The sample behind its two proxies. Raises RehearsalError for a stack in ambient mode, which has none of its own."""
    if signals.stack.settings.istio.mode != "sidecar":
        raise RehearsalError(f"istio.mode of stack {signals.stack.name} is ambient: the path of a signal runs here with sidecars alone")
    return Subject(signals.stack.topology.sample.name, sample_app.PATH)
