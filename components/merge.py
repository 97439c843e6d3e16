"""Values from two sources that may never speak for the same key, and YAML that may never say a key twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml


class Collision(ValueError):
    """Two sources set the same chart value; the message is its path."""


class DuplicateKey(ValueError):
    """A YAML mapping says a key twice; the message names file, line and key."""


def merge(static: Mapping[str, Any], derived: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Both mappings in one, key by key. Raises Collision where both set a leaf, since one of them would be ignored in silence."""
    merged = dict(static)
    for key, value in derived.items():
        here = f"{path}.{key}".lstrip(".")
        if key not in static:
            merged[key] = value
        elif isinstance(value, Mapping) and isinstance(static[key], Mapping):
            merged[key] = merge(static[key], value, here)
        else:
            raise Collision(here)
    return merged


def leaves(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of nested mappings as (dotted path, value). A list is one leaf: Helm replaces lists whole."""
    if isinstance(values, Mapping) and values:
        for key, value in values.items():
            escaped = str(key).replace(".", "\\.")
            yield from leaves(value, f"{path}.{escaped}" if path else escaped)
    else:
        yield path, values


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses duplicate keys (PyYAML takes the last one in silence) and knows the bare `=` of some CRDs."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise DuplicateKey(f"{key_node.start_mark.name}:{key_node.start_mark.line + 1}: key {key!r} stands twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


def equals_sign(loader: Any, node: yaml.Node) -> str:
    """Constructor for YAML's `=`, which SafeLoader knows as a tag and not as the text it is in CRDs."""
    assert isinstance(node, yaml.ScalarNode)
    return str(loader.construct_scalar(node))


_StrictLoader.add_constructor("tag:yaml.org,2002:value", equals_sign)


def read_yaml(path: Path) -> Any:
    """The one document of a YAML file. Raises DuplicateKey, yaml.YAMLError."""
    return parse_yaml(path.read_text(), str(path))


def parse_yaml(text: str, name: str = "<text>") -> Any:
    """The one document of a YAML text; `name` stands in its errors."""
    loader = _StrictLoader(text)
    loader.name = name
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def parse_all_yaml(text: str, name: str = "<text>") -> list[Any]:
    """Every document of a YAML text that is not empty."""
    loader = _StrictLoader(text)
    loader.name = name
    documents = []
    try:
        while loader.check_data():
            documents.append(loader.get_data())
    finally:
        loader.dispose()
    return [document for document in documents if document is not None]
