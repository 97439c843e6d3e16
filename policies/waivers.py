"""What is broken on purpose: the waivers, each with the objects that it is for and its reason, all in policies/waivers.yaml."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from components.charts import ROOT
from components.errors import ConfigurationError
from components.merge import read_yaml

FILE = ROOT / "policies" / "waivers.yaml"
TOOLS = ("rules", "checkov", "kube-score")
_KEYS = {"tool", "checks", "objects", "reason"}
_MAY = {"when"}
_WORDS = 8
"""A reason of fewer words is none."""


class Finding(NamedTuple):
    """Something that one of the tools, or a rule of ours, says is broken."""

    tool: str
    check: str
    target: str
    """The object, as `Kind namespace/name`."""
    where: str
    """Container or path in it; empty for the whole."""
    what: str


@dataclass(frozen=True)
class Waiver:
    """Checks of one tool that need not hold for some objects."""

    tool: str
    checks: tuple[str, ...]
    objects: tuple[str, ...]
    """Patterns over `Kind namespace/name`, or that and a container after a colon."""
    reason: str
    when: str = ""
    """Of which stacks alone, where no stack of the project is one: needless in those."""

    def covers(self, finding: Finding) -> bool:
        """Whether a finding is one of these."""
        names = (finding.target, f"{finding.target}:{finding.where}")
        return (
            finding.tool == self.tool
            and any(fnmatchcase(finding.check, check) for check in self.checks)
            and any(fnmatchcase(name, pattern) for pattern in self.objects for name in names)
        )

    def __str__(self) -> str:
        return f"{self.tool} {', '.join(self.checks)} for {', '.join(self.objects)}"


class Judged(NamedTuple):
    """Findings after the waivers."""

    failures: tuple[Finding, ...]
    waived: tuple[Finding, ...]
    unused: tuple[Waiver, ...]
    """Waivers that nothing needs."""


def read(file: Path = FILE) -> tuple[Waiver, ...]:
    """The waivers of a file. Raises ConfigurationError, with one line for each, where some are none."""
    found, wrong = [], []
    for number, entry in enumerate(read_yaml(file)["waivers"], 1):
        complaint = _complaint(entry)
        if complaint:
            wrong.append(f"{file.name}: waiver {number} {complaint}")
        else:
            reason = " ".join(entry["reason"].split())
            found.append(Waiver(entry["tool"], tuple(entry["checks"]), tuple(entry["objects"]), reason, entry.get("when", "")))
    if wrong:
        raise ConfigurationError(wrong)
    return tuple(found)


def _complaint(entry: object) -> str:
    if not isinstance(entry, dict) or set(entry) - _MAY != _KEYS:
        return f"has not exactly the keys {', '.join(sorted(_KEYS))}, and perhaps {', '.join(_MAY)}"
    if entry["tool"] not in TOOLS:
        return f"is for tool {entry['tool']}: there are {', '.join(TOOLS)}"
    if not entry["checks"] or not entry["objects"] or not all(isinstance(text, str) for text in (*entry["checks"], *entry["objects"])):
        return "names no checks or no objects"
    if "*" in entry["checks"]:
        return "is for every check: name them"
    if len(str(entry["reason"]).split()) < _WORDS:
        return f"has no reason of at least {_WORDS} words"
    return ""


def apply(findings: Iterable[Finding], waivers: Collection[Waiver]) -> Judged:
    """Sorts findings into failures and what is waived."""
    failures, waived, used = [], [], set()
    for finding in findings:
        covering = [waiver for waiver in waivers if waiver.covers(finding)]
        used.update(covering)
        (waived if covering else failures).append(finding)
    return Judged(tuple(failures), tuple(waived), tuple(waiver for waiver in waivers if waiver not in used))
