"""The charts of the lock: what is installed, from where, and how anybody can tell that it is that."""

from __future__ import annotations

from pathlib import Path

from components.charts import ROOT
from components.merge import read_yaml
from pages.markdown import code, table

_INTRODUCTION = """\
# Charts

`make docs` writes this page from the lock, `charts.yaml`. A digest is the sha256 of the archive, verified before each use. Which stack
installs which chart is in [layers.md](layers.md)."""


def page(root: Path = ROOT) -> str:
    """The whole page."""
    entries = read_yaml(root / "charts.yaml")["charts"]
    rows = (
        (
            f"{name} (a manifest)" if entry.get("kind") == "manifest" else name,
            str(entry["version"]),
            str(entry["appVersion"]),
            f"<{entry['repository']}>",
            code(entry["digest"]) if entry["digest"] else f"none: {entry['reason']}",
        )
        for name, entry in entries.items()
    )
    return f"{_INTRODUCTION}\n\n{table(('Chart', 'Version', 'Application', 'Repository', 'Digest'), rows)}\n"
