"""A stack as the engine recorded it: its resources, what each waits for, and which of them have pods to wait for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.graph import Node
from rehearsal.engine import SECRET_MARK
from rehearsal.events import PROVIDERS, STACK, layer_of
from rehearsal.report import RELEASE

JOB_RUN_SECONDS = 1.0
"""How long a simulated pod of a Job runs once it has started; see rehearsal/kwok."""
_RUNS_PODS = ("Deployment", "StatefulSet", "DaemonSet", "Pod")


@dataclass(frozen=True)
class Resource:
    """One resource of the state."""

    urn: str
    type: str
    layer: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    needs: frozenset[str]
    concrete: bool
    """Whether it is something in the cluster that the program made: no component, no provider, nothing it only read."""

    @property
    def kind(self) -> str:
        return self.type.rpartition(":")[2]

    @property
    def name(self) -> str:
        return self.urn.rpartition("::")[2]

    @property
    def label(self) -> str:
        return f"{self.kind} {self.name}"

    def seconds(self, pod_start: float) -> float:
        """What has to pass between its beginning and its end: its pods' start, for a Job also their run; else nothing."""
        if self.type == RELEASE:
            objects = self.outputs.get("resourceNames") or {}
            waits = not self.inputs.get("skipAwait")
            return pod_start if waits and any(kind.partition("/")[0].partition(".")[0] in _RUNS_PODS for kind in objects) else 0.0
        if self.type.startswith("kubernetes:batch/") and self.kind == "Job":
            return pod_start + JOB_RUN_SECONDS
        return pod_start if self.type.startswith(("kubernetes:apps/", "kubernetes:core/")) and self.kind in _RUNS_PODS else 0.0


def resources(state: Iterable[Mapping[str, Any]]) -> dict[str, Resource]:
    """The resources of a checkpoint by URN, in its order; secrets are left out of their inputs."""
    listed = [entry for entry in state if entry["type"] != STACK]
    parents = {entry["urn"]: entry.get("parent", "") for entry in listed}
    return {
        entry["urn"]: Resource(
            entry["urn"],
            entry["type"],
            layer_of(entry["urn"], parents),
            _opened(entry.get("inputs") or {}),
            entry.get("outputs") or {},
            frozenset({*(entry.get("dependencies") or ()), entry.get("parent", "")}),
            bool(entry.get("custom")) and not entry.get("external") and not entry["type"].startswith(PROVIDERS),
        )
        for entry in listed
    }


def graph(found: Mapping[str, Resource], pod_start: float) -> dict[str, Node]:
    """The graph of the resources by URN: each waits for what it depends on, and for its parent."""
    return {urn: Node(resource.seconds(pod_start), resource.needs) for urn, resource in found.items()}


def _opened(value: Any) -> Any:
    """A value of the state without what is secret in it: how long things take does not depend on that."""
    if isinstance(value, Mapping):
        return {key: _opened(part) for key, part in value.items() if not (isinstance(part, Mapping) and SECRET_MARK in part)}
    return [_opened(part) for part in value] if isinstance(value, list) else value
