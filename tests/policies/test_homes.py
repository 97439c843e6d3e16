"""Where each container's posture is said: every container has its place, and every place is a value that its chart knows."""

from __future__ import annotations

import pytest

from policies.homes import FIXED, OPERATOR, Posture, page, postures
from review import chart_values
from tests import reference
from tests.stacks import EVERY, installs, settings_of

ALL = list(postures())


def name(posture: Posture) -> str:
    return f"{posture.chart} {posture.workload} {posture.container}"


def test_every_container_that_a_chart_brings_has_its_place() -> None:
    placed = {(posture.chart, posture.container) for posture in ALL}
    for chart in {posture.chart for posture in ALL}:
        for document in reference.rendered(chart):
            if document["kind"] in ("Deployment", "StatefulSet", "DaemonSet"):
                for container in document["spec"]["template"]["spec"]["containers"]:
                    switched_off = (chart, container["name"]) in (("alloy", "config-reloader"), ("loki", "exporter"))
                    assert switched_off or (chart, container["name"]) in placed, container["name"]
    assert len(ALL) > 35


@pytest.mark.parametrize("posture", ALL, ids=name)
def test_a_place_is_a_value_that_the_chart_knows(posture: Posture) -> None:
    for path in (path for path in posture.home if path not in (FIXED, OPERATOR)):
        *outer, last = path.split(".")
        values: dict[str, object] = {last: "x"}
        for key in reversed(outer):
            values = {key: values}
        defaults = reference.defaults(posture.chart)
        assert chart_values.unread(values, defaults, {}) == [] or path in WITHOUT_DEFAULT, path


WITHOUT_DEFAULT = {
    "gateway.readinessProbe",
    "readinessProbe",
}
"""Values that a chart reads and whose key its defaults leave out or only mention in a comment."""


def test_what_sizes_a_container_is_set_by_some_stack() -> None:
    found = {install.release.chart: install.values for variant in EVERY for install in installs(settings_of(variant))}
    for posture in ALL:
        if posture.chart not in ("loki", "grafana"):  # whose parts no one stack has all of
            here: object = found[posture.chart]
            for key in posture.resources.split("."):
                assert isinstance(here, dict) and key in here, name(posture)
                here = here[key]


def test_the_page_has_a_line_for_each() -> None:
    assert page().count("\n| ") == len(ALL) + 2
