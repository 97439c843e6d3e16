"""Ids of Azure Resource Manager: paths whose case means nothing, made from templates and read by them."""

import functools
import re
from collections.abc import Mapping

_PART = re.compile(r"\{(\w+)\}")
_PROVIDERS = "/providers/"


def key(identifier: str) -> str:
    """The id as it is compared: ids differ in case and are the same."""
    return "/" + identifier.strip("/").lower()


def is_id(text: str) -> bool:
    """Whether a text is the id of something in a subscription, as ARM wants it."""
    return bool(re.fullmatch(r"/subscriptions/[^/]+(/[^/]+/[^/]+)*", text, re.IGNORECASE))


def is_within(identifier: str, outer: str) -> bool:
    """Whether something is inside another thing, or scoped to it."""
    return key(identifier).startswith(key(outer) + "/")


def name_of(identifier: str) -> str:
    """The last name in the id."""
    return identifier.rstrip("/").rpartition("/")[2]


def group_name(identifier: str) -> str:
    """The resource group in the id; empty where it has none."""
    found = re.match(r"/subscriptions/[^/]+/resourcegroups/([^/]+)", identifier, re.IGNORECASE)
    return found.group(1) if found else ""


def group_id(identifier: str) -> str:
    """Id of the resource group that holds something."""
    found = re.match(r"/subscriptions/[^/]+/resourcegroups/[^/]+", identifier, re.IGNORECASE)
    return found.group(0) if found else ""


def type_and_name(identifier: str) -> tuple[str, str]:
    """Type (`Microsoft.Storage/storageAccounts`) and names (with slashes between them) of what the id is of."""
    _, found, rest = identifier.rpartition(_PROVIDERS)
    if not found:
        return "Microsoft.Resources/resourceGroups", name_of(identifier)
    namespace, *pairs = rest.split("/")
    return "/".join([namespace, *pairs[::2]]), "/".join(pairs[1::2])


def ancestors(identifier: str) -> list[str]:
    """What an id lies in, outermost first: its resource group, then its parent resources."""
    group, _, rest = identifier.partition(_PROVIDERS)
    if not rest:
        return []
    namespace, *pairs = rest.split("/")
    inner = ["/".join([group + _PROVIDERS + namespace, *pairs[:end]]) for end in range(2, len(pairs) - 1, 2)]
    return [group, *inner]


def parameters(template: str) -> list[str]:
    """Names of the parameters of a template."""
    return _PART.findall(template)


def fill(template: str, values: Mapping[str, str]) -> str:
    """The id that a template makes of its parameters' values. A parameter that is a path itself may have slashes at its ends."""
    return _PART.sub(lambda part: values[part.group(1)].strip("/"), template)


def read(template: str, identifier: str) -> dict[str, str] | None:
    """The values of a template's parameters in an id; None where the id is of something else."""
    found = _pattern(template).fullmatch(identifier)
    return found.groupdict() if found else None


@functools.cache
def _pattern(template: str) -> re.Pattern[str]:
    text = ""
    for at, part in enumerate(_PART.split(template)):
        # A scope is a path, every other parameter one step of it.
        text += re.escape(part) if at % 2 == 0 else f"(?P<{part}>.+)" if part == "scope" else f"(?P<{part}>[^/]+)"
    return re.compile(text, re.IGNORECASE)
