"""The steps of an export, applied one after the other to a real API server, bring the stack up in an order that webhooks would admit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gitops import content, order
from gitops.order import Step
from rehearsal import order as records
from rehearsal.control_plane import ControlPlane
from rehearsal.processes import wait_until
from review.objects import Object
from tests.supply.kinds import rendered

SECONDS = 60


class Applied:
    """An API server to which objects are given, and asked whether they are ready."""

    def __init__(self, api: Any) -> None:
        self.api = api
        self._paths: dict[tuple[str, str], tuple[str, bool]] = {}

    def step(self, step: Step) -> None:
        for item in step.objects:
            self.api.request("POST", self.path(item), item.body)
        waiting = list(step.objects)

        def ready() -> bool:
            waiting[:] = [item for item in waiting if not self.ready(item)]
            return not waiting

        assert wait_until(ready, SECONDS), f"{step.name}: not ready: {', '.join(str(item.key) for item in waiting)}"

    def path(self, item: Object) -> str:
        """Where objects of its kind are, in its namespace."""
        version = item.body["apiVersion"]
        if (version, item.key.kind) not in self._paths:
            prefix = f"/apis/{version}" if "/" in version else f"/api/{version}"
            for resource in self.api.request("GET", prefix)["resources"]:
                if "/" not in resource["name"]:
                    self._paths[version, resource["kind"]] = f"{prefix}|{resource['name']}", resource["namespaced"]
        (prefix, _, name), namespaced = self._paths[version, item.key.kind][0].partition("|"), self._paths[version, item.key.kind][1]
        return f"{prefix}/namespaces/{item.key.namespace}/{name}" if namespaced else f"{prefix}/{name}"

    def ready(self, item: Object) -> bool:
        """As a tool would judge it: definitions are established, pods are there, Jobs have ended."""
        kind = item.key.kind
        if kind not in ("CustomResourceDefinition", "Deployment", "StatefulSet", "DaemonSet", "Job"):
            return True
        found = self.api.request("GET", f"{self.path(item)}/{item.key.name}")
        status = found.get("status") or {}
        if kind in ("CustomResourceDefinition", "Job"):
            wanted = "Established" if kind == "CustomResourceDefinition" else "Complete"
            return any(c["type"] == wanted and c["status"] == "True" for c in status.get("conditions") or ())
        if kind == "DaemonSet":
            return status.get("desiredNumberScheduled", 0) == status.get("numberReady", 0) > 0
        return status.get("readyReplicas", 0) == found["spec"]["replicas"]


@pytest.mark.timeout(300)
def test_the_steps_bring_a_stack_up_on_a_real_api_server(own_control_plane: ControlPlane, tmp_path: Path) -> None:
    rendering = rendered(tmp_path / "project", {}, ["ambient"])["ambient"]
    exported = content.of(rendering, {})
    cluster = Applied(own_control_plane.api)
    for step in order.steps(exported.objects, rendering.waits):
        cluster.step(step)
    proof = records.prove(own_control_plane.api)
    assert proof.violations == []
    assert len(proof.pairs) > 5 and len(proof.gates) > 2
