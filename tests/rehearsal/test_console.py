"""Steps say that they run: line by line in a log, in place on a terminal."""

import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rehearsal import console

ROOT = Path(__file__).parents[2]


def test_a_long_step_says_at_intervals_how_far_it_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(console, "PLAIN_INTERVAL_SECONDS", 0.2)
    with console.step("packing") as step:
        step.detail = "3 of 7"
        time.sleep(0.5)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "packing, 0 s"
    assert lines[1:-1] and set(lines[1:-1]) == {"packing, 0 s, 3 of 7"}
    assert re.fullmatch(r"packing: 0\.\d s", lines[-1])


def test_a_failed_step_is_called_failed(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(ValueError, match="no"), console.step("packing"):
        raise ValueError("no")
    assert re.search(r"^packing: failed after \d\.\d s$", capsys.readouterr().err, re.MULTILINE)


def test_a_short_step_that_may_be_quiet_is_not_mentioned(capsys: pytest.CaptureFixture[str]):
    with console.step("looking", quiet_for=5):
        pass
    assert capsys.readouterr().err == ""


def test_each_line_of_an_error_is_an_error(capsys: pytest.CaptureFixture[str]):
    console.error("a.b: 1 is no string\nc: missing [bold]")
    assert capsys.readouterr().err == "error: a.b: 1 is no string\nerror: c: missing [bold]\n"


def test_a_note_is_never_cut_or_wrapped(capsys: pytest.CaptureFixture[str]):
    console.note("word " * 100)
    assert capsys.readouterr().err == "word " * 100 + "\n"


def test_on_a_terminal_a_step_is_one_line_in_place():
    ours, theirs = pty.openpty()
    code = "import time; from rehearsal import console\nwith console.step('packing'): time.sleep(1.2)"
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    for name in ("NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        environment.pop(name, None)
    subprocess.run([sys.executable, "-c", code], stderr=theirs, cwd=ROOT, env=environment, check=True, timeout=30)
    os.close(theirs)
    said = os.read(ours, 100_000).decode()
    os.close(ours)
    assert "packing, 0 s" in said
    assert "packing, 1 s" in said
    assert "\x1b[2K" in said, "the line is cleared before it is written anew"
    assert re.search(r"packing: 1\.\d s", said)
    assert said.count("\n") <= 2
