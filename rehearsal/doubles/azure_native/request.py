"""A request to a resource provider of Azure's, as the parts of the double that answer it see it."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rehearsal.doubles.azure_native.blobs import Blobs
from rehearsal.doubles.azure_native.catalogue import Kind
from rehearsal.doubles.azure_native.settings import Settings
from rehearsal.doubles.azure_native.store import Record, Records


@dataclass(frozen=True)
class Request:
    """One PUT: what is to be, what was, and everything else there is."""

    kind: Kind
    id: str
    names: dict[str, str]
    """The arguments that make the id."""
    body: dict[str, Any]
    """The other arguments."""
    before: Record | None
    records: Records
    settings: Settings
    blobs: Blobs

    @property
    def was(self) -> dict[str, Any]:
        """The outputs before; empty where the resource is new."""
        return self.before.outputs if self.before else {}

    @property
    def name(self) -> str:
        """The resource's name."""
        return self.names[self.kind.name_parameter]

    def outputs(self, **more: Any) -> dict[str, Any]:
        """What every resource says of itself, what was asked for, and more; what has no value is left out."""
        everything = {"name": self.name, "type": self.kind.arm_type, **self.body, **more}
        return {key: value for key, value in everything.items() if value is not None}


def now() -> str:
    """The time as ARM writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "0Z")


def seconds_since(time: str) -> float:
    """How long ago a time of `now` was."""
    return (datetime.now(UTC) - datetime.fromisoformat(time.replace("0Z", "+00:00"))).total_seconds()


def new_etag() -> str:
    """An etag that no state of any resource had before."""
    return f'"0x{uuid.uuid4().hex[:15].upper()}"'
