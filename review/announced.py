"""What an `up` did to each object, held against what the difference had announced of it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rehearsal.events import Operation
from review.classes import of_object
from review.compare import Difference
from review.objects import HELM, Key, Object

Fate = Literal["recreated", "removed"]
_REPLACED = frozenset({"create-replacement", "delete-replaced"})
_RECREATE = frozenset({"recreate", "data loss"})
"""Classes that announce that an object is made anew."""
_RELEASE = "kubernetes:helm.sh/v3:Release"
_HOOK = "helm.sh/hook"


@dataclass(frozen=True)
class Happening:
    """An object that is not the one it was."""

    key: Key
    fate: Fate
    announced: bool
    seen_by: str
    """`engine`, or `API server` where another uid says so."""

    def __str__(self) -> str:
        return f"{self.key}: {self.fate}, {'announced' if self.announced else 'not announced'} (seen by the {self.seen_by})"


def happenings(
    found: Iterable[Difference],
    operations: Iterable[Operation],
    objects: Iterable[Object],
    before: Mapping[Key, str],
    after: Mapping[Key, str],
) -> list[Happening]:
    """Everything that was made anew or removed, by the engine's own account and by the uids that the API server gave out.

    `objects` are those of the state before; what a hook makes is made anew each time, and a Job ends by itself.
    """
    differences = {difference.key: difference for difference in found}
    passing = {item.key for item in objects if _is_passing(item)}
    seen: dict[tuple[Key, Fate], str] = {}
    for key, fate in _of_engine(operations, differences):
        seen.setdefault((key, fate), "engine")
    for key, uid in before.items():
        if key not in passing and after.get(key) != uid:
            seen.setdefault((key, "recreated" if key in after else "removed"), "API server")
    return [Happening(key, fate, _announces(differences.get(key), fate), by) for (key, fate), by in sorted(seen.items())]


def _is_passing(item: Object) -> bool:
    annotations = (item.body.get("metadata") or {}).get("annotations") or {}
    return _HOOK in annotations or item.key.kind == "Job"


def _announces(difference: Difference | None, fate: Fate) -> bool:
    if difference is None:
        return False
    if fate == "removed":
        return difference.action == "remove"
    return difference.action != "change" or of_object(difference).kind in _RECREATE


def _of_engine(operations: Iterable[Operation], known: Collection[Key]) -> Iterator[tuple[Key, Fate]]:
    for operation in operations:
        if operation.concrete and operation.op in (*_REPLACED, "delete"):
            yield _key(operation, known), "recreated" if operation.op in _REPLACED else "removed"


def _key(operation: Operation, known: Collection[Key]) -> Key:
    """What a resource of the engine is called in a rendering."""
    properties: Mapping[str, Any] = operation.properties
    if operation.type == _RELEASE:
        namespace, name = str(properties.get("namespace", "")), str(properties.get("name", operation.name))
        return Key(HELM, "Release", namespace, name)
    if not operation.type.startswith("kubernetes:"):
        return Key(operation.type.rpartition(":")[0], operation.kind, "", operation.name)
    metadata = properties.get("metadata") or {}
    group = str(properties.get("apiVersion", "")).rpartition("/")[0]
    key = Key(group, operation.kind, str(metadata.get("namespace") or ""), str(metadata.get("name") or operation.name))
    # an object without a namespace of its own is in the default one, unless its kind has none
    return next((candidate for candidate in (key, key._replace(namespace="default")) if candidate in known), key)
