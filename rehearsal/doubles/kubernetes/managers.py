"""Field managers: an object created by a plain request comes under the server-side manager with its first update."""

from typing import Any

# Who made the object before server-side apply; what they own becomes ours.
_EARLIER = frozenset(
    {
        ("kubectl", "Apply"),
        ("kubectl", "Update"),
        ("before-first-apply", "Update"),
        ("pulumi-kubernetes", "Update"),
        ("pulumi-kubernetes.exe", "Update"),
        ("pulumi-resource-kubernetes", "Update"),
    }
)
_OWN_CREATES = frozenset({"pulumi-kubernetes", "pulumi-kubernetes.exe", "pulumi-resource-kubernetes"})
CREATOR = "pulumi-kubernetes"


def takeover(live: dict[str, Any], manager: str) -> list[dict[str, Any]]:
    """The JSON patch that gives the manager what earlier ones own; empty when there is nothing to take over."""
    entries = live["metadata"].get("managedFields") or []
    taken = [entry for entry in entries if (entry["manager"], entry["operation"]) in _EARLIER]
    if not taken:
        return []
    own = [entry for entry in entries if (entry["manager"], entry["operation"], entry.get("subresource")) == (manager, "Apply", None)]
    others = [entry for entry in entries if entry not in taken and entry not in own]
    fields: dict[str, Any] = {}
    for entry in [*own, *taken]:
        fields = _union(fields, entry.get("fieldsV1") or {})
    merged = {**taken[0], "manager": manager, "operation": "Apply", "fieldsV1": fields}
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": [merged, *others]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
    ]


def has_own_create(live: dict[str, Any]) -> bool:
    """Whether the object is still as a plain request of ours left it."""
    entries = live["metadata"].get("managedFields") or []
    return any(entry["operation"] == "Update" and entry["manager"] in _OWN_CREATES for entry in entries)


def owns(live: dict[str, Any], manager: str, path: tuple[str, ...]) -> tuple[bool, bool]:
    """Whether the manager owns a field, and whether another one does."""
    ours = theirs = False
    for entry in live["metadata"].get("managedFields") or []:
        level: Any = entry.get("fieldsV1") or {}
        for step in path:
            level = level.get(f"f:{step}") if isinstance(level, dict) else None
        if level is not None:
            ours, theirs = ours or entry["manager"] == manager, theirs or entry["manager"] != manager
    return ours, theirs


def _union(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {**one, **other, **{key: _union(value, other[key]) for key, value in one.items() if key in other}}
