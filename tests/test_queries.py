"""Every LogQL that the program writes, by Loki's own parser; and the PromQL that is no rule and no panel, by Prometheus'."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from components import grafana
from components.alerts.rules import RUNBOOKS
from components.charts import ROOT
from components.dashboards import layer, links
from components.topology import plan
from tests import logcli, promtool
from tests.stacks import EVERY, settings_of
from verify import following, stores
from verify import links as followed
from verify.checks import verify
from verify.evidence import Places, Subject
from verify.stores import Endpoint, Span

SPAN = Span("b7ad6b7169203331", "GET", 10**9, 2 * 10**9, {}, {"service.name": "rolldice"})
TRACE = "0af7651916cd43dd8448eb211c80319c"


def filled(expr: str) -> str:
    """With the dashboard's choices and Grafana's own variables filled in."""
    return re.sub(r"\$\{[^}]*\}|\$\w+", "x", expr)


def boards(variant: str) -> Iterator[dict[str, Any]]:
    chosen = settings_of(variant)
    yield from (json.loads(text) for text in layer.dashboards(chosen, plan(chosen)).values())


def explored(address: str) -> Iterator[str]:
    """What an address of Explore asks Loki, if it does."""
    for pane in json.loads(parse_qs(urlsplit(address).query).get("panes", ["{}"])[0]).values():
        yield from (query["expr"] for query in pane["queries"] if query["datasource"]["type"] == "loki")


def of_dashboards(variant: str) -> Iterator[str]:
    for panel in (panel for board in boards(variant) for panel in board["panels"] if panel["type"] != "row"):
        yield from (filled(target["expr"]) for target in panel["targets"] if target["datasource"]["type"] == "loki")
        yield from (query for link in panel["fieldConfig"]["defaults"].get("links", []) for query in explored(filled(link["url"])))


def behind_datasources(variant: str) -> tuple[str, list[str]]:
    """The link from a trace to its logs and those to its metrics, expanded as Grafana does."""
    data = followed.provisioned(grafana.datasource_links(plan(settings_of(variant)))["tempo"])
    return followed.trace_to_logs(data, SPAN, TRACE).text, [query.text for _, query in followed.trace_to_metrics(data, SPAN, TRACE)]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """What the proof asks Loki and Prometheus, where everybody answers and nobody has anything."""
    found: dict[str, set[str]] = {"loki": set(), "prometheus": set()}

    def ask(self: Endpoint, path: str, query: Mapping[str, Any] | None = None) -> tuple[int, str]:
        if query and "query" in query:
            found[urlsplit(self.url).hostname or ""].add(query["query"])
        return 200, '{"data": []}' if path.endswith("exemplars") else '{"data": {"result": []}}'

    monkeypatch.setattr(stores.Endpoint, "ask", ask)
    sources = followed.provisioned(grafana.datasources(plan(settings_of("local"))))
    places = Places(
        "http://gateway", Endpoint("http://tempo"), Endpoint("http://loki"), Endpoint("http://prometheus"), sources,
        reach=lambda source: Endpoint(f"http://{source['type']}"),
    )  # fmt: skip
    verify(places, Subject("rolldice", "/rolldice"), 0.001)
    return found


def test_every_logql_parses(asked: dict[str, set[str]]) -> None:
    pages = (path.read_text() for path in (ROOT / RUNBOOKS).glob("*.md"))
    written = {
        "dashboards": {query for variant in EVERY for query in of_dashboards(variant)},
        "outputs": {
            query for variant in EVERY for address in links.outputs(plan(settings_of(variant))).values() for query in explored(address)
        },
        "datasources": {behind_datasources(variant)[0] for variant in EVERY},
        "verify": asked["loki"],
        "runbooks": {query for page in pages for query in re.findall(r"`([^`\n]*\{service_name[^`\n]*)`", page)},
    }
    assert {place: len(queries) > 0 for place, queries in written.items()} == dict.fromkeys(written, True)
    assert [(place, query, said) for place, queries in written.items() for query in sorted(queries) if (said := logcli.fault(query))] == []


@pytest.mark.parametrize("query", ['{service_name="x"', '{service_name=~".+"} | trace_id=abc', "{}", 'rate({service_name="x"})'])
def test_what_is_no_logql_is_found(query: str) -> None:
    assert "parse error" in logcli.fault(query)


def test_the_promql_behind_links_choices_and_the_proof_parses(asked: dict[str, set[str]], tmp_path: Path) -> None:
    choices = {
        filled(re.fullmatch(r"label_values\((.*), \w+\)", variable["query"]["query"])[1])  # type: ignore[index]
        for variant in EVERY
        for board in boards(variant)
        for variable in board.get("templating", {}).get("list", [])
    }
    linked = {query for variant in EVERY for query in behind_datasources(variant)[1]}
    # a rule yields one value for each series: of a range the rate stands for what the proof reads
    proof = {f"rate({query})" if query.endswith("]") else query for query in asked["prometheus"] | {following.SERVICE_MAP}}
    assert (len(choices), len(linked), len(proof)) == (4, 2, 6)
    rules = [{"record": f"asked:{number}", "expr": expr} for number, expr in enumerate(sorted(choices | linked | proof))]
    assert promtool.check({"groups": [{"name": "asked", "rules": rules}]}, tmp_path, lint=False) == ""
