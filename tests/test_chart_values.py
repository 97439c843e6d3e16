"""Every value we set is one that the chart reads: its schema or its defaults know the key, or a list says who does."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from components.charts import ROOT, open_lock
from components.merge import leaves, read_yaml
from tests import reference
from tests.stacks import EVERY, Install, installs, settings_of

LOCK = open_lock("charts.yaml")
PASS_THROUGH: dict[str, dict[str, str]] = read_yaml(ROOT / "tests" / "pass_through.yaml")
"""chart -> path of a subtree that the chart hands on unread -> who knows its keys."""


def all_installs() -> list[tuple[str, Install]]:
    return [(variant, install) for variant in EVERY for install in installs(settings_of(variant))]


def known(defaults: Any, parts: list[str]) -> bool:
    """Whether chart defaults know a path. An empty mapping, list or null in the defaults is free-form by Helm's custom."""
    here = defaults
    for part in parts:
        if here in ({}, [], None):
            return True
        if not isinstance(here, dict):
            return False
        if part not in here:
            return False
        here = here[part]
    return True


def in_schema(schema: dict[str, Any], parts: list[str]) -> bool:
    """Whether a chart's JSON schema names a path; below a node without properties everything is free-form."""
    node: Any = schema
    for part in parts:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].removeprefix("#/$defs/")]
        properties = node.get("properties")
        if not properties:
            return "type" in node and "object" in node["type"]
        if part not in properties:
            return False
        node = properties[part]
    return True


def is_resource_requirement(parts: list[str]) -> bool:
    """Kubernetes' own ResourceRequirements, which charts copy through whatever their defaults list of it."""
    return len(parts) >= 3 and parts[-3] == "resources" and parts[-2] in ("requests", "limits") and parts[-1] in ("cpu", "memory", "ephemeral-storage")


def split(path: str) -> list[str]:
    return [part.replace("\0", ".") for part in path.replace("\\.", "\0").split(".")]


def unread(chart: str, values: dict[str, Any]) -> list[str]:
    """Leaves that neither the chart's defaults nor its schema know."""
    defaults = reference.defaults(chart)
    # Istio nests its defaults one level down and tells users to leave that level out
    defaults = {**defaults, **defaults.get("_internal_defaults_do_not_set", {})}
    schema_file = reference.FOLDER / "charts" / chart / "values.schema.json"
    schema = json.loads(schema_file.read_text()) if schema_file.exists() else {}
    return [
        path
        for path, _ in leaves(values)
        if path
        and not is_resource_requirement(split(path))
        and not known(defaults, split(path))
        and not (schema and in_schema(schema, split(path)))
    ]


def covers(prefix: str, path: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}.")


def unknown_leaves(chart: str, values: dict[str, Any]) -> list[str]:
    return [path for path in unread(chart, values) if not any(covers(p, path) for p in PASS_THROUGH.get(chart, {}))]


@pytest.mark.parametrize(("variant", "install"), all_installs(), ids=lambda p: p if isinstance(p, str) else p.release.name)
def test_every_value_is_a_key_the_chart_knows(variant: str, install: Install) -> None:
    assert unknown_leaves(install.release.chart, install.values) == [], variant


@pytest.mark.parametrize(("variant", "install"), all_installs(), ids=lambda p: p if isinstance(p, str) else p.release.name)
def test_values_pass_the_charts_own_schema(variant: str, install: Install) -> None:
    schema_file = reference.FOLDER / "charts" / install.release.chart / "values.schema.json"
    if not schema_file.exists():
        assert install.release.chart in WITHOUT_SCHEMA
        return
    schema = json.loads(schema_file.read_text())
    whole = reference.over(reference.defaults(install.release.chart), install.values)
    errors = [f"{'.'.join(map(str, e.path))}: {e.message}" for e in jsonschema.Draft7Validator(schema).iter_errors(whole)]
    assert errors == [], variant


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
