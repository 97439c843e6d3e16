"""The closing table: what a user reads after a run."""

import io
from typing import Any

from rich.console import Console

from rehearsal import report
from rehearsal.engine import Outcome
from rehearsal.events import Operation
from rehearsal.report import Row, Surroundings
from tests.rehearsal.engine_events import STACK, layer_urn, urn

RELEASE, MAP = "kubernetes:helm.sh/v3:Release", "kubernetes:core/v1:ConfigMap"


def operation(name: str, kind: str, started: float, ended: float, op: str = "create", **more: Any) -> Operation:
    return Operation(urn(kind, name, "first"), kind, op, layer_urn("first"), started, ended=ended, **more)


def outcome(*operations: Operation) -> Outcome:
    return Outcome("up", True, 12.34, {"create": 2}, list(operations), {op.urn: "first" for op in operations})


def state() -> list[dict[str, Any]]:
    names = {"ConfigMap/v1": ["place/a", "place/b"], "Deployment.apps/apps/v1": ["place/c"]}
    status = {"chart": "tempo", "version": "2.2.4", "appVersion": "2.10.8"}
    return [
        {"urn": STACK, "type": "pulumi:pulumi:Stack"},
        {"urn": layer_urn("first"), "type": "small:part:Layer", "parent": STACK},
        {"urn": urn("pulumi:providers:kubernetes", "cluster"), "type": "pulumi:providers:kubernetes", "custom": True, "parent": STACK},
        {
            "urn": urn(RELEASE, "traces", "first"),
            "type": RELEASE,
            "custom": True,
            "parent": layer_urn("first"),
            "inputs": {"name": "traces", "chart": "mirror/tempo-2.2.4.tgz", "version": "2.2.4"},
            "outputs": {"resourceNames": names, "status": status},
        },
        {"urn": urn(MAP, "note", "first"), "type": MAP, "custom": True, "parent": layer_urn("first")},
    ]


def printed(run: Outcome, surroundings: Surroundings) -> str:
    text = io.StringIO()
    report.show(run, state(), surroundings, Console(file=text, width=120))
    return text.getvalue()


def test_a_row_counts_what_releases_hold_and_objects_of_ours() -> None:
    run = outcome(operation("traces", RELEASE, 2.0, 5.0), operation("note", MAP, 5.0, 5.5))
    assert report.rows(run, state()) == [Row("first", ("traces: tempo 2.2.4",), 4, 3.5)]


def test_a_layer_in_which_nothing_changed_says_so() -> None:
    run = outcome(operation("traces", RELEASE, 2.0, 2.0, op="same"), operation("note", MAP, 2.0, 2.0, op="same"))
    assert report.rows(run, state())[0].seconds is None
    assert "unchanged" in printed(run, Surroundings())


def test_what_failed_is_counted_in_its_layer() -> None:
    assert report.rows(outcome(operation("note", MAP, 1.0, 2.0, failed=True)), state())[0].failed == 1


def test_a_chart_that_stands_in_is_called_so() -> None:
    run = outcome(operation("traces", RELEASE, 2.0, 5.0))
    assert "bundle (stands in)" in printed(run, Surroundings(chart_stands_in=True))
    assert "bundle" not in printed(run, Surroundings())


def test_facts_and_outputs_follow_the_table() -> None:
    text = printed(
        outcome(), Surroundings([("Plugin", "double")], outputs={"url": "http://x", "password": "[secret]", "versions": {"a": "1"}})
    )
    assert "Plugin  double" in text
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.startswith(("password", "url", "versions"))]
    assert [[key, value.strip()] for key, value in lines] == [["password", "[secret]"], ["url", "http://x"], ["versions", '{"a": "1"}']]


def test_a_plan_shows_each_change_with_its_sign() -> None:
    text = io.StringIO()
    run = outcome(operation("a", MAP, 0, 0), operation("b", MAP, 0, 0, op="delete"), operation("c", MAP, 0, 0, op="update"))
    run.operations.append(operation("d", MAP, 0, 0, op="same"))
    report.show_plan(run, Console(file=text, width=120))
    assert text.getvalue().splitlines() == ["+ first: ConfigMap a", "- first: ConfigMap b", "~ first: ConfigMap c"]
