"""Differences between inputs, as the real plugin reports them: changed properties by path, and whether a change replaces the resource."""

from collections.abc import Mapping
from typing import Any

from rehearsal.doubles.azure_native.catalogue import Kind
from rehearsal.doubles.azure_native.check import RANDOM_NAME
from rehearsal.doubles.azure_native.locations import normal
from rehearsal.doubles.kubernetes.diff import same
from rehearsal.doubles.kubernetes.values import UNKNOWN

_MISSING = object()


def changes(kind: Kind, old_inputs: Mapping[str, Any], new_inputs: Mapping[str, Any], old_state: Mapping[str, Any]) -> dict[str, str]:
    """Kinds of change, by the protocol's names, by path."""
    replacing = {*kind.parameters, *kind.replaces}
    found: dict[str, str] = {}
    old, new = dict(old_inputs), dict(new_inputs)
    # States of plugins before this one have the version in the outputs alone.
    if "azureApiVersion" not in old and "azureApiVersion" in old_state:
        old["azureApiVersion"] = old_state["azureApiVersion"]
    if all(isinstance(side.get("location"), str) for side in (old, new)) and normal(old["location"]) == normal(new["location"]):
        old["location"] = new["location"]
    _of_objects(old, new, "", "", replacing, found)
    for path, change in found.items():
        # What was the value already, without being asked for, is no replacement.
        if change == "ADD_REPLACE" and path not in old and path in old_state and same(new[path], old_state[path]):
            found[path] = "ADD"
    return found


def replaces(found: Mapping[str, str]) -> list[str]:
    """The paths whose change replaces the resource."""
    return sorted(path for path, change in found.items() if change.endswith("_REPLACE"))


def deletes_first(found: Mapping[str, str], old_inputs: Mapping[str, Any]) -> bool:
    """Whether the old resource has to go before the new one comes: not where its name has a random part."""
    return bool(replaces(found)) and not old_inputs.get(RANDOM_NAME)


def _of_objects(old: Mapping[str, Any], new: Mapping[str, Any], path: str, place: str, replacing: set[str], found: dict[str, str]) -> None:
    for key in {**old, **new}:
        one, other = old.get(key, _MISSING), new.get(key, _MISSING)
        if one is _MISSING or one is None:
            if other is not _MISSING and other is not None:
                found[path + key] = _kind("ADD", place + key, replacing)
        elif other is _MISSING or other is None:
            found[path + key] = _kind("DELETE", place + key, replacing)
        else:
            _of_values(one, other, path + key, place + key, replacing, found)


def _of_values(old: Any, new: Any, path: str, place: str, replacing: set[str], found: dict[str, str]) -> None:
    if isinstance(old, dict) and isinstance(new, dict):
        inner: dict[str, str] = {}
        _of_objects(old, new, path + ".", place + ".", replacing, inner)
        whole = place in replacing
        found.update({key: "UPDATE_REPLACE" if whole and change == "UPDATE" else change for key, change in inner.items()})
    elif isinstance(old, list) and isinstance(new, list):
        for at in range(max(len(old), len(new))):
            if at >= len(old):
                found[f"{path}[{at}]"] = "ADD"
            elif at >= len(new):
                found[f"{path}[{at}]"] = "DELETE"
            else:
                _of_values(old[at], new[at], f"{path}[{at}]", place + "[]", replacing, found)
    elif new is UNKNOWN or not same(old, new):
        found[path] = _kind("UPDATE", place, replacing)


def _kind(change: str, place: str, replacing: set[str]) -> str:
    return f"{change}_REPLACE" if place in replacing else change


def refreshed(inputs: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs with what changed in Azure between two looks at the outputs; what nobody asked for and nobody changed stays out of them."""
    result = {key: value for key, value in inputs.items() if key in after or key not in before}
    for key, value in after.items():
        if key not in before:
            result[key] = value
        elif not same(before[key], value):
            result[key] = _refreshed_value(inputs[key], before[key], value) if key in inputs else value
    return result


def _refreshed_value(given: Any, before: Any, after: Any) -> Any:
    if all(isinstance(value, dict) for value in (given, before, after)):
        return refreshed(given, before, after)
    if all(isinstance(value, list) for value in (given, before, after)):
        known = min(len(given), len(before))
        # What did not change between the looks stays as it was asked for.
        return [
            item if at >= known else given[at] if same(before[at], item) else _refreshed_value(given[at], before[at], item)
            for at, item in enumerate(after)
        ]
    return after
