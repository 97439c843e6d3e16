"""What is said of an earlier state that cannot be brought up. That it can is seen in tests/rehearsal/test_stack.py."""

from __future__ import annotations

import re
import subprocess

import pytest

from review import __main__ as command
from review import rehearsed
from review.errors import Refusal
from review.recorder import ROOT


def test_the_baseline_is_a_commit_of_this_history() -> None:
    """A shallow clone lacks it: fetch the whole history."""
    assert re.fullmatch(r"[0-9a-f]{40}", rehearsed.baseline())
    known = subprocess.run(["git", "-C", str(ROOT), "cat-file", "-t", rehearsed.baseline()], capture_output=True, text=True, check=False)
    assert known.stdout.strip() == "commit", known.stderr


def test_a_ref_that_git_does_not_know_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["rehearse-upgrade", "--base", "no-such-ref"]) == 2
    assert "base no-such-ref is unknown to git here" in " ".join(capsys.readouterr().err.split())


def test_a_stack_that_was_not_there_is_refused() -> None:
    with pytest.raises(Refusal, match="stack newcomer is not there at HEAD: there is nothing to upgrade"):
        rehearsed.rehearse("HEAD", "newcomer")
