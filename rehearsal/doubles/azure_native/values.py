"""Values against the shapes that the SDK gives them: what is missing, unknown or mistyped, and what passes from inputs to outputs."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from rehearsal.doubles.azure_native.catalogue import Kind, Rule
from rehearsal.doubles.azure_native.shapes import Field, Shape
from rehearsal.doubles.kubernetes.values import UNKNOWN, Unknown

_NAMES = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "an array", dict: "an object"}
_PYTHON = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "map": (dict,),
    "object": (dict,),
}


def failures(kind: Kind, inputs: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a resource's inputs, in the real plugin's words where it has some."""
    yield from _object_failures("", "", kind.inputs, inputs, kind.rules)


def _object_failures(
    path: str, place: str, known: Mapping[str, Field], given: Mapping[str, Any], rules: Mapping[str, Rule]
) -> Iterator[str]:
    for name, item in known.items():
        if item.required and name not in given:
            yield f"missing required property '{_join(path, name)}'"
    for name, value in given.items():
        if name not in known:
            yield f"unknown property '{_join(path, name)}'"
        else:
            yield from _value_failures(_join(path, name), _join(place, name), known[name].shape, value, rules)


def _value_failures(path: str, place: str, shape: Shape, value: Any, rules: Mapping[str, Rule]) -> Iterator[str]:
    """`path` is for the reader; `place` has `[]` for any item, as rules are found by it."""
    if isinstance(value, Unknown) or shape.kind == "any":
        return
    if not _fits(value, shape.kind):
        if shape.kind == "integer" and isinstance(value, float):
            yield f"'{path}' must be an integer but got {value:f}"
        else:
            wanted = "object" if shape.kind == "map" else shape.kind
            yield f"'{path}' should be of type '{wanted}' but got {_NAMES.get(type(value), 'nothing')}"
    elif shape.kind == "object":
        yield from _object_failures(path, place, shape.fields, value, rules)
    elif shape.kind == "array" and shape.item:
        for at, item in enumerate(value):
            yield from _value_failures(f"{path}[{at}]", f"{place}[]", shape.item, item, rules)
    elif shape.kind == "map" and shape.item:
        for key, item in value.items():
            yield from _value_failures(f"{path}.{key}", f"{place}.*", shape.item, item, rules)
    else:
        yield from _rule_failures(path, value, _rule(rules, place))


def _fits(value: Any, kind: str) -> bool:
    return isinstance(value, _PYTHON[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _rule(rules: Mapping[str, Rule], place: str) -> Rule | None:
    for pattern, rule in rules.items():
        if re.fullmatch(re.escape(pattern).replace(r"\*", "[^.]+"), place):
            return rule
    return None


def _rule_failures(path: str, value: Any, rule: Rule | None) -> Iterator[str]:
    if rule is None:
        return
    if isinstance(value, str):
        if len(value) < rule.shortest:
            yield f"'{path}' is too short ({len(value)}): at least {rule.shortest} characters required"
        if rule.longest is not None and len(value) > rule.longest:
            yield f"'{path}' is too long ({len(value)}): at most {rule.longest} characters allowed"
        if rule.pattern and not re.search(rule.pattern, value):
            yield f"'{path}' does not match expression '{rule.pattern}'"
    else:
        if rule.least is not None and value < rule.least:
            yield f"'{path}' is too low ({value:f} < {rule.least:f})"
        if rule.most is not None and value > rule.most:
            yield f"'{path}' is too high ({value:f} > {rule.most:f})"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def outside_enumerations(given: Any, known: Mapping[str, Field], path: str = "") -> list[str]:
    """Paths of the values that Azure's enumerations do not have. The real plugin passes them; Azure refuses them."""
    found = []
    for name, value in given.items():
        if name in known:
            found += _outside(value, known[name].shape, _join(path, name))
    return found


def _outside(value: Any, shape: Shape, path: str) -> list[str]:
    if shape.kind == "object":
        return outside_enumerations(value, shape.fields, path)
    if shape.kind == "array" and shape.item:
        return [wrong for item in value for wrong in _outside(item, shape.item, f"{path}[*]")]
    # Some take several values, with commas between them.
    return [path] if shape.values and any(part.strip() not in shape.values for part in str(value).split(",")) else []


def preview(inputs: Mapping[str, Any], outputs: Mapping[str, Field]) -> dict[str, Any]:
    """The outputs as far as they are known before Azure is asked: what the inputs say under the same name, all else unknown."""
    return {name: _preview_value(inputs[name], item.shape) if name in inputs else UNKNOWN for name, item in outputs.items()}


def _preview_value(value: Any, shape: Shape) -> Any:
    if shape.kind == "any":
        return value
    if not _fits(value, shape.kind):
        return UNKNOWN
    if shape.kind == "object":
        return preview(value, shape.fields)
    if shape.item and shape.kind == "array":
        return [_preview_value(item, shape.item) for item in value]
    if shape.item and shape.kind == "map":
        return {key: _preview_value(item, shape.item) for key, item in value.items()}
    return value


def projected(outputs: Mapping[str, Any], known: Mapping[str, Field]) -> dict[str, Any]:
    """Of the outputs what could be an input."""
    return {name: _projected_value(outputs[name], item.shape) for name, item in known.items() if name in outputs}


def _projected_value(value: Any, shape: Shape) -> Any:
    if shape.kind == "object" and isinstance(value, dict):
        return projected(value, shape.fields)
    if shape.kind == "array" and shape.item:
        # A set of strings is a map in what Azure answers.
        return [_projected_value(item, shape.item) for item in value]
    return value
