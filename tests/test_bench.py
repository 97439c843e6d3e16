"""The parts of the benchmark that need no cluster: order, critical path, what a resource costs, ratios."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from rich.console import Console

from bench import report, up
from bench.by_hand import is_ready
from bench.graph import Node, cost, critical_path, order
from bench.report import Figures, Link
from bench.stack import JOB_RUN_SECONDS, Resource, graph, resources
from components.charts import ROOT
from rehearsal.engine import SECRET_MARK
from tests.recorder import Run
from tests.stacks import IMAGE

RELEASE = "kubernetes:helm.sh/v3:Release"


def nodes(**needs: tuple[float, str]) -> dict[str, Node]:
    return {key: Node(seconds, frozenset(words.split())) for key, (seconds, words) in needs.items()}


def test_order_puts_everything_after_what_it_needs_and_else_keeps_the_order_it_was_given() -> None:
    assert order(nodes(roof=(1, "walls"), door=(1, ""), walls=(1, "floor"), floor=(1, ""))) == ["door", "floor", "walls", "roof"]


def test_what_is_not_in_the_graph_is_there_already() -> None:
    assert order(nodes(house=(1, "ground"))) == ["house"]


def test_things_that_wait_for_each_other_have_no_order() -> None:
    with pytest.raises(ValueError, match="egg, hen"):
        order(nodes(egg=(1, "hen"), hen=(1, "egg"), nest=(1, "")))


def test_the_critical_path_is_the_longest_chain_and_not_the_one_with_most_links() -> None:
    found = nodes(a=(1, ""), b=(1, "a"), c=(1, "b"), slow=(5, ""), end=(2, "c slow"))
    assert critical_path(found) == ["slow", "end"]
    assert cost(found, ["slow", "end"]) == 7


def test_what_costs_nothing_links_a_chain_and_does_not_stand_at_its_ends() -> None:
    found = nodes(begin=(0, ""), a=(3, "begin"), link=(0, "a"), b=(3, "link"), end=(0, "b"))
    assert critical_path(found) == ["a", "link", "b"]


def test_where_nothing_costs_anything_there_is_no_critical_path() -> None:
    assert critical_path(nodes(a=(0, ""), b=(0, "a"))) == []
    assert critical_path({}) == []


def resource(type_: str, inputs: Any = None, **outputs: Any) -> Resource:
    return Resource("urn", type_, "layer", inputs or {}, outputs, frozenset(), True)


@pytest.mark.parametrize(
    ("found", "seconds"),
    [
        (resource(RELEASE, resourceNames={"Service/v1": ["a/a"], "Deployment.apps/apps/v1": ["a/a"]}), 15),
        (resource(RELEASE, resourceNames={"DaemonSet.apps/apps/v1": ["a/a"]}), 15),
        (resource(RELEASE, resourceNames={"CustomResourceDefinition.apiextensions.k8s.io/apiextensions.k8s.io/v1": ["a"]}), 0),
        (resource(RELEASE, {"skipAwait": True}, resourceNames={"Deployment.apps/apps/v1": ["a/a"]}), 0),
        (resource("kubernetes:apps/v1:StatefulSet"), 15),
        (resource("kubernetes:batch/v1:Job"), 15 + JOB_RUN_SECONDS),
        (resource("kubernetes:core/v1:Service"), 0),
        (resource("kubernetes:shop.example.com/v1:Deployment"), 0),
    ],
)
def test_a_resource_costs_the_start_of_its_pods(found: Resource, seconds: float) -> None:
    assert found.seconds(15) == seconds


def test_a_job_runs_as_long_as_its_simulation_says() -> None:
    stages = [stage for file in (ROOT / "rehearsal" / "kwok").glob("*.yaml") for stage in yaml.safe_load_all(file.read_text())]
    (complete,) = [stage for stage in stages if stage["metadata"]["name"] == "pod-complete"]
    assert complete["spec"]["delay"]["durationMilliseconds"] / 1000 == JOB_RUN_SECONDS


def entry(type_: str, name: str, parent: str = "", **more: Any) -> dict[str, Any]:
    return {"urn": f"urn:pulumi:local::shop::{type_}::{name}", "type": type_, "custom": type_.count("/") > 0, "parent": parent, **more}


def test_the_state_becomes_resources_that_wait_for_dependencies_and_parents() -> None:
    stack = entry("pulumi:pulumi:Stack", "shop-local")
    layer = entry("shop:traces:Tempo", "traces", stack["urn"], dependencies=["urn:other"])
    key = entry("kubernetes:core/v1:Secret", "key", layer["urn"], inputs={"kind": "Secret", "data": {SECRET_MARK: "x", "ciphertext": "y"}})
    service = entry("kubernetes:core/v1:Service", "read", layer["urn"], external=True)
    found = resources([stack, layer, key, service])
    assert [(r.layer, r.concrete) for r in found.values()] == [("traces", False), ("traces", True), ("traces", False)]
    assert found[layer["urn"]].needs == {"urn:other", stack["urn"]}
    assert found[key["urn"]].inputs == {"kind": "Secret"}
    assert graph(found, 15)[key["urn"]] == Node(0, frozenset({layer["urn"]}))


def test_no_chain_of_the_local_stack_waits_for_pods_more_than_three_times(record: Callable[..., Run]) -> None:
    run = record({"sampleApp": {"image": IMAGE}})
    without_pods = ("prometheus-operator-crds", "istio-base")
    state = [
        {
            "urn": r.urn,
            "type": r.type,
            "custom": r.custom,
            "parent": r.parent,
            "dependencies": r.dependencies,
            "inputs": r.inputs,
            "outputs": {"resourceNames": {} if r.name in without_pods else {"Deployment.apps/apps/v1": ["a/a"]}},
        }
        for r in run.resources.values()
    ]
    found = resources(state)
    path = critical_path(graph(found, 1.0))
    assert [found[urn].label for urn in path if found[urn].seconds(1.0)] == [
        "Job cert-manager-gate",
        "Release opentelemetry-operator",
        "Deployment rolldice",
    ]


@pytest.mark.parametrize(
    ("kind", "status", "ready"),
    [
        ("Deployment", {"observedGeneration": 2, "updatedReplicas": 1, "availableReplicas": 1}, True),
        ("Deployment", {"observedGeneration": 1, "updatedReplicas": 1, "availableReplicas": 1}, False),
        ("StatefulSet", {"observedGeneration": 2, "updatedReplicas": 1, "readyReplicas": 0}, False),
        ("Job", {"conditions": [{"type": "Complete", "status": "True"}]}, True),
        ("Job", {"conditions": [{"type": "SuccessCriteriaMet", "status": "True"}]}, False),
        ("Service", {}, True),
    ],
)
def test_by_hand_waits_as_kubectl_does(kind: str, status: dict[str, Any], ready: bool) -> None:
    assert is_ready({"kind": kind, "metadata": {"generation": 2}, "spec": {"replicas": 1}, "status": status}) is ready


FIGURES = Figures(
    pod_start_seconds=15,
    up_seconds=50,
    up_releases_seconds=30,
    engine_seconds=48,
    up_again_seconds=4,
    up_again_changes=0,
    destroy_seconds=20,
    by_hand_seconds=200,
    by_hand_charts_seconds=150,
    charts=11,
    critical_path=(Link("Job gate", "certificates", 16, 2, 19), Link("Deployment dice", "sample", 15, 20, 36)),
    load=(0.5, 1.0, 1.0),
    cores=2,
)


def test_ratios_say_how_much_of_the_other_time_an_up_takes() -> None:
    assert FIGURES.ratios == {
        "up_by_hand": 0.25,
        "up_by_hand_charts": 50 / 150,
        "releases_by_hand_charts": 0.2,
        "up_critical_path": 50 / 31,
    }


def test_the_tables_name_the_ratios_and_each_link_of_the_path() -> None:
    console = Console(width=120, file=io.StringIO(), record=True)
    report.show([FIGURES], console)
    text = console.export_text()
    for said in ("0.25", "1.61", "0.20", "Job gate", "Deployment dice"):
        assert said in text


@pytest.mark.parametrize("words", (["--pod-start", "soon"], ["--rounds", "0"], ["--json", "/no/such/folder/file.json"]))
def test_a_bad_argument_is_named_before_anything_is_measured(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        up.main(words)
    assert words[1] in capsys.readouterr().err


def test_figures_can_be_written_as_json() -> None:
    assert json.loads(report.as_json([FIGURES]))[0]["ratios"]["up_by_hand"] == 0.25
