"""Runs the program as a command of its own would, in a process of its own, and says what the engine did and when."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rehearsal import console, tools
from rehearsal.errors import RehearsalError
from rehearsal.session import Options, prepare

SECONDS = 1800


@dataclass(frozen=True)
class Operation:
    """One operation of the engine; times are seconds since the command was given."""

    urn: str
    type: str
    started: float
    ended: float


@dataclass(frozen=True)
class Run:
    """How one command went."""

    seconds: float
    """From the command to its end: the start of Python and of the engine included."""
    engine_seconds: float
    changed: int
    stands_in: bool
    """Whether charts and plugin were stand-ins, as nothing outside this machine answered."""
    operations: tuple[Operation, ...]
    resources: tuple[Mapping[str, Any], ...]
    """The state after it."""

    def of(self, urn: str) -> Operation | None:
        """What happened to one resource, None if nothing did."""
        return next((operation for operation in self.operations if operation.urn == urn), None)


def run(command: str, directory: Path) -> Run:
    """Runs `up`, `preview` or `destroy` of the stack local on the control plane of the directory. RehearsalError where it fails."""
    console.note(f"bench: {command}")
    began = time.monotonic()
    words = [sys.executable, "-m", __name__, command, str(directory), str(began)]
    try:
        answer = subprocess.run(words, cwd=tools.ROOT, stdout=subprocess.PIPE, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise RehearsalError(f"{command} does not end within {SECONDS} s") from None
    seconds = time.monotonic() - began
    if answer.returncode:
        raise RehearsalError(answer.stdout.strip() or f"{command} ended with code {answer.returncode}")
    said = json.loads(answer.stdout)
    operations = tuple(Operation(**operation) for operation in said.pop("operations"))
    return Run(seconds=seconds, operations=operations, resources=tuple(said.pop("resources")), **said)


def _measured(command: str, directory: Path, began: float) -> Mapping[str, Any]:
    session = prepare(Options(directory=directory))
    session.recover()
    with session.unfinished():
        outcome = getattr(session.engine, command)()
    session.settle(outcome)
    if not outcome.succeeded:
        raise RehearsalError("\n".join([*outcome.configuration_errors, *outcome.errors]) or f"{command} failed")
    offset = time.monotonic() - session.engine.recorder.elapsed() - began
    return {
        "engine_seconds": outcome.seconds,
        "changed": outcome.changed,
        "stands_in": session.plugin.stands_in and session.source is not None and session.source.kind == "bundles",
        "operations": [
            asdict(Operation(operation.urn, operation.type, operation.started + offset, operation.ended + offset))
            for operation in outcome.operations
            if operation.ended is not None
        ],
        "resources": session.engine.checkpoint().get("resources") or [],
    }


def _main(command: str, directory: str, began: str) -> int:
    try:
        print(json.dumps(_measured(command, Path(directory), float(began))))
    except RehearsalError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    code = _main(*sys.argv[1:])
    sys.stdout.flush()
    # As the rehearsal's own command ends: no thread is waited for.
    os._exit(code)
