"""Waiting until an object is ready or gone, by gentle polling, bounded, and ended at once by a cancel."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from rehearsal.doubles.kubernetes.api import Api
from rehearsal.doubles.kubernetes.errors import ApiError, NotReady, Unreachable
from rehearsal.doubles.kubernetes.shapes import annotation, is_built_in, name_of, namespace_of

DEFAULT_SECONDS = 600.0
_POLL_SECONDS = (0.05, 0.1, 0.2)
# How long a read goes on though the API server does not answer, or refuses as it does while it starts.
_SILENCE_SECONDS = 60.0
_SKIPS_DELETE_TOO = frozenset({"Namespace", "Pod", "ReplicationController", "DaemonSet", "Deployment", "StatefulSet", "Job"})


@dataclass
class Wait:
    """What a readiness check works with: the cluster, the object as it was applied, and before that."""

    api: Api
    live: dict[str, Any]
    previous: dict[str, Any] | None
    cancelled: threading.Event
    say: Callable[[str], None]
    _silent_since: float | None = field(default=None, init=False)

    def read(self, api_version: str, kind: str, name: str = "", labels: dict[str, str] | None = None) -> dict[str, Any] | None:
        """An object of the same namespace (a list without a name); None when it is gone or the API server is silent for a moment."""
        query = {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())} if labels else None
        try:
            path = self.api.resource(api_version, kind).path(namespace_of(self.live), name)
            found = self.api.get(path, query)
        except (ApiError, Unreachable) as error:
            if isinstance(error, ApiError) and error.status == 404:
                return None
            self._silent_since = self._silent_since or time.monotonic()
            if time.monotonic() - self._silent_since > _SILENCE_SECONDS:
                raise
            return None
        self._silent_since = None
        return found

    def read_live(self) -> dict[str, Any] | None:
        """The object itself, as it is now."""
        return self.read(self.live["apiVersion"], self.live["kind"], name_of(self.live))


class Readiness(ABC):
    """Whether an object is ready."""

    default_seconds: ClassVar[float] = DEFAULT_SECONDS
    # The real plugin's words for a wait that is over, and for one that was cancelled.
    overdue: ClassVar[str] = "'{}' timed out waiting to be Ready"
    cancelled: ClassVar[str] = 'Resource operation was cancelled for "{}"'

    def __init__(self, wait: Wait) -> None:
        self.wait = wait
        self.live = wait.live

    @abstractmethod
    def look(self) -> bool:
        """Reads the cluster; True when the object is ready."""

    def reasons(self) -> list[str]:
        """What is missing, after the last look."""
        return []

    def at_the_end(self) -> bool:
        """Whether what was last seen is good enough when the time is over."""
        return False


def timeout_seconds(requested: float, inputs: dict[str, Any], default: float = DEFAULT_SECONDS) -> float:
    """The bound of an operation: the resource option, else the annotation, else the default."""
    text = annotation(inputs, "pulumi.com/timeoutSeconds")
    return requested or (float(text) if text.isdigit() else default)


def until_ready(readiness: Readiness, seconds: float, cancelled: threading.Event) -> dict[str, Any]:
    """Waits; the live object when it is ready, NotReady otherwise."""
    deadline = time.monotonic() + seconds
    looks = 0
    while True:
        try:
            if readiness.look():
                return readiness.live
        except (ApiError, Unreachable) as error:
            raise NotReady(str(error), readiness.live, readiness.reasons()) from None
        ended = cancelled.wait(_pause(looks, deadline))
        looks += 1
        if (ended or time.monotonic() >= deadline) and readiness.at_the_end():
            return readiness.live
        if ended or time.monotonic() >= deadline:
            message = readiness.cancelled if ended else readiness.overdue
            raise NotReady(message.format(name_of(readiness.live)), readiness.live, readiness.reasons())


def until_gone(wait: Wait, inputs: dict[str, Any], seconds: float) -> None:
    """Waits until the object is deleted, or another one has its name; NotReady when it stays."""
    if annotation(inputs, "pulumi.com/skipAwait") == "true" and is_built_in(inputs) and inputs.get("kind") in _SKIPS_DELETE_TOO:
        return
    deadline = time.monotonic() + seconds
    looks = 0
    last = wait.live
    uid = wait.live.get("metadata", {}).get("uid")
    path = wait.api.resource(wait.live["apiVersion"], wait.live["kind"]).path(namespace_of(wait.live), name_of(wait.live))
    while True:
        try:
            last = wait.api.get(path)
            if uid and last["metadata"]["uid"] != uid:
                return
        except ApiError as error:
            if error.status == 404:
                return
            wait.say(f"unexpected error while checking cluster state: {error}")
        except Unreachable as error:
            wait.say(f"unexpected error while checking cluster state: {error}")
        if wait.cancelled.wait(_pause(looks, deadline)):
            raise NotReady("context canceled", last)
        looks += 1
        if time.monotonic() >= deadline:
            raise NotReady("timed out waiting for the condition", last)


def _pause(looks: int, deadline: float) -> float:
    pause = _POLL_SECONDS[min(looks, len(_POLL_SECONDS) - 1)]
    return max(0.0, min(pause, deadline - time.monotonic()))
