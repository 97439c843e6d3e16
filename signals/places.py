"""Where the proof finds what runs here: the same places as in a cluster, through the one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from components import grafana, sample_app
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


def entrances(signals: Signals) -> dict[str, Places]:
    """The ways in, each of which the proof takes once: the gateway, and in ambient mode the waypoint, which sees what pods ask."""
    here = of(signals)
    if signals.inner.kind == "sidecar":
        return {"through the gateway": here}
    return {"through the gateway": here, "through the waypoint": replace(here, gateway=signals.table.url(signals.stack.topology.sample))}


def subject(signals: Signals) -> Subject:
    """The sample behind its proxies; in ambient mode it has none of its own."""
    return Subject(signals.stack.topology.sample.name, sample_app.PATH, sidecar=signals.inner.kind == "sidecar")
