"""`make drift`: what differs becomes one issue; against a double of GitHub's API (tests/github_double.py) and a pulumi that is a play.

That a preview with a refresh sees what somebody changed, and writes nothing of it, is in tests/rehearsal/test_engine.py.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from operations import drift
from operations.drift import BAD_INPUT, FAILED, Found, body, file
from operations.github import LONGEST, GitHub, GitHubError
from rehearsal.errors import RehearsalError
from rehearsal.events import Recorder
from tests.github_double import GitHubDouble, running
from tests.rehearsal.engine_events import began, ended

PULUMI = """
import json, sys
asked = [word for word in sys.argv[1:] if word != "--non-interactive"]
open({calls!r}, "a").write(json.dumps(asked) + "\\n")
if asked[0] == "version":
    print("v3.205.0")  # the last that writes its events into a file, where a play can, too
if asked[:2] == ["stack", "select"] and {missing!r}:
    sys.exit("error: no stack named 'dev' found")
if asked[0] == "preview":
    open(asked[asked.index("--event-log") + 1], "w").write({events!r})
    sys.exit({code})
"""
CHANGED = Found("dev", ("create views: Secret grafana-admin", "update logs: Release loki (values.loki.limits)"))
CLEAN = Found("prod")
UNREAD = Found("staging", errors=("the cluster does not answer",))


@pytest.fixture
def github() -> Iterator[GitHubDouble]:
    with running() as double:
        yield double


def repository(double: GitHubDouble) -> GitHub:
    found = GitHub.of_environment(double.environment())
    assert found is not None
    return found


def mine(double: GitHubDouble) -> list[dict[str, Any]]:
    return [issue for issue in double.issues if issue["user"] == double.me]


# the issue


def test_what_differs_is_filed_once_and_then_kept_up_to_date(github: GitHubDouble) -> None:
    assert file(repository(github), [CHANGED, CLEAN]) == "filed: https://github.example/i/1"
    (issue,) = github.issues
    assert (issue["title"], issue["labels"]) == (drift.TITLE, ["drift"])
    assert "- `create views: Secret grafana-admin`" in issue["body"]
    assert file(repository(github), [Found("dev", ("delete views: Job x",)), CLEAN]) == "updated: https://github.example/i/1"
    (issue,) = github.issues
    assert "delete views: Job x" in issue["body"] and "grafana-admin" not in issue["body"]
    assert issue["state"] == "open"


def test_it_is_closed_when_nothing_differs_and_a_later_difference_has_an_issue_of_its_own(github: GitHubDouble) -> None:
    file(repository(github), [CHANGED])
    assert file(repository(github), [Found("dev")]) == "closed: https://github.example/i/1"
    assert (github.issues[0]["state"], github.issues[0]["state_reason"]) == ("closed", "completed")
    assert file(repository(github), [Found("dev")]) == "nothing differs, and no issue says otherwise"
    assert file(repository(github), [CHANGED]) == "filed: https://github.example/i/2"


def test_a_stack_that_could_not_be_read_is_no_stack_without_differences(github: GitHubDouble) -> None:
    assert file(repository(github), [CLEAN, UNREAD]).startswith("filed: ")
    assert file(repository(github), [CLEAN, UNREAD]).startswith("updated: ")
    assert github.issues[0]["state"] == "open"
    assert "## Stack staging: could not be read\n- `failed: the cluster does not answer`" in github.issues[0]["body"]


def test_issues_of_others_are_left_alone(github: GitHubDouble) -> None:
    person = {"login": "alice", "type": "User"}
    copied = github.add_issue({"title": "x", "body": body([CHANGED]), "labels": ["drift"]}, person)
    about = github.add_issue({"title": "y", "body": None, "labels": ["drift"]})
    file(repository(github), [Found("dev")])
    assert {copied["state"], about["state"]} == {"open"}
    file(repository(github), [CHANGED])
    assert len(mine(github)) == 2


def test_each_set_of_stacks_has_an_issue_of_its_own(github: GitHubDouble) -> None:
    file(repository(github), [CHANGED, UNREAD], "all")
    file(repository(github), [CHANGED], "dev")
    assert [issue["body"].partition("\n")[0] for issue in github.issues] == [
        "<!-- istio-stack drift of all -->",
        "<!-- istio-stack drift of dev -->",
    ]


def test_an_issue_fits_however_much_differs_and_says_what_it_leaves_out() -> None:
    much = [Found(f"s{number}", tuple(f"update layer: Release {index} ({'x' * 400})" for index in range(500))) for number in range(4)]
    text = body(much)
    assert len(text) <= LONGEST
    assert text.count("- and 463 more, in the log of the run") == 4
    assert all(f"## Stack s{number}: 500 differ" in text for number in range(4))


def test_a_refusal_is_one_line(github: GitHubDouble) -> None:
    github.forbidden = True
    with pytest.raises(GitHubError, match="GitHub answers 403 to POST /repos/acme/stack/issues: Resource not accessible by integration"):
        file(repository(github), [CHANGED])


# what a preview says


def test_a_line_names_what_differs_and_never_a_value() -> None:
    recorder = Recorder()
    event = began("kubernetes:core/v1:Secret", "key", "update", "first", {"data": {"password": "sentinel"}})
    assert event.resource_pre_event is not None
    event.resource_pre_event.metadata.diffs = [f"data.{name}" for name in "abcdef"]
    recorder.on_event(event)
    recorder.on_event(ended("kubernetes:core/v1:Secret", "key", "update", "first"))
    recorder.on_event(began("kubernetes:core/v1:Service", "same", "same", "first"))
    recorder.on_event(began("kubernetes:core/v1:Service", "seen", "refresh", "first"))
    recorder.on_event(began("small:part:Layer", "first", "update"))
    assert drift.lines(recorder.operations(), recorder) == ("update first: Secret key (data.a, data.b, data.c, data.d, data.e, …)",)


@pytest.fixture
def plays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a pulumi on PATH that plays a preview, and returns what it was called with."""

    def make(events: list[dict[str, Any]], code: int = 0, missing: bool = False) -> Path:
        calls = tmp_path / "calls"
        program = tmp_path / "pulumi"
        text = "".join(json.dumps({"sequence": n, "timestamp": 0, **event}) + "\n" for n, event in enumerate(events))
        program.write_text(f"#!{sys.executable}\n{PULUMI.format(calls=str(calls), events=text, code=code, missing=missing)}")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("GITHUB_TOKEN", raising=False)
        return calls

    return make


def event(op: str, kind: str, name: str) -> dict[str, Any]:
    urn = f"urn:pulumi:dev::istio-stack::istio-stack:logs:Loki${kind}::{name}"
    state = {"type": kind, "urn": urn, "id": "", "parent": "", "provider": "", "custom": True, "inputs": {}}
    return {"resourcePreEvent": {"metadata": {"op": op, "urn": urn, "type": kind, "provider": "", "new": state, "diffs": ["values"]}}}


def test_a_stack_of_a_team_is_previewed_with_a_refresh_and_nothing_else(plays: Any, capsys: pytest.CaptureFixture[str]) -> None:
    calls = plays([event("update", "kubernetes:helm.sh/v3:Release", "loki"), {"summaryEvent": {"resourceChanges": {"update": 1}}}])
    assert drift.main(["--stack", "dev"]) == 0
    printed = capsys.readouterr()
    assert "<!-- istio-stack drift of dev -->" in printed.out
    assert "- `update stack: Release loki (values)`" in printed.out
    assert "printed, not filed" in printed.err
    asked = [json.loads(line) for line in calls.read_text().splitlines()]
    verbs = [arguments[0] for arguments in asked]
    assert set(verbs) <= {"version", "stack", "preview", "config"}
    assert [arguments[:2] for arguments in asked if arguments[0] == "stack"] == [["stack", "select"]]
    (preview,) = [arguments for arguments in asked if arguments[0] == "preview"]
    assert "--refresh" in preview and "--suppress-outputs" in preview
    assert not any("--create" in arguments or "--yes" in arguments for arguments in asked)


def test_a_preview_that_fails_is_said_and_the_exit_code_is_not_0(plays: Any, capsys: pytest.CaptureFixture[str]) -> None:
    said = {"message": "error: the cluster is unreachable\n", "color": "never", "severity": "error", "urn": ""}
    plays([{"diagnosticEvent": said}], code=255)
    assert drift.main(["--stack", "dev"]) == FAILED
    printed = capsys.readouterr()
    assert "## Stack dev: could not be read" in printed.out
    assert "the cluster is unreachable" in printed.err


def test_a_stack_that_the_backend_does_not_know_is_not_made(plays: Any, capsys: pytest.CaptureFixture[str]) -> None:
    plays([], missing=True)
    assert drift.main(["--stack", "dev"]) == FAILED
    assert "stack dev: no stack named 'dev' found" in capsys.readouterr().err


def test_without_pulumi_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    assert drift.main(["--stack", "dev"]) == FAILED
    assert "stack dev: there is no pulumi on PATH" in capsys.readouterr().err


def test_a_stack_that_nobody_knows_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert drift.main(["--stack", "nobody"]) == BAD_INPUT
    assert "error: stack nobody is unknown: there is no Pulumi.nobody.yaml; known are dev, local, prod, staging" in capsys.readouterr().err


def test_all_are_those_of_teams(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def unreadable(stack: str) -> Found:
        raise RehearsalError(f"{stack}: no way there")

    monkeypatch.setattr(drift, "configured", unreadable)
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    assert drift.main(["--stack", "all"]) == FAILED
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line.startswith("## ")] == [
        f"## Stack {stack}: could not be read" for stack in ("dev", "prod", "staging")
    ]
