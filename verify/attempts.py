"""How a check becomes a result: what it raises is what was found."""

from __future__ import annotations

import time
from collections.abc import Callable

from verify.links import NoLink
from verify.results import Result
from verify.stores import NoAnswer

Check = Callable[[], tuple[bool, str, str]]
"""Whether it holds, what was found, and a hint of its own for the case that it does not hold."""


def judged(group: str, name: str, holds: bool, detail: str, hint: str, seconds: float = 0.0) -> Result:
    """Passed, or failed with the hint."""
    return Result(group, name, "passed" if holds else "failed", detail, "" if holds else hint, seconds)


def attempt(group: str, name: str, check: Check, hint: str) -> Result:
    """The result of a check that asks somebody; where nobody answers, it has failed with the hint."""
    began = time.monotonic()
    try:
        holds, detail, own_hint = check()
    except (NoAnswer, NoLink) as error:
        return Result(group, name, "failed", str(error), hint, time.monotonic() - began)
    return judged(group, name, holds, detail, own_hint or hint, time.monotonic() - began)
