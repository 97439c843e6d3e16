"""`make workflows`: what actionlint and zizmor say of .github/workflows, without asking anybody outside. Exit code 0, or 1 for findings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from components.charts import ROOT
from rehearsal import console, tools
from rehearsal.errors import RehearsalError

SECONDS = 120


def main(root: Path = ROOT) -> int:
    """Runs both on every workflow of a checkout; what they print is theirs."""
    folder = root / ".github" / "workflows"
    files = sorted(str(path.relative_to(root)) for path in folder.glob("*.yml"))
    if not files:
        console.error(f"{folder} holds no workflow")
        return 1
    try:
        found = tools.ensure("actionlint", "zizmor")
    except RehearsalError as error:
        console.error(str(error))
        return 1
    lines = (
        # steps are calls of make, of which neither shellcheck nor pyflakes has anything to say
        [found["actionlint"], "-no-color", "-shellcheck=", "-pyflakes=", *files],
        [found["zizmor"], "--offline", "--persona=auditor", "--strict-collection", "--no-progress", "--color=never", "--quiet", *files],
    )
    return max(min(1, subprocess.run(line, cwd=root, timeout=SECONDS, check=False).returncode) for line in lines)


if __name__ == "__main__":
    sys.exit(main())
