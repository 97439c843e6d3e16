"""Dashboards: every query parses and reads what exists, every panel explains itself, and every link leads somewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest

from components import grafana
from components.alerts import health, objectives
from components.alerts.rules import Group
from components.charts import ROOT
from components.dashboards import control_plane, layer, links, mesh, pipeline, service, workload
from components.dashboards import objectives as objectives_board
from components.dashboards.kit import Kit, Row
from components.topology import plan
from tests import promtool
from tests.catalogue import entries, recorded, unknown
from tests.promql import reads
from tests.stacks import EVERY, VARIANTS, settings_of

MODULES = (mesh, service, workload, control_plane, pipeline, objectives_board)
LIMIT_BYTES = 262_144
"""What `kubectl apply` can still keep in its annotation; a ConfigMap itself may have four times as much."""
WITH_OBJECTIVES = settings_of("distributed")
RECORDED = recorded(objectives.groups(WITH_OBJECTIVES))


@cache
def dashboards(variant: str) -> dict[str, dict[str, Any]]:
    chosen = settings_of(variant)
    return {uid: json.loads(text) for uid, text in layer.dashboards(chosen, plan(chosen)).items()}


def panels(variant: str = "local") -> list[tuple[str, dict[str, Any]]]:
    return [(uid, panel) for uid, board in dashboards(variant).items() for panel in board["panels"] if panel["type"] != "row"]


def queries(variant: str) -> Iterator[tuple[str, str]]:
    """Every PromQL expression of a stack's dashboards, with where it stands."""
    for uid, panel in panels(variant):
        for target in panel["targets"]:
            if target["datasource"]["type"] == "prometheus":
                yield f"{uid}: {panel['title']}", filled(target["expr"])


def filled(expr: str) -> str:
    """As Prometheus gets it: Grafana's interval and the dashboard's choices filled in."""
    return re.sub(r"\$\w+", "x", expr.replace("$__rate_interval", "5m"))


def panel_links(variant: str = "local") -> list[tuple[str, str]]:
    return [
        (f"{uid}: {panel['title']}", link["url"])
        for uid, panel in panels(variant)
        for link in panel["fieldConfig"]["defaults"].get("links", [])
    ]


@pytest.mark.parametrize("variant", EVERY)
def test_every_query_parses(variant: str, tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": expr} for number, (_, expr) in enumerate(queries(variant))]
    assert len(rules) > 80
    assert promtool.check({"groups": [{"name": "panels", "rules": rules}]}, tmp_path, lint=False) == ""


def test_a_query_that_is_none_is_found(tmp_path: Path) -> None:
    rules = [{"record": "panel:0", "expr": "sum by (x (rate(y[5m]))"}]
    assert "parse error" in promtool.check({"groups": [{"name": "panels", "rules": rules}]}, tmp_path, lint=False)


@pytest.mark.parametrize("variant", EVERY)
def test_every_query_reads_only_what_the_catalogue_knows(variant: str) -> None:
    assert [f"{where}: {line}" for where, expr in queries(variant) for line in unknown(expr, RECORDED)] == []


def test_every_choice_lists_values_of_a_label_that_exists() -> None:
    known = {**entries(), **RECORDED}
    seen = 0
    for uid, board in dashboards("local").items():
        for variable in board.get("templating", {}).get("list", []):
            series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()  # type: ignore[union-attr]
            assert unknown(filled(series), RECORDED) == [], uid
            (metric,) = reads(series).metrics
            assert label in known[metric].labels, f"{uid}: {variable['name']}"
            seen += 1
    assert seen == 5


def linked() -> list[str]:
    """Queries behind the links from a trace to its metrics, as Grafana fills them in."""
    asked = grafana.datasource_links(plan(WITH_OBJECTIVES))["tempo"]["tracesToMetrics"]
    tags = ", ".join(f'{tag["value"]}="x"' for tag in asked["tags"])
    return [query["query"].replace("$$__tags", tags) for query in asked["queries"]]


def test_links_from_traces_to_metrics_read_what_the_catalogue_knows() -> None:
    assert len(linked()) == 2
    assert [line for expr in linked() for line in unknown(expr)] == []


def test_nothing_stands_in_the_catalogue_that_no_rule_or_panel_reads() -> None:
    groups: list[Group] = [*health.groups(WITH_OBJECTIVES, plan(WITH_OBJECTIVES)), *objectives.groups(WITH_OBJECTIVES)]
    texts = [rule.expr for group in groups for rule in group.rules] + [expr for _, expr in queries("distributed")] + linked()
    read = {metric for text in texts for metric in reads(text).metrics}
    used = {entry.metric for name, entry in entries().items() if name in read}
    assert used == {entry.metric for entry in entries().values()}


def test_every_panel_has_a_title_a_description_and_a_unit() -> None:
    for uid, panel in panels():
        where = f"{uid}: {panel['title']}"
        assert panel["title"], uid
        assert panel["description"].endswith("."), where
        assert panel["fieldConfig"]["defaults"]["unit"], where


def test_every_panel_is_one_function_of_its_own() -> None:
    rows: list[Row] = [row for module in MODULES for row in module.ROWS]
    functions = [panel for row in rows for panel in row.panels]
    functions += [panel for row in pipeline.TAIL_ROWS for panel in row.panels]
    assert len(set(functions)) == len(functions) == len(panels("distributed"))
    assert len(panels()) == len(functions) - 4


def test_ids_and_titles_tell_panels_apart() -> None:
    for uid, board in dashboards("local").items():
        ids = [panel["id"] for panel in board["panels"]]
        titles = [panel["title"] for panel in board["panels"] if panel["type"] != "row"]
        assert len(set(ids)) == len(ids), uid
        assert len(set(titles)) == len(titles), uid


def test_panels_do_not_lie_on_each_other_and_fit_the_screen() -> None:
    for uid, board in dashboards("local").items():
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
            assert max(x for x, _ in cells) < 24, f"{uid}: {panel['title']}"
            assert not cells & taken, f"{uid}: {panel['title']}"
            taken |= cells


def test_exemplars_are_shown_wherever_there_is_a_course_over_time() -> None:
    courses = [(uid, panel) for uid, panel in panels() if panel["type"] == "timeseries"]
    assert len(courses) > 40
    assert [panel["title"] for _, panel in courses for target in panel["targets"] if target.get("exemplar") is not True] == []


def test_rates_span_more_than_one_scrape() -> None:
    """Grafana takes 15 s for the interval of scrapes unless a query says more, and then rates see one sample."""
    chosen = settings_of("local")
    steps = {target["interval"] for _, panel in panels() for target in panel["targets"] if target["datasource"]["type"] == "prometheus"}
    assert steps == {f"{chosen.prometheus.scrape_interval_seconds}s"}


@pytest.mark.parametrize("variant", EVERY)
def test_every_datasource_is_one_of_the_plan(variant: str) -> None:
    known = {(d.type, d.uid) for d in plan(settings_of(variant)).datasources}
    for uid, panel in panels(variant):
        for source in (panel["datasource"], *(target["datasource"] for target in panel["targets"])):
            assert (source["type"], source["uid"]) in known, f"{uid}: {panel['title']}"


def explored(url: str) -> dict[str, Any]:
    """The one pane of an address of Explore, as Grafana reads it once its variables are filled in."""
    address = urlparse(re.sub(r"\$\{[^}]*\}", "shop", url))
    assert address.path == "/explore"
    (pane,) = json.loads(parse_qs(address.query)["panes"][0]).values()
    return pane


def test_links_lead_to_traces_and_logs_of_the_same_service_and_time() -> None:
    explores = [(where, url) for where, url in panel_links() if url.startswith("/explore")]
    assert len(explores) > 40
    kinds = set()
    for where, url in explores:
        pane = explored(url)
        (query,) = pane["queries"]
        assert query["datasource"]["uid"] == pane["datasource"], where
        assert query.get("query", query.get("expr")) in ('{resource.service.name="shop"}', '{service_name="shop"}'), where
        assert pane["range"] == {"from": "shop", "to": "shop"}, where
        assert "${__from}" in url, where
        assert "%24" not in url, f"{where}: an encoded variable is never filled in"
        kinds.add(pane["datasource"])
    assert kinds == {"tempo", "loki"}


def test_links_name_labels_that_their_series_have_and_choices_that_their_dashboard_has() -> None:
    for uid, board in dashboards("local").items():
        choices = {variable["name"] for variable in board.get("templating", {}).get("list", [])}
        for panel in (panel for panel in board["panels"] if panel["type"] != "row"):
            for link in panel["fieldConfig"]["defaults"].get("links", []):
                for variable in re.findall(r"\$\{([^}]*)\}", link["url"]):
                    field = variable.removeprefix("__field.labels.").removeprefix("__data.fields.")
                    where = f"{uid}: {panel['title']}: {variable}"
                    if field != variable:
                        labels = set().union(*(label_names(filled(target["expr"])) for target in panel["targets"]))
                        assert field in labels, where
                    else:
                        assert variable in ("__from", "__to") or variable in choices, where


def label_names(expr: str) -> set[str]:
    """Labels that the answer has: what the outermost aggregation keeps, or all that its series have."""
    grouped = re.match(r"sum by \(([^)]*)\)", expr)
    if grouped:
        return {name.strip() for name in grouped[1].split(",")}
    known = {**entries(), **RECORDED}
    return set().union(*(known[metric].labels for metric in reads(expr).metrics if metric in known))


def test_links_to_dashboards_name_ours_and_choices_that_they_have() -> None:
    found = [(where, urlparse(url)) for where, url in panel_links() if url.startswith("/d/")]
    assert len(found) == 2
    for where, address in found:
        board = dashboards("local")[address.path.removeprefix("/d/")]
        choices = {f"var-{variable['name']}" for variable in board["templating"]["list"]}
        assert set(parse_qs(address.query)) == choices, where


def test_the_same_stack_gives_the_same_bytes_in_another_process() -> None:
    """A dashboard that differs from run to run is a difference in every preview, and reloads Grafana at every up."""
    program = (
        "from components.config import parse; from components.topology import plan; from components.dashboards.layer import dashboards;"
        "s = parse({'grafanaAdminPassword': 'x'}); print(''.join(dashboards(s, plan(s)).values()))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1
    assert len(texts.pop()) > 50_000


def test_ambient_dashboards_count_what_waypoints_report() -> None:
    for variant, matcher in (("local", 'reporter="source"'), ("ambient", 'reporter=~"source|waypoint"')):
        used = {m for _, expr in queries(variant) for m in re.findall(r'reporter=~?"[^"]*"', expr)}
        assert used == {matcher}


def test_each_dashboard_is_a_config_map_that_grafanas_sidecar_selects(record: Any) -> None:
    chosen = settings_of("ambient")
    sidecar = grafana.values(chosen, plan(chosen))["sidecar"]["dashboards"]
    run = record(VARIANTS["ambient"])
    for uid in layer.BOARDS:
        config = run.named("ConfigMap", uid).inputs
        assert config["metadata"]["labels"] == {sidecar["label"]: sidecar["labelValue"]}
        assert config["metadata"]["annotations"] == {sidecar["folderAnnotation"]: layer.FOLDER}
        assert config["metadata"]["namespace"] == "grafana"
        ((file, text),) = config["data"].items()
        assert (file, json.loads(text)["uid"]) == (f"{uid}.json", uid)
        assert len(text.encode()) < LIMIT_BYTES
        assert run.named("Namespace", "grafana").urn in run.waits_for(run.named("ConfigMap", uid))


def test_dashboards_do_not_wait_for_grafana_itself(record: Any) -> None:
    run = record({})
    assert run.named("Release", "grafana").urn not in run.waits_for(run.named("ConfigMap", links.MESH))


def test_the_outputs_lead_to_what_they_say(record: Any) -> None:
    outputs = record({}).outputs
    base = outputs["grafanaUrl"]
    assert outputs["meshDashboardUrl"] == f"{base}/d/{links.MESH}"
    assert outputs["sloDashboardUrl"] == f"{base}/d/{links.OBJECTIVES}"
    assert {links.MESH, links.OBJECTIVES} <= set(dashboards("local"))
    for name, uid, query in (("tracesUrl", "tempo", "{}"), ("logsUrl", "loki", '{service_name=~".+"}')):
        pane = explored(outputs[name].removeprefix(base))
        (asked,) = pane["queries"]
        assert (pane["datasource"], asked.get("query", asked.get("expr"))) == (uid, query)
        assert pane["range"] == {"from": "now-1h", "to": "now"}


def test_a_link_to_a_datasource_that_is_not_there_is_refused() -> None:
    chosen = settings_of("local")
    with pytest.raises(KeyError):
        links.explore(plan(chosen), "jaeger", {})
    with pytest.raises(KeyError):
        Kit(chosen, plan(chosen)).source("jaeger")
