"""Shapes of inputs and outputs, read from the SDK's own classes: names, types, what is required, the values of enumerations."""

import enum
import functools
import importlib
import typing
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pulumi import Output, _types


@dataclass(frozen=True)
class Shape:
    """What a value is: `string`, `boolean`, `integer`, `number`, `array`, `map`, `object` or `any`."""

    kind: str
    item: "Shape | None" = None
    """Of an array its items, of a map its values."""
    values: tuple[str, ...] = ()
    """Of an enumeration the values that Azure knows."""
    cls: type | None = None

    @property
    def fields(self) -> "Mapping[str, Field]":
        """The properties of an object, by the name that Pulumi gives them; of anything else none."""
        return fields(self.cls) if self.cls is not None else {}


@dataclass(frozen=True)
class Field:
    """A property of an object."""

    shape: Shape
    required: bool


def load(path: str) -> type:
    """A class of the SDK, by module and name: `storage.StorageAccount`."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(f"pulumi_azure_native.{module}"), name)


def inputs_of(path: str) -> Mapping[str, Field]:
    """The arguments of a resource class."""
    resource = load(path)
    return fields(getattr(importlib.import_module(resource.__module__), f"{resource.__name__}Args"))


def outputs_of(path: str) -> Mapping[str, Field]:
    """The properties of a resource class, or of a function's result."""
    return fields(load(path))


@functools.cache
def fields(cls: type) -> Mapping[str, Field]:
    """The properties of one of the SDK's classes."""
    types = _types.resource_types(cls) if hasattr(cls, "get") and not issubclass(cls, dict) else _types._types_from_py_properties(cls)
    optional = {name: _is_optional(prop.fget) for _, name, prop in _types._py_properties(cls)}
    # A resource has an id and a URN of its own, which are no properties.
    return {name: Field(_shape(hint), not optional.get(name, True)) for name, hint in types.items() if name != "urn"}


def _is_optional(getter: Any) -> bool:
    return type(None) in typing.get_args(getter.__annotations__.get("return"))


def _shape(hint: Any) -> Shape:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union or type(hint).__name__ == "UnionType":
        kinds = [part for part in arguments if part is not type(None) and typing.get_origin(part) not in (Awaitable, Output)]
        named = [part for part in kinds if isinstance(part, type) and issubclass(part, enum.Enum)]
        return _shape(named[0]) if named else _shape(kinds[0])
    if origin is not None and issubclass(origin, Mapping):
        return Shape("map", item=_shape(arguments[1]))
    if origin is not None and issubclass(origin, Sequence):
        return Shape("array", item=_shape(arguments[0]))
    if not isinstance(hint, type):
        return Shape("any")
    if issubclass(hint, enum.Enum):
        return Shape("string", values=tuple(str(member.value) for member in hint))
    if _types.is_input_type(hint) or _types.is_output_type(hint):
        return Shape("object", cls=hint)
    # bool is an int to Python, but not to JSON
    return Shape({bool: "boolean", int: "integer", float: "number", str: "string"}.get(hint, "any"))
