"""Pulumi's values in gRPC structs: what is secret, what is unknown, and how both survive a round trip."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf import struct_pb2

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET_MARK = "1b47061264138c4ac30d75fd1eb44270"
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
# The engine has an unknown of its own for each kind of value: string, bool, number, array, asset, archive, object.
_UNKNOWN_TEXTS = frozenset(
    {
        UNKNOWN_TEXT,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)


@dataclass(frozen=True)
class Secret:
    """A value that the engine keeps encrypted."""

    element: Any


class Unknown:
    """A value that is not known before the update runs."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


def decode(struct: struct_pb2.Struct) -> dict[str, Any]:
    """The struct as plain data with Secret and UNKNOWN in it; whole numbers become int."""
    return {key: _decode(value) for key, value in struct.fields.items()}


def _decode(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if value.string_value in _UNKNOWN_TEXTS else value.string_value
    if kind == "struct_value":
        fields = decode(value.struct_value)
        return Secret(fields.get("value")) if fields.get(SIGNATURE) == SECRET_MARK else fields
    if kind == "list_value":
        return [_decode(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    return value.bool_value if kind == "bool_value" else None


def encode(data: dict[str, Any]) -> struct_pb2.Struct:
    """The other way round."""
    struct = struct_pb2.Struct()
    for key, value in data.items():
        _encode(value, struct.fields[key])
    return struct


def _encode(value: Any, into: struct_pb2.Value) -> None:
    if value is None:
        into.null_value = struct_pb2.NULL_VALUE
    elif isinstance(value, Unknown):
        into.string_value = UNKNOWN_TEXT
    elif isinstance(value, Secret):
        into.struct_value.fields[SIGNATURE].string_value = SECRET_MARK
        _encode(value.element, into.struct_value.fields["value"])
    elif isinstance(value, bool):
        into.bool_value = value
    elif isinstance(value, int | float):
        into.number_value = value
    elif isinstance(value, str):
        into.string_value = value
    elif isinstance(value, dict):
        into.struct_value.SetInParent()
        for key, item in value.items():
            _encode(item, into.struct_value.fields[key])
    else:
        into.list_value.SetInParent()
        for item in value:
            _encode(item, into.list_value.values.add())


def revealed(value: Any) -> Any:
    """A copy without the secret envelopes."""
    if isinstance(value, Secret):
        return revealed(value.element)
    if isinstance(value, dict):
        return {key: revealed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [revealed(item) for item in value]
    return value


def has_unknown(value: Any) -> bool:
    """Whether something in it is unknown."""
    return _any(value, lambda item: isinstance(item, Unknown))


def has_secret(value: Any) -> bool:
    """Whether something in it is secret."""
    return _any(value, lambda item: isinstance(item, Secret))


def _any(value: Any, test: Callable[[Any], bool]) -> bool:
    if test(value):
        return True
    if isinstance(value, Secret):
        return _any(value.element, test)
    if isinstance(value, dict):
        return any(_any(item, test) for item in value.values())
    return isinstance(value, list) and any(_any(item, test) for item in value)


def keep_secrets(outputs: dict[str, Any], inputs: dict[str, Any]) -> None:
    """Makes secret, in place, what is secret in the inputs; of a Kubernetes Secret always the data."""
    if outputs.get("kind") == "Secret":
        for key in ("data", "stringData"):
            if key in outputs and not isinstance(outputs[key], Secret):
                outputs[key] = Secret(outputs[key])
        return
    for key, given in inputs.items():
        if key not in outputs:
            continue
        out = outputs[key]
        if isinstance(out, dict) and isinstance(given, dict):
            keep_secrets(out, given)
        elif not isinstance(out, Secret) and has_secret(given):
            outputs[key] = Secret(out)


def keep_unknowns(outputs: Any, inputs: Any) -> Any:
    """The outputs with unknown what is unknown in the inputs at the same place."""
    if isinstance(inputs, Secret):
        return keep_unknowns(outputs, inputs.element)
    if isinstance(inputs, Unknown):
        return UNKNOWN
    if isinstance(outputs, dict) and isinstance(inputs, dict):
        return {key: keep_unknowns(item, inputs[key]) if key in inputs else item for key, item in outputs.items()}
    if isinstance(outputs, list) and isinstance(inputs, list):
        return [keep_unknowns(item, inputs[at]) if at < len(inputs) else item for at, item in enumerate(outputs)]
    return outputs
