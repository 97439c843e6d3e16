"""Label selectors and the resource patterns of webhook rules, as the API server reads them."""

from collections.abc import Mapping, Sequence
from typing import Any


def matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether labels satisfy a selector; none, or an empty one, selects everything."""
    if not selector:
        return True
    wanted = selector.get("matchLabels") or {}
    return wanted.items() <= labels.items() and all(_holds(part, labels) for part in selector.get("matchExpressions") or [])


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case other:
            raise ValueError(f"a label selector knows In, NotIn, Exists and DoesNotExist, not {other}")


def selects(patterns: Sequence[str], resource: str) -> bool:
    """Whether patterns of a webhook rule name the resource itself: `*` is every resource, `*/*` those and their subresources."""
    return bool({"*", "*/*", resource} & set(patterns))
