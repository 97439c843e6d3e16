"""The vocabulary of Prometheus rules: an alert, a recording, a group, and the paragraph that says what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from components.settings_alerting import AlertingSettings

RUNBOOKS = "docs/runbooks"
Severity = Literal["critical", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Recording:
    """A series made from others."""

    record: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def rule(self) -> dict[str, Any]:
        """As a rule of a PrometheusRule."""
        return {"record": self.record, "expr": self.expr, **({"labels": dict(self.labels)} if self.labels else {})}


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that somebody must look at. `critical` wakes them, `warning` waits for the morning, `info` explains another one."""

    name: str
    severity: Severity
    expr: str
    summary: str
    description: str
    runbook: str
    """Page of the runbooks, without its ending; the paragraph is the alert's own name."""
    hold: str | None = None
    """How long it must be so before anybody hears of it, as Prometheus spells it."""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def anchor(self) -> str:
        """The paragraph in its runbook page, as a heading's address is made."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")

    def rule(self, alerting: AlertingSettings) -> dict[str, Any]:
        """As a rule of a PrometheusRule."""
        page = f"{self.runbook}.md#{self.anchor}"
        base = alerting.runbooks.rstrip("/") if alerting.runbooks else None
        return {
            "alert": self.name,
            "expr": self.expr,
            **({"for": self.hold} if self.hold else {}),
            "labels": {"severity": self.severity, **self.labels},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                # a link where there is one; else where it stands in the repository, which is no link
                **({"runbook_url": f"{base}/{page}"} if base else {"runbook": f"{RUNBOOKS}/{page}"}),
            },
        }


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated one after the other, each seeing what those before it recorded."""

    name: str
    rules: Sequence[Recording | Alert]
    interval: str | None = None
    """How often; Prometheus' own interval if nothing is said."""

    def spec(self, alerting: AlertingSettings) -> dict[str, Any]:
        """As a group of a PrometheusRule."""
        rules = [rule.rule(alerting) if isinstance(rule, Alert) else rule.rule() for rule in self.rules]
        return {"name": self.name, **({"interval": self.interval} if self.interval else {}), "rules": rules}


def rule_spec(groups: Sequence[Group], alerting: AlertingSettings) -> dict[str, Any]:
    """Spec of a PrometheusRule, which is also a rule file as Prometheus and promtool read it."""
    return {"groups": [group.spec(alerting) for group in groups]}


def alerts(groups: Sequence[Group]) -> list[Alert]:
    """Every alert of these groups."""
    return [rule for group in groups for rule in group.rules if isinstance(rule, Alert)]
