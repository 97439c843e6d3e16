"""Reads JSON schemas as pydantic writes them: the keys below one, their types in words, defaults and meanings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from pages.markdown import code, listed, prose

Schema = Mapping[str, Any]
REQUIRED = "required"
_WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` or `false`"}


class Row(NamedTuple):
    """One key."""

    path: str
    type: str
    default: str
    meaning: str


class Reader:
    """What the schema of a model says of its keys."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions

    def model(self, field: Schema) -> str | None:
        """The model that a key holds: itself, or one, or many of it."""
        found = self._choice(field)
        inner = found.get("items") or found.get("additionalProperties") or {}
        found = found if "$ref" in found else self._choice(inner)
        return found["$ref"].rpartition("/")[2] if "$ref" in found else None

    def reached(self, name: str) -> list[str]:
        """A model and all that it leads to, each once."""
        found = [name]
        for field in self._definitions[name]["properties"].values():
            inner = self.model(field)
            found += [more for more in (self.reached(inner) if inner else ()) if more not in found]
        return found

    def said_of(self, field: Schema) -> str:
        """What the model that a key holds says of itself."""
        return self._definitions[self.model(field) or ""]["description"]

    def rows(self, field: Schema, path: str) -> list[Row]:
        """Every key below one that holds a model."""
        below = path + {"array": "[]", "object": ".<name>"}.get(self._choice(field).get("type", ""), "")
        model = self._definitions[self.model(field) or ""]
        default = field.get("default")
        chosen = default if isinstance(default, dict) else {}
        rows: list[Row] = []
        for key, inner in model["properties"].items():
            here = f"{below}.{key}"
            known = {**inner, "default": chosen[key]} if key in chosen and inner.get("default") != chosen[key] else inner
            if self.model(known) is None:
                rows.append(Row(code(here), *self.told(known, key in model.get("required", ()))))
                continue
            meaning = known.get("description") or self.said_of(known)
            kind = {"array": "list", "object": "names and keys"}.get(self._choice(known).get("type", ""), "keys")
            rows.append(Row(code(here), kind, self._default(known, key in model.get("required", ())), prose(meaning)))
            rows += self.rows(known, here)
        return rows

    def told(self, field: Schema, required: bool) -> tuple[str, str, str]:
        """Type, default and meaning of a key that holds no model."""
        return self._type(self._choice(field)), self._default(field, required), prose(field.get("description", ""))

    def _default(self, field: Schema, required: bool) -> str:
        if required:
            return REQUIRED
        default = field.get("default")
        if default is None or isinstance(default, dict):
            return ""
        text = f"{default:g}" if isinstance(default, float) else json.dumps(default)
        return code(default if isinstance(default, str) else text)

    def _choice(self, field: Schema) -> Schema:
        """A key that may be left out is what it is otherwise."""
        choices = [choice for choice in field.get("anyOf", ()) if choice.get("type") != "null"]
        return {**choices[0], **{k: v for k, v in field.items() if k != "anyOf"}} if len(choices) == 1 else field

    def _type(self, field: Schema) -> str:
        if "anyOf" in field:
            return listed([self._type(choice) for choice in field["anyOf"] if choice.get("type") != "null"], "or")
        if "const" in field or "enum" in field:
            return listed([code(value) for value in field.get("enum", [field.get("const")])], "or")
        kind = field.get("type", "")
        if kind == "array":
            return f"list of {self._type(field['items'])}"
        if kind == "object":
            return f"names ({self._type({'type': 'string', **field['propertyNames']})}) to {self._type(field['additionalProperties'])}"
        return _WORDS[kind] + _bounds(field) + (prose(f", {field['rule']}") if "rule" in field else "")


def _bounds(field: Schema) -> str:
    unit = " characters" if field["type"] == "string" else ""
    least = field.get("minLength", field.get("minimum"))
    most = field.get("maxLength", field.get("maximum"))
    if least is not None and most is not None:
        return f", {_number(least)} to {_number(most)}{unit}"
    if "exclusiveMinimum" in field:
        return f", more than {_number(field['exclusiveMinimum'])}"
    if least is not None:
        return ", not empty" if field["type"] == "string" and least == 1 else f", at least {_number(least)}{unit}"
    return f", at most {_number(most)}{unit}" if most is not None else ""


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
