"""Changes that somebody may propose, each made to a copy of the project, and the stack they are looked at in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from review.recorder import ROOT

STACK = "prod"
LEAKED = "Tr0ub4dor-and-3"
ROLE = """apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: alloy-nodes}
rules: [{apiGroups: [""], resources: [nodes], verbs: [get]}]
"""
_PARTS = ("components", "sizing", "rehearsal/bundles", "__main__.py", "charts.yaml", "prices.yaml", "Pulumi.yaml", f"Pulumi.{STACK}.yaml")


def copy(into: Path) -> Path:
    """A copy of what the program is made of."""
    for part in _PARTS:
        (into / part).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, into / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(ROOT / part, into / part)
    return into


def replaced(file: str, *pairs: tuple[str, str]) -> Callable[[Path], None]:
    """A change of texts that stand once in a file."""

    def change(root: Path) -> None:
        text = (root / file).read_text()
        for before, after in pairs:
            assert text.count(before) == 1, (file, before)
            text = text.replace(before, after)
        (root / file).write_text(text)

    return change


def chart_bump(root: Path) -> None:
    """Another version of a chart, which makes its objects a little otherwise."""
    replaced("charts.yaml", ("version: 1.11.1\n    appVersion: v1.18.1", "version: 1.12.0\n    appVersion: v1.19.0"))(root)
    bundle = "rehearsal/bundles/alloy"
    replaced(f"{bundle}/templates/_model.tpl", ("args: [run,", "args: [run, --cluster.enabled=false,"))(root)
    replaced(f"{bundle}/charts/crds/crds/podlogs.yaml", ("plural: podlogs", "plural: podlogs, shortNames: [pl]"))(root)
    (root / bundle / "templates" / "role.yaml").write_text(ROLE)


def leaked_secret(root: Path) -> None:
    """A password among what is the same for every stack."""
    file = root / "components" / "values" / "grafana.yaml"
    file.write_text(f"{file.read_text()}adminPassword: {LEAKED}\n")


CHANGES: dict[str, Callable[[Path], None]] = {
    "loki-retention": replaced(f"Pulumi.{STACK}.yaml", ("retentionDays: 30", "retentionDays: 14")),
    "chart-bump": chart_bump,
    "volume-size": replaced(f"Pulumi.{STACK}.yaml", ("volumeGi: 200", "volumeGi: 100"), ("14\n    volumeGi: 50", "14\n    volumeGi: 80")),
    "leaked-secret": leaked_secret,
    "broken-link": replaced("components/topology.py", ('else "tempo", "tempo", 4317)', 'else "tempo", "tempo", 4318)')),
}
