"""What a run of the engine tells while it works: a line for each layer that changes, and one at least every few seconds."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping

from rehearsal import console
from rehearsal.events import Operation, Recorder

SILENCE_SECONDS = 5.0
_TICK_SECONDS = 0.2
_VERBS = {"create": "create", "create-replacement": "replace", "delete-replaced": "replace", "update": "update", "delete": "delete"}
_NAMED = 4


class Progress:
    """Follows a recorder from a thread of its own. `expected` holds the resources by layer, and may still grow."""

    def __init__(
        self,
        recorder: Recorder,
        verb: str,
        expected: Mapping[str, int],
        say: Callable[[str], None] = console.note,
        silence: float = SILENCE_SECONDS,
    ) -> None:
        self._recorder = recorder
        self._verb = verb
        self._expected = expected
        self._say = say
        self._silence = silence
        self._spoke = 0.0
        self._begun: dict[str, float] = {}
        self._finished: set[str] = set()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> "Progress":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self.look()

    def _follow(self) -> None:
        while not self._done.wait(_TICK_SECONDS):
            self.look()

    def look(self) -> None:
        """Says what is new since the last look, or what it waits for if nothing was said for a while."""
        # An `up` that refreshes first looks at each resource twice; the look before is not counted.
        concrete = [operation for operation in self._recorder.operations() if operation.concrete]
        operations = [operation for operation in concrete if operation.op != "refresh" or self._verb == "refresh"]
        by_layer: dict[str, list[Operation]] = {}
        for operation in operations:
            by_layer.setdefault(self._recorder.layer(operation.urn), []).append(operation)
        for layer, own in by_layer.items():
            self._tell(layer, own, operations)
        if self._recorder.elapsed() - self._spoke >= self._silence:
            self._line(self._waiting(operations), operations)

    def _tell(self, layer: str, own: list[Operation], everything: list[Operation]) -> None:
        changing = [operation for operation in own if operation.changes]
        if changing and layer not in self._begun:
            self._begun[layer] = min(operation.started for operation in changing)
            self._line(f"{layer}: {_VERBS.get(changing[0].op, changing[0].op)}", everything)
        ended = [operation.ended for operation in own if operation.ended is not None]
        if layer in self._begun and layer not in self._finished and len(ended) == len(own) >= self._expected.get(layer, 1):
            self._finished.add(layer)
            failed = sum(operation.failed for operation in own)
            outcome = f"{failed} failed" if failed else "done"
            self._line(f"{layer}: {outcome} after {max(ended) - self._begun[layer]:.1f} s, {_counts(changing)}", everything)

    def _waiting(self, operations: list[Operation]) -> str:
        running = [operation for operation in operations if operation.ended is None]
        if not running:
            looked = sum(operation.op == "refresh" and operation.ended is not None for operation in self._recorder.operations())
            return f"{self._verb}: asked the cluster for {looked} resources" if looked else f"{self._verb}: the engine works"
        now = self._recorder.elapsed()
        named = ", ".join(f"{operation.kind} {operation.name} ({now - operation.started:.0f} s)" for operation in running[:_NAMED])
        return f"waiting for {named}" + (f" and {len(running) - _NAMED} more" if len(running) > _NAMED else "")

    def _line(self, text: str, operations: list[Operation]) -> None:
        self._spoke = self._recorder.elapsed()
        done = sum(operation.ended is not None for operation in operations)
        total = max(sum(self._expected.values()), len(operations))
        self._say(f"{self._spoke:6.1f} s  {done:3d}/{total}  {text}")


def _counts(changing: list[Operation]) -> str:
    kinds = Counter(operation.kind for operation in changing if not operation.failed)
    return ", ".join(f"{count} {kind}" if count > 1 else kind for kind, count in sorted(kinds.items())) or "nothing"
