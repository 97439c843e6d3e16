"""What a user did wrong, said in one line each."""

from __future__ import annotations

from collections.abc import Iterable

from pulumi import RunError


class ConfigurationError(RunError):
    """Something the user can mend: each line names a key or thing, its value and the rule.

    A RunError, because Pulumi prints those without a traceback.
    `str()` joins the lines, so that whoever prints the exception prints all of them at once.
    """

    def __init__(self, lines: str | Iterable[str]) -> None:
        self.lines: tuple[str, ...] = (lines,) if isinstance(lines, str) else tuple(lines)
        super().__init__("\n".join(self.lines))
