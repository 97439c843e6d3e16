"""Remembers that a run of the engine is under way and what failed in it, so that the next run knows what it may find."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rehearsal.events import Operation


class Ledger:
    """A file beside a stack's state. It is there while a run is under way, and stays when one ends badly."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._began: datetime | None = None
        self._failed: list[dict[str, Any]] = []
        try:
            content = json.loads(file.read_text())
            self._began = datetime.fromisoformat(content["began"])
            self._failed = content["failed"]
        except (OSError, ValueError, KeyError):
            self._began = None

    @property
    def unfinished_since(self) -> datetime | None:
        """When the first of the runs began that have not ended well since; None after a good one."""
        return self._began

    @property
    def failed_creations(self) -> list[Mapping[str, Any]]:
        """What those runs tried to make and were told had failed: `urn`, `type` and `inputs`. It may exist all the same."""
        return list(self._failed)

    def begin(self) -> None:
        """Before the engine starts."""
        self._began = self._began or datetime.now(UTC)
        self._write()

    def note_failure(self, operation: Operation) -> None:
        """An operation of the engine failed."""
        if operation.op in ("create", "create-replacement"):
            metadata = operation.properties.get("metadata") or {}
            inputs = {key: operation.properties[key] for key in ("apiVersion", "kind", "name", "namespace") if key in operation.properties}
            inputs["metadata"] = {key: metadata[key] for key in ("name", "namespace") if key in metadata}
            self._failed.append({"urn": operation.urn, "type": operation.type, "inputs": inputs})
            self._write()

    def end(self) -> None:
        """After a run that ended well: nothing is open any more."""
        self._began, self._failed = None, []
        self._file.unlink(missing_ok=True)

    def _write(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        partial = self._file.with_suffix(".new")
        partial.write_text(json.dumps({"began": (self._began or datetime.now(UTC)).isoformat(), "failed": self._failed}))
        partial.replace(self._file)
