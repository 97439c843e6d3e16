"""Two renderings of a stack compared by object and field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from review import documents
from review.documents import Concealed
from review.helm import GENERATED
from review.objects import HELM, Key, Object
from review.render import Rendering

ABSENT = "(absent)"
Path = tuple[str, ...]
_IDS = ("name", "key", "from", "mountPath", "containerPort", "port", "type", "alert", "record", "uid", "id")
"""What tells the elements of a list apart, the first that all of them have and none shares."""
_NOISE = re.compile(r"(checksum/.+|helm\.sh/chart|app\.kubernetes\.io/version|(helm\.sh/)?chart|heritage)")
_HASHES = re.compile(r"checksum/.+")


class Field(NamedTuple):
    """One field that is another than before."""

    path: Path
    before: Any
    after: Any

    @property
    def where(self) -> str:
        """The path as text."""
        return ".".join(part if "." not in part else f"[{part}]" for part in self.path)


@dataclass(frozen=True)
class Difference:
    """What happens to one object."""

    key: Key
    layer: str
    release: str
    action: Literal["add", "remove", "change"]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    fields: tuple[Field, ...] = field(default=())
    noise: tuple[Field, ...] = field(default=())
    """Labels and checksums that follow from a change elsewhere."""


def differences(base: Rendering | None, head: Rendering | None) -> list[Difference]:
    """Every object that is not the same, in the order of layers and names."""
    before, after = _by_key(base), _by_key(head)
    found: list[Difference] = []
    for key in sorted(before.keys() | after.keys()):
        one, other = before.get(key), after.get(key)
        there = other or one
        assert there is not None
        bodies = (one.body if one else {}, other.body if other else {})
        action: Literal["add", "remove", "change"] = "change" if one and other else "add" if other else "remove"
        changed = list(fields(*bodies)) if action == "change" else []
        real = tuple(f for f in changed if not _is_noise(f))
        if action != "change" or changed:
            noise = tuple(f for f in changed if _is_noise(f))
            found.append(Difference(key, there.layer, there.release, action, *bodies, real, noise))
    return sorted(_without_echo(found), key=lambda d: (d.layer, d.key))


def _by_key(rendering: Rendering | None) -> dict[Key, Object]:
    """Objects by key; of those that a chart brings several times, the last."""
    return {item.key: item for item in (rendering.objects if rendering else ())}


def _without_echo(found: Iterable[Difference]) -> Iterator[Difference]:
    """Without the values of releases whose objects show what they do."""
    every = list(found)
    shown = {d.release for d in every if d.key.group != HELM and (d.fields or d.action != "change")}
    for difference in every:
        if difference.key.group != HELM or difference.action != "change" or difference.release not in shown:
            yield difference
            continue
        kept = tuple(f for f in difference.fields if f.path[:2] != ("spec", "values"))
        if kept:
            yield replace(difference, fields=kept)


def _is_noise(changed: Field) -> bool:
    if GENERATED in (changed.before, changed.after):
        return True
    return changed.path[-2:-1] in (("labels",), ("annotations",), ("matchLabels",)) and bool(_NOISE.fullmatch(changed.path[-1]))


def configuration_moved(difference: Difference) -> bool:
    """Whether a checksum over a pod's configuration is another one."""
    return any(_HASHES.fullmatch(f.path[-1]) and "template" in f.path for f in difference.noise)


def fields(before: Any, after: Any, path: Path = ()) -> Iterator[Field]:
    """The leaves that differ. Lists go by the names of their elements, and a text that holds YAML or JSON by what it holds."""
    if before == after:
        return
    if isinstance(before, str) and isinstance(after, str) and not isinstance(before, Concealed) and not isinstance(after, Concealed):
        inner = documents.nested(before), documents.nested(after)
        if inner[0] is not None and inner[1] is not None:
            found = list(fields(*inner, path))
            yield from found or [Field(path, before, after)]
            return
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _mappings(before, after, path)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _lists(before, after, path)
    else:
        yield Field(path, before, after)


def _mappings(before: Mapping[str, Any], after: Mapping[str, Any], path: Path) -> Iterator[Field]:
    for key in sorted(before.keys() | after.keys(), key=str):
        if key in before and key in after:
            yield from fields(before[key], after[key], (*path, str(key)))
        else:
            yield Field((*path, str(key)), before.get(key, ABSENT), after.get(key, ABSENT))


def _lists(before: list[Any], after: list[Any], path: Path) -> Iterator[Field]:
    own = next((key for key in _IDS if _named(before, key) is not None and _named(after, key) is not None), None)
    if own is not None:
        yield from _mappings(_named(before, own) or {}, _named(after, own) or {}, path)
    elif len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from fields(one, other, (*path, str(number)))
    elif any(isinstance(item, (dict, list)) for item in (*before, *after)):
        yield from _mappings(dict(_numbered(before)), dict(_numbered(after)), path)
    else:
        yield Field(path, [item for item in before if item not in after], [item for item in after if item not in before])


def _numbered(items: list[Any]) -> Iterator[tuple[str, Any]]:
    return ((str(number), item) for number, item in enumerate(items))


def _named(items: list[Any], key: str) -> dict[str, Any] | None:
    """The elements by what one of their keys says; None where one lacks it or two have the same."""
    names = [_name(item, key) for item in items]
    if not all(isinstance(name, (str, int)) for name in names) or len(set(names)) < len(names):
        return None
    return {str(name): item for name, item in zip(names, items, strict=True)}


def _name(item: Any, key: str) -> Any:
    if not isinstance(item, dict):
        return None
    return item.get(key, (item.get("metadata") or {}).get(key) if key == "name" else None)
