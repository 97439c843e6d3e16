"""State of an object as the engine keeps it: the live object, and beside it what was asked for and by which field manager."""

import secrets
from typing import Any

from rehearsal.doubles.kubernetes import shapes
from rehearsal.doubles.kubernetes.values import Secret, keep_secrets

INPUTS = "__inputs"
_MANAGER = "__fieldManager"
_FIRST_VERSION = "__initialApiVersion"


def written(inputs: dict[str, Any], live: dict[str, Any], given: dict[str, Any], manager: str, first_version: str) -> dict[str, Any]:
    """The state to keep. `given` are the inputs with their secrets, which stay secret in it."""
    state, kept = shapes.to_properties(live), shapes.to_properties(inputs)
    keep_secrets(state, given)
    keep_secrets(kept, given)
    return {**state, INPUTS: kept, _FIRST_VERSION: first_version, _MANAGER: manager}


def read(state: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The inputs and the live object of a state."""
    plain = shapes.from_inputs(state)
    inputs = plain.pop(INPUTS, {})
    return inputs, plain


def manager_of(state: dict[str, Any], inputs: dict[str, Any]) -> str:
    """The field manager: named by annotation, kept in the state, or a new one."""
    named = shapes.annotation(inputs, "pulumi.com/patchFieldManager")
    kept = state.get(_MANAGER)
    kept = kept.element if isinstance(kept, Secret) else kept
    return named or kept or f"pulumi-kubernetes-{secrets.token_hex(4)}"


def first_version_of(state: dict[str, Any], inputs: dict[str, Any]) -> str:
    """The apiVersion that the object was created with."""
    return state.get(_FIRST_VERSION) or inputs.get("apiVersion") or ""
