"""Engine events for tests, as the engine sends them."""

from typing import Any

from pulumi.automation import EngineEvent

STACK = "urn:pulumi:local::small::pulumi:pulumi:Stack::small-local"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def urn(kind: str, name: str, layer: str | None = None) -> str:
    """URN of a resource; inside a layer its type names the layer's."""
    qualified = f"small:part:Layer${kind}" if layer else kind
    return f"urn:pulumi:local::small::{qualified}::{name}"


def layer_urn(name: str) -> str:
    """URN of a layer."""
    return urn("small:part:Layer", name)


def _metadata(kind: str, name: str, op: str, layer: str | None, inputs: dict[str, Any] | None) -> dict[str, Any]:
    where = urn(kind, name, layer)
    parent = layer_urn(layer) if layer else STACK
    custom = not kind.startswith("small:")
    state = {"type": kind, "urn": where, "id": "", "parent": parent, "provider": "", "custom": custom, "inputs": inputs or {}}
    side = "old" if op.startswith("delete") else "new"
    return {"op": op, "urn": where, "type": kind, "provider": "", side: state}


def began(kind: str, name: str, op: str = "create", layer: str | None = None, inputs: dict[str, Any] | None = None) -> EngineEvent:
    """An operation began."""
    return EngineEvent.from_json({"resourcePreEvent": {"metadata": _metadata(kind, name, op, layer, inputs)}})


def ended(kind: str, name: str, op: str = "create", layer: str | None = None) -> EngineEvent:
    """An operation ended well."""
    return EngineEvent.from_json({"resOutputsEvent": {"metadata": _metadata(kind, name, op, layer, None)}})


def failed(kind: str, name: str, op: str = "create", layer: str | None = None) -> EngineEvent:
    """An operation failed."""
    return EngineEvent.from_json({"resOpFailedEvent": {"metadata": _metadata(kind, name, op, layer, None), "status": 0, "steps": 0}})


def said(message: str, severity: str = "error", where: str = "") -> EngineEvent:
    """A message."""
    return EngineEvent.from_json({"diagnosticEvent": {"message": message, "color": "never", "severity": severity, "urn": where}})


def summary(**changes: int) -> EngineEvent:
    """The summary at the end."""
    return EngineEvent.from_json({"summaryEvent": {"resourceChanges": changes}})
