"""promtool as tests use it: rule files checked, expressions parsed, and unit tests made of timelines."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal import tools


@dataclass(frozen=True)
class Firing:
    """At a moment, how many alerts of these labels fire."""

    minute: int
    labels: str
    count: int


@dataclass(frozen=True)
class Timeline:
    """What is scraped from minute 0 on, and what must (not) fire when."""

    name: str
    series: Mapping[str, str]
    """Selector to values, in promtool's own notation."""
    expected: Sequence[Firing]
    step: int = 1
    """Minutes between two scrapes, and two evaluations."""

    def test(self) -> dict[str, Any]:
        """As promtool takes it."""
        return {
            "name": self.name,
            "interval": f"{self.step}m",
            "input_series": [{"series": selector, "values": values} for selector, values in self.series.items()],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertstate="firing", {firing.labels}}})',
                    "eval_time": f"{firing.minute}m",
                    "exp_samples": [{"labels": "{}", "value": firing.count}] if firing.count else [],
                }
                for firing in self.expected
            ],
        }


def counter(*phases: tuple[float, int]) -> str:
    """Values of a counter that grows by so much a step, for so many steps, phase after phase, from 0."""
    total, parts = 0.0, ["0"]
    for growth, steps in phases:
        parts.append(f"{total + growth:.6f}+{growth:.6f}x{steps - 1}")
        total += growth * steps
    return " ".join(parts)


def _run(*arguments: str | Path, timeout: int = 300) -> subprocess.CompletedProcess[str]:
    promtool = tools.ensure("promtool")["promtool"]
    return subprocess.run([promtool, *arguments], capture_output=True, text=True, timeout=timeout, check=False)


def check(rules: Mapping[str, Any], folder: Path, lint: bool = True) -> str:
    """What promtool says of a rule file, its linter too; empty where it has no fault to find."""
    file = folder / "rules.json"
    file.write_text(json.dumps(rules))
    answer = _run("check", "rules", *(["--lint=all", "--lint-fatal"] if lint else ["--lint=none"]), file)
    return "" if answer.returncode == 0 else answer.stdout + answer.stderr


def prove(rules: Mapping[str, Any], timelines: Sequence[Timeline], folder: Path) -> str:
    """Runs timelines against rules; empty where everything that was expected happened, and nothing else."""
    (folder / "rules.json").write_text(json.dumps(rules))
    step = {timeline.step for timeline in timelines}
    assert len(step) == 1, "one file of tests has one evaluation interval"
    tests = {
        "rule_files": ["rules.json"],
        "evaluation_interval": f"{step.pop()}m",
        "tests": [timeline.test() for timeline in timelines],
    }
    file = folder / "tests.json"
    file.write_text(json.dumps(tests))
    answer = _run("test", "rules", file)
    return "" if answer.returncode == 0 else answer.stdout + answer.stderr
