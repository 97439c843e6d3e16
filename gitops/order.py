"""The order of an export: the program's own dependencies, as steps of layers.

A step is a set of objects of one layer that may be applied at once, when the steps before it are there and healthy. Definitions and
namespaces of a release are a step before what is in it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from gitops.errors import ExportError
from review.objects import Object

FIRST_KINDS = ("CustomResourceDefinition", "Namespace")
"""Kinds that others need before they can be made at all."""
_Part = tuple[str, bool]
"""A resource of the program by URN: its definitions and namespaces (False), or all else (True)."""


@dataclass(frozen=True)
class Step:
    """Objects of one layer that go at once."""

    layer: str
    number: int
    objects: tuple[Object, ...]
    after: tuple[str, ...]
    """Names of the steps that must be there first; those that they wait for in turn are left out."""

    @property
    def name(self) -> str:
        return f"{self.layer}-{self.number}"


def steps(objects: Iterable[Object], waits: Mapping[str, frozenset[str]]) -> list[Step]:
    """The objects as steps, in an order in which they may be applied one after the other. ExportError where there is no such order."""
    parts: dict[_Part, list[Object]] = {}
    for item in objects:
        parts.setdefault((item.resource, item.key.kind not in FIRST_KINDS), []).append(item)
    needs = {part: _needs(part, parts, waits) for part in parts}
    layer_of = {part: found[0].layer for part, found in parts.items()}
    for part in [part for part, found in parts.items() if any(item.key.kind == "Job" and not item.release for item in found)]:
        # a Job of the program proves what starts beside it; whoever waits for the Job alone would wait in vain
        needs[part] |= {
            other for other, found in parts.items() if layer_of[other] == layer_of[part] and part not in needs[other] and _runs(found)
        }
    levels: dict[_Part, int] = {}
    for part in _sorted(needs, "objects"):
        inside = [levels[other] for other in needs[part] if layer_of[other] == layer_of[part]]
        levels[part] = 1 + max(inside) if inside else 0
    groups: dict[tuple[str, int], list[_Part]] = {}
    for part, level in levels.items():
        groups.setdefault((layer_of[part], level), []).append(part)
    names = {part: f"{layer}-{level}" for (layer, level), found in groups.items() for part in found}
    after = {
        f"{layer}-{level}": {names[other] for part in found for other in needs[part]} - {f"{layer}-{level}"}
        | ({f"{layer}-{level - 1}"} if level else set())
        for (layer, level), found in groups.items()
    }
    by_name = {f"{layer}-{level}": (layer, level, found) for (layer, level), found in groups.items()}
    made = []
    for name in _sorted(after, "steps"):
        layer, level, found = by_name[name]
        content = sorted((item for part in found for item in parts[part]), key=lambda item: item.key)
        made.append(Step(layer, level, tuple(content), tuple(sorted(_direct(name, after)))))
    return made


def _runs(found: Iterable[Object]) -> bool:
    return any(item.key.kind in ("Deployment", "StatefulSet", "DaemonSet") for item in found)


def _needs(part: _Part, parts: Mapping[_Part, object], waits: Mapping[str, frozenset[str]]) -> set[_Part]:
    """The parts that one waits for."""
    urn, rest = part
    own = {(urn, False)} & parts.keys() if rest else set()
    return own | ({(other, kind) for other in waits.get(urn, frozenset()) for kind in (False, True)} & parts.keys())


def _sorted(graph: Mapping[Any, Iterable[Any]], what: str) -> list[Any]:
    """The nodes, each after those that it needs; the same ones in the same order every time."""
    sorter = TopologicalSorter({node: sorted(needs, key=str) for node, needs in sorted(graph.items(), key=str)})
    try:
        return list(sorter.static_order())
    except CycleError as error:
        raise ExportError(f"{what} that wait for one another: {' -> '.join(str(node) for node in error.args[1])}") from None


def _direct(name: str, after: Mapping[str, set[str]]) -> set[str]:
    """The steps that one waits for, without those that another of them waits for anyway."""
    return {here for here in after[name] if not any(here in _all(other, after) for other in after[name] if other != here)}


def _all(name: str, after: Mapping[str, set[str]]) -> set[str]:
    """All that a step waits for, through others."""
    seen: set[str] = set()
    todo = [name]
    while todo:
        for other in after[todo.pop()] - seen:
            seen.add(other)
            todo.append(other)
    return seen


def waves(found: Sequence[Step]) -> dict[str, int]:
    """The wave of each layer, for a tool that orders whole layers. ExportError where layers wait for one another."""
    layer_of = {step.name: step.layer for step in found}
    needs = {step.layer: set[str]() for step in found}
    for step in found:
        needs[step.layer] |= {layer_of[name] for name in step.after} - {step.layer}
    numbers: dict[str, int] = {}
    for layer in _sorted(needs, "layers"):
        numbers[layer] = 1 + max((numbers[other] for other in needs[layer]), default=-1)
    return numbers
