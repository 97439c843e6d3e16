"""logcli as tests use it: what Loki's own parser says of a LogQL query, without a Loki."""

from __future__ import annotations

import subprocess
from functools import cache

from rehearsal import tools


@cache
def fault(query: str) -> str:
    """What is wrong with a query; empty where it is LogQL. One process for each, as logcli takes one at a time, and 0.1 s."""
    logcli = tools.ensure("logcli")["logcli"]
    answer = subprocess.run([logcli, "fmt"], input=query, capture_output=True, text=True, timeout=60, check=False)
    return "" if answer.returncode == 0 else answer.stderr.strip() or f"logcli ends with {answer.returncode}"
