"""Links expand as Grafana expands them."""

from __future__ import annotations

from typing import Any

import pytest

from components import grafana
from components.settings import Settings
from components.topology import plan
from verify import links
from verify.links import NoLink, Query
from verify.stores import Line, Span

TRACE = "0af7651916cd43dd8448eb211c80319c"
SECOND = 10**9
SPAN = Span("b7ad6b7169203331", "GET", 1000 * SECOND, 1001 * SECOND, {"http.method": "GET"}, {"service.name": "rolldice"})


def data(uid: str) -> dict[str, Any]:
    return next(s["jsonData"] for s in links.provisioned(grafana.datasources(plan(Settings()))) if s["uid"] == uid)


def test_a_span_leads_to_its_logs_from_five_minutes_before_until_five_after() -> None:
    query = links.trace_to_logs(data("tempo"), SPAN, TRACE)
    assert query == Query("loki", f'{{service_name="rolldice"}} | trace_id="{TRACE}"', 700 * SECOND, 1301 * SECOND)


def test_without_a_query_of_its_own_the_link_is_its_tags_and_the_id_in_the_line() -> None:
    link = {"datasourceUid": "loki", "tags": [{"key": "service.name"}, {"key": "http.method", "value": "m"}], "filterByTraceID": True}
    assert links.trace_to_logs({"tracesToLogsV2": link}, SPAN, TRACE).text == f'{{service_name="rolldice", m="GET"}} |="{TRACE}"'


def test_shifts_the_wrong_way_round_are_named() -> None:
    link = {**data("tempo")["tracesToLogsV2"], "spanStartTimeShift": "5m", "spanEndTimeShift": "-5m"}
    with pytest.raises(NoLink, match=r"ends 599 s before it begins: its shifts are the wrong way round"):
        links.trace_to_logs({"tracesToLogsV2": link}, SPAN, TRACE)


@pytest.mark.parametrize(("text", "seconds"), [("", 0), ("0", 0), ("-5m", -300), ("1h30m", 5400), ("-1d", -86400), ("500ms", 0.5)])
def test_shifts_are_go_durations(text: str, seconds: float) -> None:
    assert links.nanoseconds(text) == seconds * SECOND


@pytest.mark.parametrize("text", ["5", "m", "5 min", "--5m", "5m-"])
def test_what_is_no_shift_is_named(text: str) -> None:
    with pytest.raises(NoLink, match="is no time shift"):
        links.nanoseconds(text)


def test_a_span_without_the_tags_has_no_link() -> None:
    with pytest.raises(NoLink, match="the span has none of the tags"):
        links.trace_to_logs(data("tempo"), Span("1", "x", 0, 1, {}, {}), TRACE)


def test_a_variable_that_grafana_does_not_know_is_named() -> None:
    link = {**data("tempo")["tracesToLogsV2"], "query": '{${__tags}} | trace_id="${__span.traceID}"'}
    with pytest.raises(NoLink, match=r"no variable \$\{__span.traceID\}"):
        links.trace_to_logs({"tracesToLogsV2": link}, SPAN, TRACE)


def test_metric_queries_get_the_tags_under_the_names_of_metrics() -> None:
    found = dict(links.trace_to_metrics(data("tempo"), SPAN, TRACE))
    assert found["Rate of sampled requests"].text == 'sum(rate(traces_spanmetrics_calls_total{service="rolldice"}[5m]))'


def test_a_line_leads_to_its_trace_by_its_label() -> None:
    assert links.log_to_trace(data("loki"), Line("rolled", {"trace_id": TRACE})) == Query("tempo", TRACE)
    with pytest.raises(NoLink, match="trace: label trace_id matches nothing of the line"):
        links.log_to_trace(data("loki"), Line(f"trace_id={TRACE}", {"traceid": TRACE}))


def test_an_exemplar_leads_to_its_trace_by_its_label() -> None:
    assert links.exemplar_to_trace(data("prometheus"), {"trace_id": TRACE, "span_id": "1"}) == Query("tempo", TRACE)
    with pytest.raises(NoLink, match="exemplars carry traceID; the metric datasource looks for trace_id"):
        links.exemplar_to_trace(data("prometheus"), {"traceID": TRACE})
