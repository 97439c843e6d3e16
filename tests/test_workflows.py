"""The workflows: pinned actions with inputs that they have, least rights, no text of others in a script, steps that run here, too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.charts import ROOT
from operations import workflows as linting
from rehearsal import stack_files
from tests.test_docs import TARGETS, VARIABLES

FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
TEXTS = {path.stem: path.read_text() for path in FILES}
WORKFLOWS: dict[str, dict[str, Any]] = {name: yaml.load(text, yaml.BaseLoader) for name, text in TEXTS.items()}
ACTIONS: dict[str, dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "actions.yaml").read_text())
STACKS = [stack for stack in stack_files.known_stacks(ROOT) if stack != "local"]
RIGHTS = {
    ("check", "*"): {"contents: read"},
    ("preview", "review"): {"contents: read"},
    ("preview", "comment"): {"contents: read", "pull-requests: write"},
    ("preview", "preview"): {"contents: read", "id-token: write"},
    ("deploy", "*"): {"contents: read", "id-token: write"},
    ("deploy-stack", "*"): {"contents: read", "id-token: write"},
    ("drift", "drift"): {"contents: read", "id-token: write", "issues: write"},
}
"""The least that each job can do its work with."""
Step = dict[str, Any]


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, workflow in WORKFLOWS.items():
        for job, content in workflow["jobs"].items():
            yield name, job, content


def steps() -> Iterator[tuple[str, str, Step]]:
    for name, job, content in jobs():
        for step in content.get("steps", ()):
            yield name, job, step


def environment(name: str, job: str, step: Step) -> dict[str, str]:
    """What a step sees of variables that the workflow sets."""
    return {**WORKFLOWS[name].get("env", {}), **WORKFLOWS[name]["jobs"][job].get("env", {}), **step.get("env", {})}


# actions


@pytest.mark.parametrize("name", WORKFLOWS)
def test_each_action_is_the_commit_of_a_release_and_says_which(name: str) -> None:
    used = re.findall(r"uses: (\S+?)(?:@(\S+))?(?: # (.+))?$", TEXTS[name], re.MULTILINE)
    assert used
    for action, commit, comment in used:
        if action.startswith("./"):
            assert (FOLDER.parent.parent / action).is_file()
            continue
        known = ACTIONS[action]
        assert re.fullmatch(r"[0-9a-f]{40}", commit), action
        assert (commit, comment) == (known["commit"], known["release"]), action


def test_every_action_of_the_list_is_used() -> None:
    assert set(ACTIONS) == {step["uses"].partition("@")[0] for _, _, step in steps() if "uses" in step}


def test_an_action_is_given_inputs_that_it_has_and_all_that_it_requires() -> None:
    for name, job, step in steps():
        if "uses" not in step:
            continue
        inputs = ACTIONS[step["uses"].partition("@")[0]]["inputs"]
        given = set(step.get("with", {}))
        assert given <= {known.rstrip("!") for known in inputs}, (name, job, step["uses"])
        assert {known.rstrip("!") for known in inputs if known.endswith("!")} <= given, (name, job, step["uses"])


def test_an_output_that_is_read_is_one_that_its_action_has() -> None:
    for name, text in TEXTS.items():
        for identifier, output in re.findall(r"steps\.([\w-]+)\.outputs\.([\w-]+)", text):
            (action,) = [step["uses"].partition("@")[0] for other, _, step in steps() if other == name and step.get("id") == identifier]
            assert output in ACTIONS[action]["outputs"]


def test_a_checkout_leaves_no_token_behind() -> None:
    checkouts = [step for _, _, step in steps() if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) > 8
    assert all(step["with"]["persist-credentials"] == "false" for step in checkouts)


# rights


def test_what_looks_at_earlier_states_has_the_whole_history() -> None:
    """The tests bring up the state of upgrades/baseline.yaml, and a review compares with a base."""
    for job in ("test", "review"):
        checkout = next(step for name, other, step in steps() if (name, other) == ("check", job) and "checkout" in step.get("uses", ""))
        assert checkout["with"]["fetch-depth"] == "0", job


def test_a_workflow_has_no_right_and_each_job_the_least() -> None:
    for name, workflow in WORKFLOWS.items():
        assert workflow["permissions"] == {}, name
    for name, job, content in jobs():
        granted = {f"{right}: {level}" for right, level in content["permissions"].items()}
        assert granted == RIGHTS.get((name, job), RIGHTS.get((name, "*"))), (name, job)


def test_no_workflow_runs_for_somebody_elses_code_with_rights_of_ours() -> None:
    for name, workflow in WORKFLOWS.items():
        assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(workflow["on"]), name


def test_no_secret_is_used_and_the_token_goes_to_the_two_steps_that_write() -> None:
    assert "secrets." not in "".join(TEXTS.values())
    holding = {(name, step["run"]) for name, _, step in steps() if "github.token" in str(step)}
    assert holding == {("preview", "make comment STACK=all MARKDOWN=reviewed/review.md"), ("drift", "make drift STACK=all")}


def test_a_job_with_rights_runs_no_proposed_code_of_a_fork() -> None:
    for job in WORKFLOWS["preview"]["jobs"].values():
        assert "github.event.pull_request.head.repo.full_name == github.repository" in job["if"]
    (checkout, *_) = WORKFLOWS["preview"]["jobs"]["comment"]["steps"]
    assert checkout["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"


def test_what_holds_a_credential_takes_nothing_from_a_cache() -> None:
    caching = {name for name, _, step in steps() if step.get("uses", "").startswith("actions/cache") or "cache" in step.get("with", {})}
    assert caching == {"check"}
    keys = {step["with"]["key"] for _, _, step in steps() if step.get("uses", "").startswith("actions/cache")}
    assert len(keys) == 1 and "hashFiles('tools/**', 'rehearsal/tools.py', 'rehearsal/building.py')" in keys.pop()
    assert "restore-keys" not in TEXTS["check"]
    assert all(step["with"]["skip-cache"] == "true" for _, _, step in steps() if step.get("uses", "").startswith("Azure/use-kubelogin@"))


# scripts


def test_every_script_is_one_call_of_make_with_targets_and_variables_that_there_are() -> None:
    scripts = [(name, job, step) for name, job, step in steps() if "run" in step]
    assert len(scripts) > 12
    for name, job, step in scripts:
        command = step["run"].removesuffix(' >> "$GITHUB_STEP_SUMMARY"')
        assert re.fullmatch(r"make [a-z-]+( [A-Z_]+=[\w./-]+)*", command), (name, job, command)
        make, target, *variables = command.split()
        assert make == "make" and target in TARGETS, command
        assert {variable.partition("=")[0] for variable in variables} <= VARIABLES, command
        ours = {
            key
            for key in environment(name, job, step)
            if not key.startswith(("ARM_", "AAD_", "GITHUB_", "PULUMI_", "HEAD_SHA", "ISTIO_STACK_"))
        }
        assert ours <= VARIABLES, (name, job, command)


def test_no_expression_stands_in_a_script() -> None:
    assert [step["run"] for _, _, step in steps() if "${{" in step.get("run", "")] == []


def test_a_step_that_works_on_one_stack_is_told_which() -> None:
    for name, job, step in steps():
        target = step.get("run", "make setup").split()[1]
        if target in ("up", "destroy", "diff", "render", "comment", "drift", "connect", "preflight", "verify"):
            assert "STACK=" in step["run"] or "STACK" in environment(name, job, step), (name, job, step["run"])


# when, how long, in which order


def test_every_job_ends() -> None:
    for name, job, content in jobs():
        assert "uses" in content or 0 < int(content["timeout-minutes"]) <= 90, (name, job)


def test_what_touches_a_stack_waits_for_its_turn_and_is_never_cut_off() -> None:
    for name, job in (("preview", "preview"), ("deploy-stack", "deploy")):
        turn = WORKFLOWS[name]["jobs"][job]["concurrency"]
        assert turn["cancel-in-progress"] == "false"
        assert "stack }}" in turn["group"]
    assert WORKFLOWS["drift"]["concurrency"] == {"group": "drift", "cancel-in-progress": "false"}


def test_every_stack_is_rehearsed_previewed_and_deployed_in_order() -> None:
    assert sorted(WORKFLOWS["check"]["jobs"]["rehearse"]["strategy"]["matrix"]["stack"]) == stack_files.known_stacks(ROOT)
    assert sorted(WORKFLOWS["preview"]["jobs"]["preview"]["strategy"]["matrix"]["stack"]) == STACKS
    deploy = WORKFLOWS["deploy"]["jobs"]
    assert {job["with"]["stack"] for job in deploy.values()} == set(STACKS)
    assert [(name, job.get("needs")) for name, job in deploy.items()] == [("dev", None), ("staging", "dev"), ("prod", "staging")]
    commands = [step.get("run") or step["uses"].partition("@")[0] for step in WORKFLOWS["deploy-stack"]["jobs"]["deploy"]["steps"]]
    assert commands.index("pulumi/actions") < commands.index("make verify JUNIT=verify.xml")
    assert WORKFLOWS["deploy-stack"]["jobs"]["deploy"]["environment"] == "${{ inputs.stack }}"


def test_drift_reads_and_never_writes() -> None:
    (drift,) = WORKFLOWS["drift"]["jobs"].values()
    assert drift["environment"] == "read-only" == WORKFLOWS["preview"]["jobs"]["preview"]["environment"]
    assert [step["run"] for step in drift["steps"] if "run" in step] == ["make drift STACK=all"]
    (pulumi,) = [step for step in drift["steps"] if step.get("uses", "").startswith("pulumi/actions@")]
    assert set(pulumi["with"]) == {"pulumi-version"}


def test_pulumi_is_the_version_that_the_program_is_pinned_to() -> None:
    pinned = re.search(r"^pulumi==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert pinned
    versions = [step["with"]["pulumi-version"] for _, _, step in steps() if step.get("uses", "").startswith("pulumi/actions@")]
    assert set(versions) == {pinned[1]} and len(versions) == 3


# the linters


def test_both_linters_find_nothing() -> None:
    assert linting.main() == 0


BAD = """
on: pull_request_target
permissions: write-all
jobs:
  job:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v4
      - run: echo "${{ github.event.pull_request.title }}"
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BAD, ("template-injection", "dangerous-triggers", "unpinned-uses", "is potentially untrusted")),
        ("on: push\njobs:\n  job:\n    runs-on: ubuntu-24.04\n    stepps: []\n", ('unexpected key "stepps"',)),
    ],
)
def test_each_linter_fails_the_check(text: str, said: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "bad.yml").write_text(text)
    assert linting.main(tmp_path) == 1
    printed = "".join(capfd.readouterr())
    assert all(word in printed for word in said), printed


def test_a_checkout_without_workflows_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert linting.main(tmp_path) == 1
    assert "holds no workflow" in capsys.readouterr().err
