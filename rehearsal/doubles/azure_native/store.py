"""What ARM would keep, in a JSON file: read and written whole, under a lock that several plugins of one run share."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rehearsal.doubles.azure_native import ids
from rehearsal.doubles.kubernetes.errors import Refusal

_LOCK_SECONDS = 60.0
_FORMAT = 1


@dataclass
class Record:
    """A resource: its outputs, as the SDK names them, and what only ARM knows of it."""

    id: str
    token: str
    outputs: dict[str, Any]
    hidden: dict[str, Any] = field(default_factory=dict)


class Records:
    """All resources while the lock is held. What exists without our doing is seen and never written."""

    def __init__(self, stored: dict[str, Record], existing: Mapping[str, Record]) -> None:
        self._stored = stored
        self._existing = existing

    def get(self, identifier: str) -> Record | None:
        """The resource with the id."""
        key = ids.key(identifier)
        return self._stored.get(key) or self._existing.get(key)

    def put(self, record: Record) -> None:
        """Keeps a resource."""
        self._stored[ids.key(record.id)] = record

    def remove(self, identifier: str) -> None:
        """Forgets a resource; nothing where there is none."""
        self._stored.pop(ids.key(identifier), None)

    def within(self, identifier: str) -> list[Record]:
        """What is inside a resource or scoped to it."""
        return [record for record in self.all() if ids.is_within(record.id, identifier)]

    def of(self, token: str) -> list[Record]:
        """All resources of a type."""
        return [record for record in self.all() if record.token == token]

    def all(self) -> list[Record]:
        """Every resource."""
        return [*self._stored.values(), *(record for key, record in self._existing.items() if key not in self._stored)]


class Store:
    """The file."""

    def __init__(self, path: Path, existing: Mapping[str, dict[str, Any]] | None = None) -> None:
        self._path = path.absolute()
        self._existing = {key: Record(item["id"], "", dict(item)) for key, item in (existing or {}).items()}

    @contextlib.contextmanager
    def opened(self) -> Iterator[Records]:
        """The resources, for this process and thread alone; kept when the block ends well. Refusal where the file cannot be used."""
        with self._locked():
            before = self._text()
            stored = self._parsed(before)
            yield Records(stored, self._existing)
            resources = {key: asdict(record) for key, record in sorted(stored.items())}
            after = json.dumps({"format": _FORMAT, "resources": resources}, indent=1)
            if after != before and (resources or before):
                self._write(after)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        lock = self._path.with_name(self._path.name + ".lock")
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Refusal(f"{lock} cannot be written: {error.strerror}") from None
        deadline = time.monotonic() + _LOCK_SECONDS
        try:
            while not _taken(handle):
                if time.monotonic() > deadline:
                    raise Refusal(f"{self._path} is held by another plugin for more than {_LOCK_SECONDS:g} s")
                time.sleep(0.02)
            yield
        finally:
            os.close(handle)

    def _text(self) -> str:
        try:
            return self._path.read_text()
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise Refusal(f"{self._path} cannot be read: {' '.join(str(error).split())}") from None

    def _parsed(self, text: str) -> dict[str, Record]:
        if not text:
            return {}
        try:
            document = json.loads(text)
            if document["format"] != _FORMAT:
                raise ValueError(f"format {document['format']} is unknown")
            return {key: Record(**value) for key, value in document["resources"].items()}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Refusal(f"{self._path} is not what the azure-native double writes: {' '.join(str(error).split())}") from None

    def _write(self, text: str) -> None:
        temporary = self._path.with_name(self._path.name + ".new")
        try:
            temporary.touch(mode=0o600)
            with temporary.open("w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        except OSError as error:
            raise Refusal(f"{self._path} cannot be written: {error.strerror}") from None


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
