"""YAML as objects of Kubernetes are written: read without guessing at dates, written in one canonical form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import yaml

from components.merge import equals_sign

_FIRST = ("apiVersion", "kind", "type", "metadata")
"""Keys that come first in an object; the rest follow by name."""
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SafeDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Loader(_SafeLoader):
    pass


# `from: 2024-04-01` is a text to everyone but YAML, and `=` is an operator in some CRDs.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_constructor("tag:yaml.org,2002:value", equals_sign)


class _Dumper(_SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Every value is written where it stands."""
        return True


def _text(dumper: Any, value: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


class Concealed(str):
    """A secret: reads as `(secret)` wherever it is shown or written, and still is another one when its content is another."""

    __slots__ = ("content",)
    content: str

    def __new__(cls, content: str) -> Concealed:
        made = super().__new__(cls, "(secret)")
        made.content = content
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Concealed) and other.content == self.content

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.content)


_Dumper.add_representer(Concealed, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:str", "(secret)"))


def parts(text: str) -> Iterator[dict[str, Any]]:
    """The objects of a stream of YAML documents, in their order; the same text is read once. Must not be changed."""
    for part in ("\n" + text).split("\n---"):
        found = read(part)
        if isinstance(found, dict) and found.get("kind") == "List":
            yield from found["items"]
        elif isinstance(found, dict):
            yield found


@cache
def read(text: str) -> Any:
    """The one document of a text, read once. Must not be changed."""
    return yaml.load(text, _Loader)


def nested(text: str) -> Any:
    """What a text that holds YAML or JSON holds; None where it is no mapping or list of mappings."""
    if "\n" not in text and not text.startswith(("{", "[")):
        return None
    try:
        found = read(text)
    except (yaml.YAMLError, ValueError):
        return None
    return found if isinstance(found, dict) and all(isinstance(key, str) for key in found) else None


def written(body: Mapping[str, Any]) -> str:
    """An object in its canonical form: the same bytes for the same content, whatever the order of its keys."""
    ordered = {key: _sorted(body[key]) for key in sorted(body, key=lambda key: (_rank(key), key))}
    return yaml.dump(ordered, Dumper=_Dumper, sort_keys=False, width=140, allow_unicode=True)


def _rank(key: str) -> int:
    return _FIRST.index(key) if key in _FIRST else len(_FIRST)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value, key=str)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value
