"""The catalogue of series against the real processes: what rules and dashboards read is what these expose, label by label."""

from __future__ import annotations

import re
import urllib.request

import pytest

from signals.run import OWN_METRICS, Signals
from tests.catalogue import SUFFIXES, text
from tests.signals.conftest import Proof

SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ", re.MULTILINE)
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="(?:[^"\\]|\\.)*"')
FIRST_FAILURE = {
    "otelcol": {
        f"otelcol_exporter_{what}_failed_{unit}" for what in ("send", "enqueue") for unit in ("spans", "log_records", "metric_points")
    },
    "loki": {"loki_discarded_samples_total"},
}
"""Series that are there from the first failure on, which a healthy process does not have."""


def exposed(port: int, path: str) -> dict[str, set[str]]:
    """Series of a process, with the labels they have."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        page = answer.read().decode()
    found: dict[str, set[str]] = {}
    for name, labels in SAMPLE.findall(page):
        found.setdefault(name, set()).update(LABEL.findall(labels))
    return found


@pytest.fixture(scope="module")
def pages(signals: Signals, prove: Proof) -> dict[str, dict[str, set[str]]]:
    """By the catalogue's names, once a request has passed through all of them."""
    prove()
    topology, table = signals.stack.topology, signals.table
    return {
        "otelcol": exposed(signals.port("collector", OWN_METRICS), "/metrics"),
        "loki": exposed(table.port(topology.loki), "/metrics"),
        "prometheus": exposed(table.port(topology.prometheus), "/metrics"),
        "envoy": exposed(signals._admin["sidecar"], "/stats/prometheus"),
    }


@pytest.mark.parametrize("component", ["otelcol", "loki", "prometheus", "envoy"])
def test_a_process_exposes_what_the_catalogue_says_of_it(component: str, pages: dict[str, dict[str, set[str]]]) -> None:
    page, missing = pages[component], set()
    assert len(page) > 20
    for metric, about in text()[component]["metrics"].items():
        for suffix in SUFFIXES.get(about["type"], ("",)):
            name = metric + suffix
            if name not in page:
                missing.add(metric)
            else:
                lacks = set(about["labels"]) - page[name]
                assert not lacks, f"{name} has no {', '.join(sorted(lacks))}: it has {', '.join(sorted(page[name]))}"
    assert missing == FIRST_FAILURE.get(component, set())


def test_loki_names_its_routes_as_the_alert_expects(pages: dict[str, dict[str, set[str]]], signals: Signals) -> None:
    """The alert on failed writes looks at one route; under another name it would never fire."""
    port = signals.table.port(signals.stack.topology.loki)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        page = answer.read().decode()
    assert re.search(r'loki_request_duration_seconds_count\{[^}]*route="otlp_v1_logs"', page)
