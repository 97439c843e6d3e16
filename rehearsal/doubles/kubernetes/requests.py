"""The engine's calls about one resource, as plain data."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Call:
    """What a call says about its resource. Values may hold Secret and UNKNOWN."""

    urn: str
    type: str
    identifier: str = ""
    olds: dict[str, Any] = field(default_factory=dict)
    old_inputs: dict[str, Any] = field(default_factory=dict)
    news: dict[str, Any] = field(default_factory=dict)
    preview: bool = False
    timeout: float = 0.0
    ignored: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return self.urn.rpartition("::")[2]
