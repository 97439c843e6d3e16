"""The catalogue of series (components/metrics.yaml), and what an expression reads that it does not know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

from components.alerts.rules import Group, Recording
from components.charts import ROOT
from components.merge import read_yaml
from tests.promql import reads

SUFFIXES = {"histogram": ("_bucket", "_count", "_sum")}


class Entry(NamedTuple):
    """One series as scraped."""

    metric: str
    """As it is named in the catalogue, without a histogram's endings."""
    labels: frozenset[str]


@cache
def text() -> Mapping[str, Any]:
    return read_yaml(ROOT / "components" / "metrics.yaml")


@cache
def entries() -> Mapping[str, Entry]:
    """Every series of the catalogue by the name that queries use."""
    found: dict[str, Entry] = {}
    for component in text().values():
        for metric, about in component["metrics"].items():
            for suffix in SUFFIXES.get(about["type"], ("",)):
                extra = {"le"} if suffix == "_bucket" else set()
                found[metric + suffix] = Entry(metric, frozenset({*component["target"], *about["labels"], *extra}))
    return found


def recorded(groups: Iterable[Group]) -> dict[str, Entry]:
    """What rules record, with the labels that they say."""
    found: dict[str, set[str]] = {}
    for rule in (rule for group in groups for rule in group.rules if isinstance(rule, Recording)):
        found.setdefault(rule.record, set()).update(rule.labels)
    objective = set().union(*found.values()) if found else set()
    return {name: Entry(name, frozenset(objective)) for name in found}


def unknown(expr: str, more: Mapping[str, Entry] | None = None) -> list[str]:
    """What an expression reads and nobody exposes: a series, or a label that its series do not have."""
    known = {**entries(), **(more or {})}
    read = reads(expr)
    lines = [f"no series {metric}" for metric in sorted(read.metrics - set(known))]
    lines += [
        f"{metric} has no label {label}" for metric, label in sorted(read.selected) if metric in known and label not in known[metric].labels
    ]
    together = set().union(*(known[metric].labels for metric in read.metrics if metric in known))
    lines += [f"none of its series has a label {label}" for label in sorted(read.labels - together - {label for _, label in read.selected})]
    return lines
