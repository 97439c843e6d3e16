"""`make diff` as a user runs it: from git, with an exit code and one line for what is refused."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from review.__main__ import main
from tests.review.changes import LEAKED, STACK, copy, leaked_secret


def git(root: Path, *words: str) -> str:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", str(root), *identity, *words], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in a repository of its own, with one commit."""
    root = copy(tmp_path_factory.mktemp("project"))
    git(root, "init", "--quiet", "--initial-branch", "main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "base")
    return root


def test_a_change_that_leaks_a_secret_is_refused_in_one_line(project: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    leaked_secret(project)
    comment, data = tmp_path / "comment.md", tmp_path / "data.json"
    words = ["diff", "--base", "main", "--stack", STACK, "--bundles", "--markdown", str(comment), "--json", str(data)]
    try:
        assert main(words, project) == 1
    finally:
        git(project, "checkout", "--quiet", "--", ".")
    output = capfd.readouterr()
    (line,) = [line for line in output.err.splitlines() if line.startswith("error: ")]
    assert line.startswith(f"error: refused, stack {STACK}: secret in clear: Release grafana, values.adminPassword")
    assert f"Stack {STACK}: refused" in output.out
    assert comment.read_text().startswith("<!-- istio-stack review -->\n")
    assert json.loads(data.read_text())["stacks"][0]["refused"] is True
    assert LEAKED not in output.out + output.err + comment.read_text() + data.read_text()
    assert git(project, "worktree", "list").count("\n") == 1
    assert git(project, "status", "--porcelain") == ""


def test_a_base_that_git_does_not_know_is_one_clear_line(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for ref in ("nowhere", "--output=x"):
        assert main(["diff", f"--base={ref}", "--stack", STACK, "--bundles"], project) == 2
        assert capfd.readouterr().err.strip() == (
            f"error: base {ref} is unknown to git here: a branch, tag or commit is wanted; a shallow clone holds few of them"
        )


def test_a_base_that_is_not_named_is_one_clear_line(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "--base", "", "--stack", STACK, "--bundles"], project) == 2
    assert capfd.readouterr().err.strip() == "error: base is missing: name the git ref to compare with, such as BASE=main"


def test_a_stack_that_neither_state_has_is_one_clear_line(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "--base", "main", "--stack", "nowhere", "--bundles"], project) == 2
    assert "error: stack nowhere is unknown: there is no Pulumi.nowhere.yaml" in capfd.readouterr().err
    assert git(project, "worktree", "list").count("\n") == 1
