"""What bench.review measures: time, and the memory of a process with all that it started."""

from __future__ import annotations

import sys

import pytest

from bench.review import measure

HOLD = "held = bytearray(60_000_000); import time; time.sleep(0.5)"


def test_the_memory_of_descendants_counts() -> None:
    alone = measure([sys.executable, "-c", HOLD])
    starts = f"import subprocess, sys; held = bytearray(60_000_000); subprocess.run([sys.executable, '-c', {HOLD!r}])"
    parent = measure([sys.executable, "-c", starts])
    assert 60 < alone.megabytes < 110
    assert parent.megabytes > alone.megabytes + 50
    assert alone.seconds >= 0.5


def test_what_fails_is_not_measured() -> None:
    with pytest.raises(RuntimeError, match="ended with code 3"):
        measure([sys.executable, "-c", "raise SystemExit(3)"])
