"""The order of an export: what waits for what, as steps of layers, and what has no order at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitops.errors import ExportError
from gitops.order import Step, steps, waves
from review.objects import Object, of_kubernetes


def item(resource: str, kind: str = "ConfigMap", layer: str = "a", name: str = "") -> Object:
    body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name or f"{resource}-{kind}".lower(), "namespace": "x"}}
    return replace(of_kubernetes(body, layer), resource=resource)


def waiting(**needs: str) -> dict[str, frozenset[str]]:
    return {resource: frozenset(text.split()) for resource, text in needs.items()}


def shown(found: list[Step]) -> dict[str, tuple[list[str], tuple[str, ...]]]:
    return {step.name: ([entry.key.name for entry in step.objects], step.after) for step in found}


def test_what_waits_for_nothing_is_one_step() -> None:
    assert shown(steps([item("p"), item("q")], {})) == {"a-0": (["p-configmap", "q-configmap"], ())}


def test_what_waits_for_another_is_a_later_step() -> None:
    found = shown(steps([item("p"), item("q"), item("r")], waiting(q="p", r="p q")))
    assert found == {"a-0": (["p-configmap"], ()), "a-1": (["q-configmap"], ("a-0",)), "a-2": (["r-configmap"], ("a-1",))}


def test_definitions_and_namespaces_of_a_release_come_before_the_rest_of_it() -> None:
    found = shown(steps([item("p", "Deployment"), item("p", "CustomResourceDefinition"), item("p", "Namespace")], {}))
    assert found["a-0"][0] == ["p-customresourcedefinition", "p-namespace"]
    assert found["a-1"] == (["p-deployment"], ("a-0",))


def test_a_step_names_steps_of_other_layers_and_not_those_behind_them() -> None:
    objects = [item("p"), item("q"), item("r", layer="b"), item("s", layer="b")]
    found = shown(steps(objects, waiting(q="p", r="p q", s="p")))
    assert found["b-0"] == (["r-configmap", "s-configmap"], ("a-1",))


def test_what_lies_between_and_is_not_exported_still_orders() -> None:
    found = shown(steps([item("p"), item("q", layer="b")], {"q": frozenset({"an-account-in-azure", "p"})}))
    assert found["b-0"][1] == ("a-0",)


def test_a_job_of_the_program_does_not_come_before_what_it_waits_for_by_itself() -> None:
    objects = [item("job", "Job"), item("server", "Deployment"), item("settings")]
    found = shown(steps(objects, waiting(server="settings")))
    assert list(found) == ["a-0", "a-1", "a-2"]
    assert found["a-2"][0] == ["job-job"]


def test_a_store_waits_for_the_job_that_proves_its_way_in() -> None:
    found = shown(steps([item("gate", "Job"), item("store", "StatefulSet")], waiting(store="gate")))
    assert (found["a-0"][0], found["a-1"][0]) == (["gate-job"], ["store-statefulset"])


def test_steps_are_in_an_order_in_which_they_may_be_applied_and_always_the_same() -> None:
    objects = [item("p", layer="z"), item("q", layer="y"), item("r", layer="x")]
    needs = waiting(q="p", r="q p")
    found = steps(objects, needs)
    assert [step.name for step in found] == ["z-0", "y-0", "x-0"]
    assert steps(list(reversed(objects)), needs) == found


def test_objects_that_wait_for_one_another_are_named() -> None:
    with pytest.raises(ExportError, match=r"^objects that wait for one another: .*'p'.* -> .*'q'"):
        steps([item("p"), item("q")], waiting(p="q", q="p"))


def test_layers_in_waves_go_when_all_they_need_is_there() -> None:
    objects = [item("p"), item("q", layer="b"), item("r", layer="c"), item("s", layer="d")]
    assert waves(steps(objects, waiting(q="p", r="p q"))) == {"a": 0, "d": 0, "b": 1, "c": 2}


def test_layers_that_wait_for_one_another_have_steps_but_no_waves() -> None:
    found = steps([item("p"), item("q", layer="b"), item("r")], waiting(q="p", r="p q"))
    assert [step.name for step in found] == ["a-0", "b-0", "a-1"]
    with pytest.raises(ExportError, match=r"^layers that wait for one another: "):
        waves(found)
