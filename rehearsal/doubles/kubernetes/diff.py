"""Differences by field, as the real plugin reports them: a merge patch, read against the old state."""

import re
from typing import Any, NamedTuple

from rehearsal.doubles.kubernetes.replaces import forces
from rehearsal.doubles.kubernetes.values import Unknown

Path = tuple[str | int, ...]
_MISSING = object()
_STEP = re.compile(r'\["((?:\\"|[^"])*)"\]|\[([^"\]]*)\]|\.?([^.\[]+)')
# What a value that is not known yet is in a patch: an object that equals nothing.
_UNKNOWN_IN_PATCH = {"Element": {"V": ""}}


class Change(NamedTuple):
    """One field's change: its kind by the protocol's name, and whether it is one of the inputs alone."""

    kind: str
    is_of_inputs: bool = False

    @property
    def replaces(self) -> bool:
        """Whether the change replaces the resource."""
        return self.kind.endswith("_REPLACE")


def merge_patch(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """What makes new of old, after RFC 7386: a list that differs is there in full, what is gone is None."""
    patch: dict[str, Any] = {}
    for key, given in new.items():
        value = _in_patch(given)
        before = old.get(key, _MISSING)
        if isinstance(before, dict) and isinstance(value, dict):
            if inner := merge_patch(before, value):
                patch[key] = inner
        elif not same(before, value):
            patch[key] = value
    return patch | {key: None for key in old if key not in new}


def three_way_patch(original: dict[str, Any], modified: dict[str, Any], current: dict[str, Any]) -> dict[str, Any]:
    """What the current state needs to get the modified inputs: what differs in those, and what the original ones had and they have not."""
    patch: dict[str, Any] = {}
    for key, value in modified.items():
        before = current.get(key, _MISSING)
        if isinstance(before, dict) and isinstance(value, dict):
            first = original.get(key)
            if inner := three_way_patch(first if isinstance(first, dict) else {}, value, before):
                patch[key] = inner
        elif not same(before, value):
            patch[key] = value
    return patch | {key: None for key in original if key not in modified}


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal as JSON, where true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    return bool(one == other)


def _in_patch(value: Any) -> Any:
    if isinstance(value, Unknown):
        return _UNKNOWN_IN_PATCH
    if isinstance(value, dict):
        return {key: _in_patch(item) for key, item in value.items()}
    return [_in_patch(item) for item in value] if isinstance(value, list) else value


def changes(
    patch: dict[str, Any], old: dict[str, Any], new_inputs: dict[str, Any], old_inputs: dict[str, Any], forcing: tuple[str, ...]
) -> dict[str, Change]:
    """The patch as changes by the field's path. A field that no input ever spoke of is no change."""
    reader = _Reader(forcing)
    reader.read_map((), patch, old, new_inputs, old_inputs, in_list=False)
    return reader.found


class _Reader:
    def __init__(self, forcing: tuple[str, ...]) -> None:
        self._forcing = forcing
        self.found: dict[str, Change] = {}

    def read_map(self, path: Path, patch: dict[str, Any], old: Any, new_input: Any, old_input: Any, in_list: bool) -> None:
        keys = list(patch)
        if in_list:
            # A list is replaced in full, so what an item lost is not in the patch.
            keys += [key for key in old if key not in patch]
        for key in keys:
            self._read((*path, key), patch.get(key), _item(old, key), _item(new_input, key), _item(old_input, key), in_list)

    def _read_list(self, path: Path, patch: list[Any], old: list[Any], new_input: Any, old_input: Any) -> None:
        for at in range(max(len(patch), len(old))):
            value = patch[at] if at < len(patch) else None
            before = old[at] if at < len(old) else _MISSING
            self._read((*path, at), value, before, _at(new_input, at), _at(old_input, at), in_list=True)

    def _read(self, path: Path, value: Any, old: Any, new_input: Any, old_input: Any, in_list: bool) -> None:
        if new_input is _MISSING and (value is not None or old_input is _MISSING):
            return
        if isinstance(value, dict) and isinstance(old, dict):
            self.read_map(path, value, old, new_input, old_input, in_list)
        elif isinstance(value, list) and isinstance(old, list):
            self._read_list(path, value, old, new_input, old_input)
        elif value is None and not isinstance(new_input, Unknown):
            self._note(path, value, "DELETE", is_of_inputs=True)
        elif old is _MISSING:
            self._note(path, value, "ADD")
        elif not same(value, old):
            self._note(path, value, "UPDATE")

    def _note(self, path: Path, value: Any, kind: str, is_of_inputs: bool = False) -> None:
        suffix = "_REPLACE" if forces(path, value, self._forcing) else ""
        self.found[written(path)] = Change(kind + suffix, is_of_inputs)


def _item(value: Any, key: str) -> Any:
    return value.get(key, _MISSING) if isinstance(value, dict) else _MISSING


def _at(value: Any, at: int) -> Any:
    return value[at] if isinstance(value, list) and at < len(value) else None


def written(path: Path) -> str:
    """The path as Pulumi writes it: a.b[0]["c.d"]."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif any(mark in step for mark in '."[]'):
            text += '["{}"]'.format(step.replace('"', '\\"'))
        else:
            text += f".{step}" if text else step
    return text


def parsed(text: str) -> Path:
    """A path as Pulumi writes it, in steps."""
    steps: list[str | int] = []
    for quoted, index, plain in _STEP.findall(text):
        if index:
            steps.append(int(index) if index.isdigit() else index)
        else:
            steps.append(quoted.replace('\\"', '"') or plain)
    return tuple(steps)


def is_ignored(path: str, ignored: list[str]) -> bool:
    """Whether one of the ignoreChanges paths contains the path; `*` stands for any step."""
    steps = parsed(path)
    for text in ignored:
        wanted = parsed(text)
        if len(wanted) <= len(steps) and all(want in ("*", step) for want, step in zip(wanted, steps, strict=False)):
            return True
    return False
