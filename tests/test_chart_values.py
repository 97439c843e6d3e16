"""Every value we set is one that the chart reads: its schema or its defaults know the key, or a list says who does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.charts import open_lock
from components.merge import read_yaml
from review import chart_values
from review.chart_values import PASS_THROUGH, covers
from tests import reference
from tests.stacks import EVERY, Install, installs, settings_of

LOCK = open_lock("charts.yaml")


def all_installs() -> list[tuple[str, Install]]:
    return [(variant, install) for variant in EVERY for install in installs(settings_of(variant))]


def unread(chart: str, values: dict[str, Any]) -> list[str]:
    """Leaves that neither the chart's defaults nor its schema know."""
    return chart_values.unread(values, reference.defaults(chart), schema_of(chart))


def schema_of(chart: str) -> dict[str, Any]:
    """The chart's JSON schema; empty where it has none."""
    file = reference.FOLDER / "charts" / chart / "values.schema.json"
    return json.loads(file.read_text()) if file.exists() else {}


def unknown_leaves(chart: str, values: dict[str, Any]) -> list[str]:
    return [path for path in unread(chart, values) if not any(covers(p, path) for p in PASS_THROUGH.get(chart, {}))]


@pytest.mark.parametrize(("variant", "install"), all_installs(), ids=lambda p: p if isinstance(p, str) else p.release.name)
def test_every_value_is_a_key_the_chart_knows(variant: str, install: Install) -> None:
    assert unknown_leaves(install.release.chart, install.values) == [], variant


@pytest.mark.parametrize(("variant", "install"), all_installs(), ids=lambda p: p if isinstance(p, str) else p.release.name)
def test_values_pass_the_charts_own_schema(variant: str, install: Install) -> None:
    schema = schema_of(install.release.chart)
    if not schema:
        assert install.release.chart in WITHOUT_SCHEMA
        return
    assert chart_values.violations(install.values, reference.defaults(install.release.chart), schema) == [], variant


WITHOUT_SCHEMA = {
    *("prometheus-operator-crds", "base", "istiod", "cni", "ztunnel", "kube-prometheus-stack", "tempo", "tempo-distributed"),
    *("grafana", "alloy"),
}


def test_a_typo_in_values_is_found() -> None:
    assert unknown_leaves("tempo", {"tempo": {"retentoin": "1h"}}) == ["tempo.retentoin"]
    assert unknown_leaves("istiod", {"meshConfg": {}}) == ["meshConfg"]


def test_every_pass_through_is_used_and_needed() -> None:
    used = {
        (install.release.chart, prefix)
        for _, install in all_installs()
        for path in unread(install.release.chart, install.values)
        for prefix in PASS_THROUGH.get(install.release.chart, {})
        if covers(prefix, path)
    }
    assert used == {(chart, path) for chart, paths in PASS_THROUGH.items() for path in paths}


def test_charts_of_the_reference_are_the_locked_versions() -> None:
    for name, chart in LOCK.entries.items():
        if chart.kind == "chart":
            assert read_yaml(reference.path("charts", name, "Chart.yaml"))["version"] == chart.version, name
