"""What the test run itself relies on."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

GROUPED = """
import pytest

pytestmark = pytest.mark.xdist_group("one")


@pytest.mark.parametrize("number", range(8))
def test_part_of_a_story(number: int) -> None: ...
"""


def test_tests_of_one_group_run_in_one_worker(tmp_path: Path) -> None:
    """pytest 9.2 ignores xdist 3.8's groups without a word: the whole-stack tests then meet two empty clusters."""
    (tmp_path / "test_grouped.py").write_text(GROUPED)
    line = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", "--numprocesses", "2", "--dist", "loadgroup"]
    result = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    workers = re.findall(r"^\[(gw\d)\].*PASSED", result.stdout, re.MULTILINE)
    assert len(workers) == 8, result.stdout
    assert len(set(workers)) == 1, result.stdout
