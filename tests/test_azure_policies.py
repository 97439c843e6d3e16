"""The environments in Azure under checkov's rules and PSRule's list for storage: what they register, as ARM, and what is waived."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.charts import ROOT
from rehearsal import stack_files
from rehearsal.doubles.azure_native.arm import template
from tests import checkov, psrule
from tests.azure_stacks import SUBSCRIPTION
from tests.psrule import ACCOUNT, BLOB_SERVICE, CONTAINER
from tests.recorder import Run

# one worker: checkov runs once for all of it
pytestmark = [pytest.mark.xdist_group("azure-policies"), pytest.mark.timeout(600)]

Inputs = list[tuple[str, dict[str, Any]]]
Failures = set[tuple[str, str]]
ENVIRONMENTS = ("dev", "staging", "prod")
CASES = [f"{environment}-{auth}" for environment in ENVIRONMENTS for auth in ("workloadIdentity", "accountKey")]
WAIVERS: list[dict[str, Any]] = yaml.safe_load((ROOT / "tests" / "azure_waivers.yaml").read_text())["waivers"]
CHECKS = {
    ACCOUNT: {f"CKV_AZURE_{number}" for number in (3, 35, 36, 43, 44, 59, 206)},
    CONTAINER: {"CKV_AZURE_34"},
}
"""What checkov knows about the types that the program registers."""


def waived(environment: str) -> Failures:
    return {(waiver["rule"], waiver["type"]) for waiver in WAIVERS if environment in waiver["environments"]}


def failed(judged: Mapping[tuple[str, str, str], bool]) -> Failures:
    return {(rule, arm_type) for (rule, arm_type, _), passed in judged.items() if not passed}


def resources(document: Mapping[str, Any], arm_type: str) -> set[str]:
    return {entry["name"] for entry in document["resources"] if entry["type"] == arm_type}


def write(folder: Path, templates: Mapping[str, Mapping[str, Any]]) -> None:
    for name, document in templates.items():
        (folder / f"{name}.json").write_text(json.dumps(document, indent=2))


@pytest.fixture(scope="module")
def registered(record: Callable[..., Run]) -> dict[str, Inputs]:
    """What the program registers in Azure in each environment, with each way in."""

    def of(case: str) -> Inputs:
        environment, _, auth = case.partition("-")
        written = stack_files.with_placeholders(stack_files.read_config(ROOT, environment))
        prefix = f"{stack_files.project_name(ROOT)}:"
        config = {key.removeprefix(prefix): value for key, value in written.items() if key.startswith(prefix)}
        run = record({**config, "storage": {**config["storage"], "auth": auth}}, stack=environment)
        return [(r.type, r.inputs) for r in run.resources.values() if r.custom and r.type.startswith("azure-native:")]

    return {case: of(case) for case in CASES}


@pytest.fixture(scope="module")
def templates(registered: dict[str, Inputs]) -> dict[str, dict[str, Any]]:
    return {case: template(inputs, SUBSCRIPTION) for case, inputs in registered.items()}


@pytest.fixture(scope="module")
def report(templates: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> checkov.Report:
    folder = tmp_path_factory.mktemp("templates")
    write(folder, templates)
    return checkov.run(folder, tmp_path_factory.mktemp("home"))


# what is checked


@pytest.mark.parametrize("case", CASES)
def test_every_resource_in_azure_is_in_the_template(case: str, registered: dict[str, Inputs], templates: dict[str, Any]) -> None:
    types = [entry["type"] for entry in templates[case]["resources"]]
    assert len(types) == len(registered[case]) > 0
    assert (types.count(ACCOUNT), types.count(BLOB_SERVICE), types.count(CONTAINER)) == (1, 1, 2)


def test_checkov_read_every_template_whole(report: checkov.Report, templates: dict[str, dict[str, Any]]) -> None:
    assert report.unreadable == ()
    assert set(report.judged) == set(templates)
    assert report.resources == sum(len(document["resources"]) for document in templates.values()) > 0


@pytest.mark.parametrize("case", CASES)
def test_checkov_judged_all_that_it_has_a_rule_for(case: str, report: checkov.Report, templates: dict[str, dict[str, Any]]) -> None:
    expected = {(rule, kind, name) for kind, rules in CHECKS.items() for name in resources(templates[case], kind) for rule in rules}
    assert set(report.judged[case]) == expected
    assert len({name for _, _, name in report.judged[case]}) == 3


@pytest.mark.parametrize("case", CASES)
def test_the_storage_list_judged_all_that_it_has_a_rule_for(case: str, templates: dict[str, dict[str, Any]]) -> None:
    expected = {(rule.ref, rule.type, name) for rule in psrule.RULES for name in resources(templates[case], rule.type)}
    assert set(psrule.judge(templates[case])) == expected
    assert {ref for ref, _, _ in expected} == {rule.ref for rule in psrule.RULES}


# what fails


@pytest.mark.parametrize("case", CASES)
def test_what_fails_is_waived_and_what_is_waived_fails(case: str, report: checkov.Report, templates: dict[str, dict[str, Any]]) -> None:
    assert failed(report.judged[case]) | failed(psrule.judge(templates[case])) == waived(case.partition("-")[0])


def test_each_waiver_names_a_rule_its_environments_and_its_reason() -> None:
    known = {(rule, kind) for kind, rules in CHECKS.items() for rule in rules} | {(rule.ref, rule.type) for rule in psrule.RULES}
    for waiver in WAIVERS:
        assert set(waiver) == {"rule", "type", "environments", "reason"}, waiver
        assert (waiver["rule"], waiver["type"]) in known, waiver
        assert waiver["environments"] and set(waiver["environments"]) <= set(ENVIRONMENTS), waiver
        assert len(waiver["reason"].split()) >= 10, waiver
    keys = [(waiver["rule"], waiver["type"]) for waiver in WAIVERS]
    assert len(keys) == len(set(keys))


# that all of it can fail

FLAWS: dict[str, tuple[str, Any, set[str]]] = {
    "one copy": ("sku.name", "Standard_LRS", {"CKV_AZURE_206", "AZR-000195"}),
    "plain HTTP": ("enableHttpsTrafficOnly", False, {"CKV_AZURE_3", "AZR-000196"}),
    "no soft delete": ("deleteRetentionPolicy.enabled", False, {"AZR-000197"}),
    "no soft delete of containers": ("containerDeleteRetentionPolicy.enabled", False, {"AZR-000289"}),
    "public blobs": ("allowBlobPublicAccess", True, {"AZR-000198"}),
    "a public container": ("publicAccess", "Blob", {"CKV_AZURE_34", "AZR-000199"}),
    "an old TLS": ("minimumTlsVersion", "TLS1_0", {"CKV_AZURE_44", "AZR-000200"}),
    "a long name": ("accountName", "a" * 25, {"CKV_AZURE_43", "AZR-000201"}),
    "an open firewall": ("networkRuleSet.defaultAction", "Allow", {"CKV_AZURE_35", "AZR-000202"}),
    "no way for Azure's services": ("networkRuleSet.bypass", "None", {"CKV_AZURE_36"}),
    "a public address": ("publicNetworkAccess", "Enabled", {"CKV_AZURE_59"}),
}
"""What to change in production's inputs, and the rules that then fail."""


def flawed(inputs: Inputs, path: str, value: Any) -> dict[str, Any]:
    """The template with another value wherever an input of that path is."""
    changed = copy.deepcopy(inputs)
    *outer, last = path.split(".")
    found = 0
    for _, arguments in changed:
        for part in outer:
            arguments = arguments.get(part, {})  # noqa: PLW2901
        if last in arguments:
            arguments[last] = value
            found += 1
    assert found, path
    return template(changed, SUBSCRIPTION)


@pytest.fixture(scope="module")
def flaws(registered: dict[str, Inputs]) -> dict[str, dict[str, Any]]:
    return {flaw: flawed(registered["prod-workloadIdentity"], path, value) for flaw, (path, value, _) in FLAWS.items()}


@pytest.fixture(scope="module")
def report_of_flaws(flaws: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> checkov.Report:
    """The flawed templates, one that ends in the middle, and one that does not say what it is."""
    folder = tmp_path_factory.mktemp("flaws")
    whole = flaws["one copy"]
    write(folder, {**flaws, "nameless": {key: value for key, value in whole.items() if key != "$schema"}})
    text = json.dumps(whole)
    (folder / "broken.json").write_text(text[: len(text) // 2])
    return checkov.run(folder, tmp_path_factory.mktemp("home"))


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_flaw_fails_by_its_rules_and_no_others(flaw: str, flaws: dict[str, dict[str, Any]], report_of_flaws: checkov.Report) -> None:
    failures = failed(report_of_flaws.judged[flaw]) | failed(psrule.judge(flaws[flaw]))
    assert {rule for rule, _ in failures - waived("prod")} == FLAWS[flaw][2]


def test_every_rule_is_seen_to_fail() -> None:
    seen = {rule for _, _, rules in FLAWS.values() for rule in rules} | {rule for rule, _ in waived("prod")}
    assert seen == {rule for rules in CHECKS.values() for rule in rules} | {rule.ref for rule in psrule.RULES}


def test_defender_on_the_account_meets_its_rule(templates: dict[str, dict[str, Any]]) -> None:
    document = copy.deepcopy(templates["prod-workloadIdentity"])
    (name,) = resources(document, ACCOUNT)
    scope = f"[resourceId('{ACCOUNT}', '{name}')]"
    document["resources"].append({"type": psrule.DEFENDER, "name": "current", "scope": scope, "properties": {"isEnabled": True}})
    assert failed(psrule.judge(document)) == set()


def test_a_template_that_cannot_be_read_is_named(report_of_flaws: checkov.Report) -> None:
    assert report_of_flaws.unreadable == ("broken",)


def test_a_template_that_is_passed_over_in_silence_is_missed(flaws: dict[str, Any], report_of_flaws: checkov.Report) -> None:
    assert set(report_of_flaws.judged) == set(flaws), "nameless and broken are not among them, and only one is an error"
    assert report_of_flaws.resources == sum(len(document["resources"]) for document in flaws.values())
