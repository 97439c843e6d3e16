"""How many of the values that a stack sets turn into objects of a bundle: what the closing table of a run counts.

A bundle models what the program relies on. Values it does not model stand in not_modelled.yaml with the reason; a test flips every
value and holds that file to the truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from components.merge import leaves, read_yaml
from rehearsal.bundles.pack import BUNDLES


class Coverage(NamedTuple):
    """Values of one release, counted by leaf; a list is one leaf, as Helm replaces lists whole."""

    modelled: int
    not_modelled: int

    @property
    def total(self) -> int:
        """Leaves that are set at all."""
        return self.modelled + self.not_modelled


@cache
def _lists() -> dict[str, dict[str, dict[str, str]]]:
    return read_yaml(BUNDLES / "not_modelled.yaml")


def values_not_modelled(chart: str) -> Mapping[str, str]:
    """Why values of a chart make no difference to its bundle, by dotted path; a path speaks for all that is below it."""
    return _lists()["values"].get(chart, {})


def objects_not_modelled(chart: str) -> Mapping[str, str]:
    """Why objects of a chart are not in its bundle, by `Kind/name`."""
    return _lists()["objects"].get(chart, {})


def charts_with_gaps() -> list[str]:
    """Charts of which some value is not modelled."""
    return list(_lists()["values"])


def covers(entry: str, path: str) -> bool:
    """Whether an entry of the list speaks for the value at a dotted path: for that very value, or for what it is in."""
    return path == entry or path.startswith((f"{entry}.", f"{entry}["))


def reason(chart: str, path: str) -> str | None:
    """Why the value at a dotted path is not modelled; None where it is."""
    return next((why for entry, why in values_not_modelled(chart).items() if covers(entry, path)), None)


def coverage(chart: str, values: Mapping[str, Any]) -> Coverage:
    """Counts the leaves of a release's values by whether the chart's bundle models them."""
    missed = [reason(chart, path) is not None for path, _ in leaves(values) if path]
    return Coverage(missed.count(False), missed.count(True))
