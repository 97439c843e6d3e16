"""The gate over every stack of the project, and over kinds of stacks that it has not: nothing is broken but what a waiver names."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from policies import conformity, report, scanners
from policies.__main__ import main
from policies.gate import NETWORK, Checked, Tool, check, findings, stack_of
from policies.scanners import CHECKOV_CHECKS, KUBE_SCORE_CHECKS, NOT_OF_BUNDLES, NOT_SEEN, Scan
from policies.waivers import Finding, Judged, Waiver, apply, read
from rehearsal.control_plane import ControlPlane
from review.objects import Object, of_kubernetes
from review.render import Rendering
from tests.policies.conftest import KINDS, STACKS

# one worker: what is rendered once is scanned once
pytestmark = [pytest.mark.xdist_group("policies"), pytest.mark.timeout(900)]

WAIVERS = read()


@pytest.fixture(scope="module")
def found(root: Path, rendered: dict[str, Rendering]) -> dict[str, list[Finding]]:
    """What each stack breaks of our own rules."""
    return {name: list(findings(rendering, stack_of(root, name))) for name, rendering in rendered.items()}


@pytest.fixture(scope="module")
def checkov(rendered: dict[str, Rendering]) -> Scan:
    return scanners.checkov(scanners.distinct((r.objects for r in rendered.values()), CHECKOV_CHECKS | {"NetworkPolicy"}))


@pytest.fixture(scope="module")
def kube_score(rendered: dict[str, Rendering]) -> Scan:
    return scanners.kube_score([scanners.distinct([r.objects], KUBE_SCORE_CHECKS) for r in rendered.values()], NOT_OF_BUNDLES)


@pytest.fixture(scope="module")
def described(control_plane: ControlPlane) -> conformity.Documents:
    """The built-in kinds, as the control plane of the rehearsal's tests describes them."""
    return conformity.asked(control_plane.api.request)


@pytest.fixture(scope="module")
def kubeconform(rendered: dict[str, Rendering], described: conformity.Documents) -> Scan:
    return conformity.kubeconform(scanners.distinct(r.objects for r in rendered.values()), described)


# what holds


@pytest.mark.parametrize("stack", (*STACKS, *KINDS))
def test_a_stack_breaks_no_rule_that_no_waiver_names(stack: str, found: dict[str, list[Finding]]) -> None:
    assert apply(found[stack], WAIVERS).failures == ()


def test_checkov_judged_every_object_and_what_failed_is_waived(checkov: Scan) -> None:
    judged = apply(checkov.findings, WAIVERS)
    assert judged.failures == ()
    assert checkov.given > 150
    assert checkov.passed > 30 * len(judged.waived)


def test_kube_score_judged_every_object_and_what_is_critical_is_waived(kube_score: Scan) -> None:
    judged = apply(kube_score.findings, WAIVERS)
    assert judged.failures == ()
    assert kube_score.given > 300
    assert kube_score.passed > 30 * len(judged.waived)


def test_kubeconform_has_a_schema_for_every_object_and_each_conforms(kubeconform: Scan, rendered: dict[str, Rendering]) -> None:
    assert kubeconform.findings == ()
    kinds = {item.key.kind for r in rendered.values() for item in r.objects if "apiVersion" in item.body and item.key.group != "helm"}
    assert {"Deployment", "NetworkPolicy", "OpenTelemetryCollector", "PrometheusRule", "Telemetry", "PodLogs"} <= kinds
    assert kubeconform.given == kubeconform.passed > 300


def test_no_waiver_is_needless(found: dict[str, list[Finding]], checkov: Scan, kube_score: Scan) -> None:
    everything = [*(finding for of_stack in found.values() for finding in of_stack), *checkov.findings, *kube_score.findings]
    unused = apply(everything, WAIVERS).unused
    assert [str(waiver) for waiver in unused if "real charts" not in waiver.when] == []


# that it can fail


def broken(root: Path, rendering: Rendering, change: Any) -> list[Finding]:
    """What one stack breaks that no waiver names, after a change of its objects."""
    changed = replace(rendering, objects=tuple(change(list(rendering.objects))))
    return list(apply(findings(changed, stack_of(root, rendering.stack)), WAIVERS).failures)


def without_policy(name: str) -> Any:
    return lambda objects: (item for item in objects if (item.key.kind, item.key.name) != ("NetworkPolicy", name))


def test_policies_of_the_network_that_let_too_little_through_are_found(root: Path, rendered: dict[str, Rendering]) -> None:
    lines = broken(root, rendered["local"], without_policy("loki-gateway"))
    assert {finding.check for finding in lines} == {NETWORK}
    assert any("loki" in finding.what for finding in lines)


def changed(item: Object, path: tuple[str, ...], value: Any) -> Object:
    body: Any = copy.deepcopy(dict(item.body))
    inner = body
    for key in path[:-1]:
        inner = inner[key] if isinstance(inner, Mapping) else inner[int(key)]
    inner[path[-1]] = value
    return replace(item, body=body)


def test_one_container_that_loses_its_limits_is_found_by_name(root: Path, rendered: dict[str, Rendering]) -> None:
    path = ("spec", "template", "spec", "containers", "0", "resources")

    def change(objects: list[Object]) -> Iterator[Object]:
        return (changed(o, path, {}) if (o.key.kind, o.key.name) == ("StatefulSet", "loki") else o for o in objects)

    (finding,) = broken(root, rendered["local"], change)
    assert (finding.check, finding.target, finding.where) == ("resources", "StatefulSet loki/loki", "loki")


def test_a_release_of_another_version_than_the_lock_is_found(root: Path, rendered: dict[str, Rendering]) -> None:
    def change(objects: list[Object]) -> Iterator[Object]:
        return (changed(o, ("spec", "version"), "0.0.1") if (o.key.kind, o.key.name) == ("Release", "loki") else o for o in objects)

    (finding,) = broken(root, rendered["prod"], change)
    assert (finding.check, finding.what) == ("chart-version", "0.0.1, the lock pins 18.11.0")


def deployment(**container: Any) -> Object:
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}}}
    return of_kubernetes(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop", "namespace": "shop"}, "spec": spec}, "x"
    )


def test_a_scanner_says_what_is_wrong_with_an_object_by_its_name() -> None:
    flawed = deployment(name="main", image="nginx:latest", securityContext={"privileged": True})
    for scan, check_id in ((scanners.checkov([flawed]), "CKV_K8S_16"), (scanners.kube_score([[flawed]]), "container-image-tag")):
        assert check_id in {finding.check for finding in scan.findings}
        assert {finding.target for finding in scan.findings} == {"Deployment shop/shop"}
        assert scan.given == 1


def test_an_object_that_checkov_passes_over_in_silence_is_a_finding() -> None:
    good, templated = (deployment(name="main", image="nginx:1.0", args=[text]) for text in ("plain", "{{ .Values.text }}"))
    scan = scanners.checkov([good, templated])
    assert scan.given == 2
    assert len([finding for finding in scan.findings if finding.check == NOT_SEEN]) == 1


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("spec", "replicas"), "two", "got string, want integer"),
        (("spec", "replicsa"), 2, "additional properties 'replicsa' not allowed"),
        (("apiVersion",), "apps/v9", "could not find schema for Deployment"),
    ],
)
def test_an_object_that_no_cluster_would_take_does_not_conform(
    path: tuple[str, ...], value: Any, said: str, described: conformity.Documents
) -> None:
    good = deployment(name="main", image="nginx:1.0")
    assert conformity.kubeconform([good], described).findings == ()
    (finding,) = conformity.kubeconform([changed(good, path, value)], described).findings
    assert said in finding.what


def test_a_custom_resource_is_held_to_the_definition_among_the_objects(described: conformity.Documents) -> None:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"x-kubernetes-int-or-string": True}}}}}
    spec = {"group": "example.com", "names": {"kind": "Shop"}, "versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]}
    definition = of_kubernetes(
        {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "shops"}, "spec": spec}, "x"
    )
    shop = of_kubernetes({"apiVersion": "example.com/v1", "kind": "Shop", "metadata": {"name": "a"}, "spec": {"size": "10%"}}, "x")
    assert conformity.kubeconform([definition, shop], described).findings == ()
    (finding,) = conformity.kubeconform([definition, changed(shop, ("spec", "sizes"), 1)], described).findings
    assert "'sizes' not allowed" in finding.what
    (finding,) = conformity.kubeconform([shop], described).findings
    assert "could not find schema" in finding.what


# what people see


def checked(*failures: Finding, unused: tuple[Waiver, ...] = ()) -> Checked:
    return Checked((Tool("rules", 10, 20, Judged(failures, (), unused)),), unused)


FAILURE = Finding("rules", "exact-image", "Deployment shop/shop", "main", "image nginx:latest has a tag that moves")
NEEDLESS = Waiver("rules", ("tls",), ("Gateway shop/shop",), "a reason")


@pytest.mark.parametrize(
    ("what", "whole", "code", "said"),
    [
        (checked(), True, 0, "rules"),
        (checked(FAILURE), False, 1, "image nginx:latest has a tag that moves"),
        (checked(unused=(NEEDLESS,)), True, 1, "needless waiver: rules tls for Gateway shop/shop"),
        (checked(unused=(NEEDLESS,)), False, 0, "rules"),
    ],
)
def test_the_table_says_what_is_broken_and_the_exit_code_follows(what: Checked, whole: bool, code: int, said: str) -> None:
    out = Console(record=True, width=200)
    assert report.show(what, out, whole=whole) == code
    assert said in out.export_text()


def test_waivers_that_one_tool_needs_are_not_needless_because_others_do_not(root: Path, rendered: dict[str, Rendering]) -> None:
    scan = Scan("checkov", "1", 1, 1, (Finding("checkov", "CKV_K8S_43", "Deployment shop/shop", "", "no digest"),))
    result = check(root, {"local": rendered["local"]}, WAIVERS, [scan])
    assert not [waiver for waiver in result.unused if "CKV_K8S_43" in waiver.checks]
    assert [waiver for waiver in result.unused if "CKV_K8S_17" in waiver.checks]


def test_an_unknown_stack_is_one_line_that_names_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--stack", "nowhere"]) == 2
    assert (
        "error: stack nowhere is unknown: there is no Pulumi.nowhere.yaml; known are dev, local, prod, staging" in capsys.readouterr().err
    )
