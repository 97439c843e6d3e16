"""What panels are made of: the datasources of the plan, a few kinds of panel with one look, and links from one signal to the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import common as shared
from grafana_foundation_sdk.builders import dashboard as boards
from grafana_foundation_sdk.builders import logs as log_panels
from grafana_foundation_sdk.builders import loki, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from components.alerts.objectives import reporters
from components.dashboards import links
from components.settings import Settings
from components.topology import Topology

RATE = "$__rate_interval"
QUANTILES = (0.5, 0.95, 0.99)
Panel = timeseries.Panel | stat.Panel | table.Panel | log_panels.Panel
Query = tuple[str, str]
"""An expression, and what its series are called."""


@dataclass(frozen=True)
class Kit:
    """Everything a panel needs to know of the stack."""

    settings: Settings
    topology: Topology

    @property
    def reporters(self) -> str:
        """Matcher of the side that reports each request once."""
        return reporters(self.settings)

    def source(self, uid: str) -> common.DataSourceRef:
        """A datasource of the plan. KeyError where there is none of that uid."""
        found = self.topology.datasource(uid)
        return common.DataSourceRef(type_val=found.type, uid=found.uid)

    def _query(self, number: int, query: Query) -> prometheus.Dataquery:
        expr, legend = query
        target = (
            prometheus.Dataquery().datasource(self.source("prometheus")).expr(expr).legend_format(legend).ref_id(chr(ord("A") + number))
        )
        # the scrape's own interval: Grafana would take 15 s, and then rates over less than two scrapes
        return target.interval(f"{self.settings.prometheus.scrape_interval_seconds}s")

    def series(
        self, title: str, description: str, unit: str, *queries: Query, service: str | None = None, span: int = 12
    ) -> timeseries.Panel:
        """A course over time, with exemplars; `service` names the label (or variable) that leads to its traces and logs."""
        panel = (
            timeseries.Panel()
            .title(title)
            .description(description)
            .datasource(self.source("prometheus"))
            .unit(unit)
            .min(0)
            .span(span)
            .height(8)
            .line_width(1)
            .fill_opacity(8)
            .show_points(common.VisibilityMode.NEVER)
            .tooltip(shared.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
        )
        for number, query in enumerate(queries):
            panel = panel.with_target(self._query(number, query).range().exemplar(True))
        return panel.data_links(self._signals(service)) if service else panel

    def number(self, title: str, description: str, unit: str, expr: str, service: str | None = None, span: int = 6) -> stat.Panel:
        """One figure, now."""
        panel = (
            stat.Panel()
            .title(title)
            .description(description)
            .datasource(self.source("prometheus"))
            .unit(unit)
            .span(span)
            .height(4)
            .graph_mode(common.BigValueGraphMode.AREA)
            .reduce_options(shared.ReduceDataOptions().calcs(["lastNotNull"]))
            .with_target(self._query(0, (expr, title)).range())
        )
        return panel.data_links(self._signals(service)) if service else panel

    def table(self, title: str, description: str, unit: str, *queries: Query, target: tuple[str, str] | None = None) -> table.Panel:
        """One row per set of labels, one column per query; `target` is a link's title and address."""
        panel = table.Panel().title(title).description(description).datasource(self.source("prometheus")).unit(unit).span(24).height(9)
        for number, query in enumerate(queries):
            panel = panel.with_target(self._query(number, query).instant().format(PromQueryFormat.TABLE))
        renamed = {f"Value #{chr(ord('A') + n)}": legend for n, (_, legend) in enumerate(queries)}
        panel = panel.with_transformation(dashboard.DataTransformerConfig(id_val="merge", options={}))
        panel = panel.with_transformation(
            dashboard.DataTransformerConfig(id_val="organize", options={"excludeByName": {"Time": True}, "renameByName": renamed})
        )
        return panel.data_links([_link(*target)]) if target else panel

    def logs(self, title: str, description: str, expr: str) -> log_panels.Panel:
        """Log lines; a line's own link leads to its trace, by the datasource's derived field."""
        query = loki.Dataquery().datasource(self.source("loki")).expr(expr).query_type("range").ref_id("A")
        panel = log_panels.Panel().title(title).description(description).datasource(self.source("loki")).unit("short").span(24).height(10)
        return panel.show_time(True).wrap_log_message(True).with_target(query)

    def _signals(self, service: str) -> list[Any]:
        name = f"${{{service[1:]}}}" if service.startswith("$") else f"${{__field.labels.{service}}}"
        return [
            _link("Traces of this time", links.traces(self.topology, name, links.SAME_TIME)),
            _link("Logs of this time", links.logs(self.topology, name, links.SAME_TIME)),
        ]

    def variable(self, name: str, label: str, query: str) -> boards.QueryVariable:
        """A choice at the top of the dashboard, from the values of a label."""
        return (
            boards.QueryVariable(name)
            .label(label)
            .datasource(self.source("prometheus"))
            .query({"query": query, "refId": name})
            .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
        )


def _link(title: str, url: str) -> boards.DashboardLink:
    return boards.DashboardLink(title).url(url).target_blank(True)


def quantiles(metric: str, selector: str, by: str = "") -> tuple[Query, ...]:
    """Median and tails of a histogram."""
    labels = f"le, {by}" if by else "le"
    return tuple(
        (f"histogram_quantile({q:g}, sum by ({labels}) (rate({metric}_bucket{{{selector}}}[{RATE}])))", f"p{q * 100:g}") for q in QUANTILES
    )


@dataclass(frozen=True)
class Row:
    """A heading and what stands under it."""

    title: str
    panels: Sequence[Callable[[Kit], Panel]]


def build(kit: Kit, uid: str, title: str, description: str, variables: Sequence[boards.QueryVariable], rows: Sequence[Row]) -> str:
    """A dashboard as the JSON that Grafana provisions; the same stack gives the same bytes."""
    board = (
        boards.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["istio-stack"])
        .timezone("browser")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .refresh("30s")
        .time("now-1h", "now")
        .readonly()
        .link(
            boards.DashboardLink("Istio stack")
            .type(dashboard.DashboardLinkType.DASHBOARDS)
            .tags(["istio-stack"])
            .as_dropdown(True)
            .keep_time(True)
        )
    )
    for variable in variables:
        board = board.with_variable(variable)
    number = 0
    for row in rows:
        number += 1
        board = board.with_row(boards.Row(row.title).id(number))
        for panel in row.panels:
            number += 1
            board = board.with_panel(panel(kit).id(number))
    return json.dumps(board.build(), cls=JSONEncoder, sort_keys=True, separators=(",", ":"))
