"""Readiness of what runs pods: Deployment, StatefulSet, DaemonSet, Job, Pod."""

from typing import Any

from rehearsal.doubles.kubernetes.awaiting import Readiness, Wait
from rehearsal.doubles.kubernetes.errors import NotReady
from rehearsal.doubles.kubernetes.shapes import annotation, name_of, namespace_of

_REVISION = "deployment.kubernetes.io/revision"


def _status(obj: dict[str, Any]) -> dict[str, Any]:
    return obj.get("status") or {}


def _condition(obj: dict[str, Any], kind: str) -> dict[str, Any]:
    return next((item for item in _status(obj).get("conditions") or [] if item.get("type") == kind), {})


def _is_observed(obj: dict[str, Any]) -> bool:
    """Whether the controller has seen this generation, so that the status speaks of it."""
    return _status(obj).get("observedGeneration", 0) >= obj["metadata"].get("generation", 0)


def _is_owned_by(obj: dict[str, Any], owner: dict[str, Any]) -> bool:
    uid = owner["metadata"].get("uid")
    return any(reference.get("uid") == uid for reference in obj["metadata"].get("ownerReferences") or [])


class _Workload(Readiness):
    """What the kinds have in common."""

    def __init__(self, wait: Wait) -> None:
        super().__init__(wait)
        self._said = ""

    def say(self, message: str) -> None:
        if message != self._said:
            self._said = message
            self.wait.say(message)

    def refresh(self) -> bool:
        """Reads the object; False when there is nothing new to go by."""
        found = self.wait.read_live()
        if found is None:
            return False
        self.live = found
        return _is_observed(found)

    def owned(self, api_version: str, kind: str, owner: dict[str, Any]) -> list[dict[str, Any]]:
        labels = ((self.live.get("spec") or {}).get("selector") or {}).get("matchLabels")
        listed = self.wait.read(api_version, kind, labels=labels) or {}
        return [item for item in listed.get("items") or [] if _is_owned_by(item, owner)]

    def pod_messages(self, owner: dict[str, Any]) -> list[str]:
        return [message for pod in self.owned("v1", "Pod", owner) for message in pod_problems(pod)]


class DeploymentReadiness(_Workload):
    """Available, its current ReplicaSet complete, its claims bound."""

    def __init__(self, wait: Wait) -> None:
        super().__init__(wait)
        self._revision = "0"
        self._available = self._rolled_out = self._complete = False
        self._replica_set: dict[str, Any] | None = None
        self._unbound: list[str] = []

    def look(self) -> bool:
        if not self.refresh():
            return False
        self._revision = annotation(self.live, _REVISION)
        progressing = _condition(self.live, "Progressing")
        self._available = _condition(self.live, "Available").get("status") == "True"
        self._rolled_out = progressing.get("reason") == "NewReplicaSetAvailable" and progressing.get("status") == "True"
        self._look_at_replica_set()
        ready = self._available and self._complete and (self._revision == "1" or self._rolled_out)
        return ready and self._claims_are_bound()

    def _look_at_replica_set(self) -> None:
        sets = self.owned("apps/v1", "ReplicaSet", self.live)
        self._replica_set = next((item for item in sets if annotation(item, _REVISION) == self._revision), None)
        if self._replica_set is None:
            self._complete = False
            return
        wanted = self._replica_set["spec"].get("replicas", 1)
        ready = _status(self._replica_set).get("readyReplicas", 0)
        self._complete = ready >= wanted
        if not self._complete:
            self.say(f"Waiting for app ReplicaSet to be available ({ready}/{wanted} Pods available)")

    def _claims_are_bound(self) -> bool:
        volumes = self.live["spec"]["template"]["spec"].get("volumes") or []
        claims = [volume["persistentVolumeClaim"]["claimName"] for volume in volumes if "persistentVolumeClaim" in volume]
        found = {name: self.wait.read("v1", "PersistentVolumeClaim", name) for name in claims}
        self._unbound = [name for name, claim in found.items() if claim is not None and _status(claim).get("phase") != "Bound"]
        return not self._unbound

    def reasons(self) -> list[str]:
        messages = []
        for kind in ("Available", "Progressing"):
            condition = _condition(self.live, kind)
            if condition.get("status") not in (None, "True"):
                messages.append(f"[{condition.get('reason', '')}] {condition.get('message', '')}")
        if self._unbound:
            messages.append(f'Failed to bind PersistentVolumeClaim(s): "{",".join(self._unbound)}"')
        if not self._available:
            messages.append("Minimum number of live Pods was not attained")
        elif self._revision != "1" and not self._rolled_out:
            messages.append("Minimum number of Pods to consider the application live was not attained")
        elif not self._complete:
            first = "Minimum number of Pods to consider the application live was not attained"
            later = "Attempted to roll forward to new ReplicaSet, but minimum number of Pods did not become live"
            messages.append(first if self._revision == "1" else later)
        return messages + (self.pod_messages(self._replica_set) if self._replica_set is not None else [])


class StatefulSetReadiness(_Workload):
    """All replicas ready, and of the new revision."""

    def __init__(self, wait: Wait) -> None:
        super().__init__(wait)
        self._replicas_ready = self._revision_ready = False
        self._count = (0, 0)

    def look(self) -> bool:
        self._replicas_ready = self._revision_ready = False
        if not self.refresh():
            return False
        status, spec = _status(self.live), self.live["spec"]
        wanted, ready = spec.get("replicas", 0), status.get("readyReplicas", 0)
        counts = [status.get("replicas", 0), ready]
        if self.live["metadata"].get("generation", 1) > 1 and (spec.get("updateStrategy") or {}).get("type") == "OnDelete":
            self._revision_ready = True
        else:
            counts.append(status.get("currentReplicas", 0))
            self._revision_ready = bool(status.get("currentRevision")) and status.get("currentRevision") == status.get("updateRevision")
        self._replicas_ready = all(count == wanted for count in counts)
        self._count = (ready if self._revision_ready else min(ready, status.get("updatedReplicas", 0)), wanted)
        if not (self._replicas_ready and self._revision_ready):
            self.say(f"Waiting for StatefulSet to create Pods ({self._count[0]}/{wanted} Pods ready)")
        return self._replicas_ready and self._revision_ready

    def reasons(self) -> list[str]:
        messages = []
        if not self._replicas_ready:
            messages.append(f"{self._count[0]} out of {self._count[1]} replicas succeeded readiness checks")
        if not self._revision_ready:
            before, after = (_status(self.live).get(key, "") for key in ("currentRevision", "updateRevision"))
            messages.append(f'StatefulSet controller failed to advance from revision "{before}" to revision "{after}"')
        return messages + self.pod_messages(self.live)


class DaemonSetReadiness(_Workload):
    """A pod of the new revision, available, on each node it is wanted on."""

    overdue = cancelled = "timed out waiting for the condition"

    def look(self) -> bool:
        if not self.refresh():
            return False
        status = _status(self.live)
        wanted = status.get("desiredNumberScheduled")
        if wanted is None or self.live["metadata"].get("deletionTimestamp"):
            return False
        counts = [status.get(key, 0) for key in ("currentNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady")]
        if any(count < wanted for count in counts):
            self.say(f"Available: {min(counts)}/{wanted}")
            return False
        return True


class JobReadiness(_Workload):
    """Complete. A Job that failed for good ends the wait."""

    def look(self) -> bool:
        found = self.wait.read_live()
        if found is None:
            return False
        failed = _condition(found, "Failed")
        if failed.get("status") == "True" and failed.get("reason") in ("BackoffLimitExceeded", "DeadlineExceeded"):
            reason = f"[{failed['reason']}] {failed.get('message', '')}"
            raise NotReady(f"Resource '{name_of(found)}' was created but failed to initialize", found, [reason])
        self.live = found
        status = _status(found)
        done = bool(status.get("startTime")) and _condition(found, "Complete").get("status") == "True"
        if not done:
            counts = " | ".join(f"{key.capitalize()}: {status.get(key, 0)}" for key in ("active", "succeeded", "failed"))
            self.say(f'Waiting for Job "{namespace_of(found)}/{name_of(found)}" to succeed ({counts})')
        return done

    def reasons(self) -> list[str]:
        return self.pod_messages(self.live)


class PodReadiness(_Workload):
    """Scheduled, initialized and ready, or run to its end."""

    def look(self) -> bool:
        found = self.wait.read_live()
        if found is None:
            return False
        self.live = found
        steps = all(_condition(found, kind).get("status") == "True" for kind in ("PodScheduled", "Initialized"))
        return steps and (_condition(found, "Ready").get("status") == "True" or _status(found).get("phase") == "Succeeded")

    def reasons(self) -> list[str]:
        return pod_problems(self.live)


def pod_problems(pod: dict[str, Any]) -> list[str]:
    """Why a pod is not ready, as far as its first unmet condition says so; none for a pod that waits to be scheduled."""
    if _condition(pod, "PodScheduled").get("status") != "True":
        return []
    for kind in ("Initialized", "Ready"):
        condition = _condition(pod, kind)
        if condition.get("status") == "True" or (kind == "Ready" and _status(pod).get("phase") == "Succeeded"):
            continue
        problems = [problem for status in _status(pod).get("containerStatuses") or [] for problem in _container_problems(status)]
        if not condition or not (problems or condition.get("message")):
            return []
        said = condition["message"] if condition.get("reason") and condition.get("message") else ""
        return [f"[Pod {namespace_of(pod)}/{name_of(pod)}]: {said}" + "\n".join(problems)]
    return []


def _container_problems(status: dict[str, Any]) -> list[str]:
    if status.get("ready"):
        return []
    problems = []
    waiting = (status.get("state") or {}).get("waiting")
    if waiting and waiting.get("reason") != "ContainerCreating":
        problems.append(f"[{waiting.get('reason', '')}] {waiting.get('message', '')}")
    ended = (status.get("state") or {}).get("terminated")
    if ended and ended.get("reason"):
        plain = f'container "{status["name"]}" completed with exit code {ended.get("exitCode")}'
        problems.append(f"[{ended['reason']}] {ended['message']}" if ended.get("message") else plain)
    before = (status.get("lastState") or {}).get("terminated")
    if before:
        why = f"{before.get('reason', '')}: exit code {before.get('exitCode')}"
        problems.append(f'container "{status["name"]}" terminated at {before.get("finishedAt", "")} ({why})')
    return problems
