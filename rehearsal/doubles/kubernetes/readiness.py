"""Which readiness an object has: that of its kind, one named by annotation, or none."""

import json
import re
from collections.abc import Callable
from typing import Any

from rehearsal.doubles.kubernetes.awaiting import Readiness, Wait
from rehearsal.doubles.kubernetes.errors import Refusal
from rehearsal.doubles.kubernetes.network import IngressReadiness, ServiceReadiness
from rehearsal.doubles.kubernetes.shapes import annotation, group_of
from rehearsal.doubles.kubernetes.storage import ClaimReadiness, QuotaReadiness, TokenReadiness, VolumeReadiness
from rehearsal.doubles.kubernetes.workloads import (
    DaemonSetReadiness,
    DeploymentReadiness,
    JobReadiness,
    PodReadiness,
    StatefulSetReadiness,
)

_WAIT_FOR = "pulumi.com/waitFor"
_BY_KIND: dict[tuple[str, str], Callable[[Wait], Readiness]] = {
    ("apps", "DaemonSet"): DaemonSetReadiness,
    ("apps", "Deployment"): DeploymentReadiness,
    ("apps", "StatefulSet"): StatefulSetReadiness,
    ("batch", "Job"): JobReadiness,
    ("", "PersistentVolume"): VolumeReadiness,
    ("", "PersistentVolumeClaim"): ClaimReadiness,
    ("", "Pod"): PodReadiness,
    ("", "ResourceQuota"): QuotaReadiness,
    ("", "Service"): ServiceReadiness,
    ("networking.k8s.io", "Ingress"): IngressReadiness,
}
_JSON_PATH = re.compile(r"jsonpath=\{?(\.[A-Za-z0-9_.-]+)\}?(?:=(.+))?")
# Kinds whose readiness the real plugin asks for on a refresh too.
_READ_KINDS = frozenset({"DaemonSet", "Deployment", "StatefulSet", "Job", "Pod", "Service", "Ingress"})


class _Expression(Readiness):
    """Readiness by annotation: conditions and fields of the object."""

    overdue = "timed out waiting for the condition"
    cancelled = "context canceled"

    def __init__(self, wait: Wait, expressions: list[str]) -> None:
        super().__init__(wait)
        self._expressions = expressions
        for expression in expressions:
            if not expression.startswith("condition=") and not _JSON_PATH.fullmatch(expression):
                raise Refusal(f'expected a "jsonpath=" or "condition=" prefix, got "{expression}"')

    def look(self) -> bool:
        self.live = self.wait.read_live() or self.live
        return not self.reasons()

    def reasons(self) -> list[str]:
        return [f"Waiting for {expression}" for expression in self._expressions if not self._holds(expression)]

    def _holds(self, expression: str) -> bool:
        if expression.startswith("condition="):
            kind, _, status = expression.removeprefix("condition=").partition("=")
            conditions = (self.live.get("status") or {}).get("conditions") or []
            found = [str(item.get("status", "")) for item in conditions if item.get("type", "").lower() == kind.lower()]
            return [(status or "True").lower()] == [item.lower() for item in found]
        match = _JSON_PATH.fullmatch(expression)
        value: Any = self.live
        for step in match[1].strip(".").split(".") if match else ():
            value = value.get(step) if isinstance(value, dict) else None
        if match and match[2]:
            return value is not None and (value if isinstance(value, str) else json.dumps(value)) == match[2]
        return value is not None


def readiness_of(wait: Wait, inputs: dict[str, Any]) -> Readiness | None:
    """What to wait for after a create or an update; None when the object is ready as it is."""
    if annotation(inputs, "pulumi.com/skipAwait") == "true":
        return None
    text = annotation(wait.live, _WAIT_FOR)
    if text:
        try:
            several = json.loads(text)
        except ValueError:
            several = text
        expressions = several if isinstance(several, list) else [text]
        if not expressions:
            raise Refusal("at least one condition must be specified")
        return _Expression(wait, expressions)
    return _by_kind(wait)


def readiness_on_refresh(wait: Wait, inputs: dict[str, Any]) -> Readiness | None:
    """What a refresh looks at, once."""
    if annotation(inputs, "pulumi.com/skipAwait") == "true" or wait.live.get("kind") not in _READ_KINDS:
        return None
    found = _by_kind(wait)
    if isinstance(found, ServiceReadiness):
        found.settle_at_once()
    return found


def _by_kind(wait: Wait) -> Readiness | None:
    if (group_of(wait.live), wait.live.get("kind")) == ("", "Secret"):
        return TokenReadiness(wait) if wait.live.get("type") == "kubernetes.io/service-account-token" else None
    kind = _BY_KIND.get((group_of(wait.live), wait.live.get("kind", "")))
    return kind(wait) if kind is not None else None
