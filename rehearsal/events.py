"""What the engine did: its event stream as operations with times, diagnostics and counts."""

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pulumi.automation import EngineEvent, OpType

STACK = "pulumi:pulumi:Stack"
PROVIDERS = "pulumi:providers:"
UNCHANGED = frozenset({"same", "read", "refresh"})
"""Operations that change nothing in the cluster."""
_LOGICAL = frozenset({OpType.REPLACE, OpType.READ_REPLACEMENT, OpType.DISCARD, OpType.DISCARD_REPLACED, OpType.REMOVE_PENDING_REPLACE})


@dataclass
class Operation:
    """One operation on one resource; times are seconds since the run began."""

    urn: str
    type: str
    op: str
    parent: str
    started: float
    properties: Mapping[str, Any] = field(default_factory=dict)
    """Inputs of the resource, secrets left out."""
    concrete: bool = True
    """Whether there is something outside the engine: neither a component nor a provider."""
    fields: tuple[str, ...] = ()
    """Paths of the properties that differ."""
    ended: float | None = None
    failed: bool = False

    @property
    def name(self) -> str:
        return self.urn.rpartition("::")[2]

    @property
    def kind(self) -> str:
        """The type for people: `Release` of kubernetes:helm.sh/v3:Release."""
        return self.type.rpartition(":")[2]

    @property
    def changes(self) -> bool:
        return self.op not in UNCHANGED


@dataclass(frozen=True)
class Diagnostic:
    """A message of engine, plugin or program."""

    severity: str
    urn: str
    message: str


class Recorder:
    """Collects the events of one run. Safe to read while the engine writes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._lock = threading.Lock()
        self._running: dict[tuple[str, str], Operation] = {}
        self._parents: dict[str, str] = {}
        self._done: list[Operation] = []
        self.diagnostics: list[Diagnostic] = []
        self.changes: dict[str, int] = {}
        self.on_failure: Callable[[Operation], None] = lambda operation: None

    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self._clock() - self._began

    def on_event(self, event: EngineEvent) -> None:
        """Takes one event of the engine."""
        if event.resource_pre_event:
            self._start(event.resource_pre_event.metadata)
        elif event.res_outputs_event:
            self._end(event.res_outputs_event.metadata, failed=False)
        elif event.res_op_failed_event:
            self._end(event.res_op_failed_event.metadata, failed=True)
        elif event.diagnostic_event:
            said = event.diagnostic_event
            if not said.ephemeral and said.message.strip():
                self.diagnostics.append(Diagnostic(said.severity, said.urn or "", plain(said.message).strip()))
        elif event.summary_event:
            self.changes = {str(getattr(op, "value", op)): count for op, count in event.summary_event.resource_changes.items()}

    def _start(self, metadata: Any) -> None:
        if metadata.op in _LOGICAL:
            return
        state = metadata.new or metadata.old
        parent = state.parent if state else ""
        properties = (state.inputs if state else None) or {}
        concrete = bool(state and state.custom) and not metadata.type.startswith(PROVIDERS)
        fields = tuple(metadata.detailed_diff or metadata.diffs or ())
        operation = Operation(metadata.urn, metadata.type, metadata.op.value, parent, self.elapsed(), properties, concrete, fields)
        with self._lock:
            self._parents[metadata.urn] = parent
            self._running[metadata.urn, metadata.op.value] = operation

    def _end(self, metadata: Any, failed: bool) -> None:
        with self._lock:
            # Components report a second time, when they register their outputs.
            operation = self._running.pop((metadata.urn, metadata.op.value), None)
            if operation is None:
                return
            operation.ended, operation.failed = self.elapsed(), failed
            self._done.append(operation)
        if failed:
            self.on_failure(operation)

    def operations(self) -> list[Operation]:
        """All operations so far, those that still run included, by start."""
        with self._lock:
            return sorted([*self._done, *self._running.values()], key=lambda operation: operation.started)

    def layer(self, urn: str) -> str:
        """Name of the layer a resource belongs to: the component right under the stack, or `stack` for what has none."""
        with self._lock:
            return layer_of(urn, self._parents)


def layer_of(urn: str, parents: Mapping[str, str]) -> str:
    """Name of the outermost component that holds a resource, by a table of parents; `stack` where there is none."""
    while parents.get(urn) and not is_stack(parents[urn]):
        urn = parents[urn]
    kind = urn.split("::")[2].rpartition("$")[2] if urn.count("::") >= 3 else ""
    return urn.rpartition("::")[2] if kind.startswith(f"{project_of(urn)}:") else "stack"


def is_stack(urn: str) -> bool:
    """Whether a URN is the stack's own."""
    return f"::{STACK}::" in urn


def project_of(urn: str) -> str:
    """Project in a URN; its components' type tokens begin with it."""
    return urn.split("::")[1] if urn.count("::") >= 3 else ""


def plain(text: str) -> str:
    """Text of the engine without its colour marks."""
    return re.sub(r"<\{%.*?%\}>|\x1b\[[0-9;]*m", "", text)


def errors(recorder: Recorder) -> Iterator[str]:
    """One line for each thing that went wrong: the resource, then the reason."""
    seen = set()
    for diagnostic in recorder.diagnostics:
        if diagnostic.severity != "error" or _says_nothing(diagnostic.message):
            continue
        resource = ""
        if diagnostic.urn and not is_stack(diagnostic.urn):
            kind = diagnostic.urn.split("::")[2].rpartition(":")[2]
            resource = f"{recorder.layer(diagnostic.urn)}: {kind} {diagnostic.urn.rpartition('::')[2]}: "
        line = resource + _reason(diagnostic.message)
        if line not in seen:
            seen.add(line)
            yield line


def _reason(message: str) -> str:
    """What a message says, as one line: without the engine's own words around it, a repeated URN, a traceback."""
    text = message.removeprefix("an unhandled error occurred: ").removeprefix("python inline source runtime error: ")
    text = text.partition("Traceback (most recent call last)")[0]
    text = re.sub(r'resource "urn:[^"]*" ', "", text)
    return "; ".join(dict.fromkeys(line.strip(" \t*") for line in text.splitlines() if line.strip(" \t*")))


def _says_nothing(message: str) -> bool:
    """What the engine adds to each failure without a reason of its own."""
    return bool(re.fullmatch(r"(update|preview|refresh|destroy|operation|resource) (failed|canceled|cancelled)( .*)?", message.strip()))
