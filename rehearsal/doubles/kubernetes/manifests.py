"""Rendered manifests: their objects, and what those are called, without reading all of megabytes of definitions as YAML."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# YAML as Kubernetes reads it: a bare `=` is text.
_ManifestLoader: Any = type("_ManifestLoader", (_Loader,), {})
_ManifestLoader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: loader.construct_scalar(node))
_SEPARATOR = re.compile(r"^---(?:\s.*)?$", re.MULTILINE)
_TOP = re.compile(r"^(apiVersion|kind):[ \t]+(.*)$", re.MULTILINE)
_METADATA = re.compile(r"^metadata:[ \t]*\n((?:[ \t]+.*\n|[ \t]*#.*\n|\n)+)", re.MULTILINE)
_NAME = re.compile(r"^  (name|namespace):[ \t]+(.*)$", re.MULTILINE)
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:/_-]*")


def objects(manifest: str) -> list[dict[str, Any]]:
    """The objects of a manifest."""
    return [item for item in yaml.load_all(manifest, Loader=_ManifestLoader) if isinstance(item, dict) and item.get("kind")]


def resource_names(manifest: str) -> dict[str, list[str]]:
    """The manifest's objects by kind and group: with their namespace where the manifest names one."""
    names: dict[str, set[str]] = {}
    for document in _SEPARATOR.split(manifest):
        for api_version, kind, namespace, name in _identities(document + "\n"):
            group = api_version.rpartition("/")[0]
            key = f"{kind}.{group}/{api_version}" if group else f"{kind}/{api_version}"
            names.setdefault(key, set()).add(f"{namespace}/{name}" if namespace else name)
    return {key: sorted(values) for key, values in sorted(names.items())}


def _identities(document: str) -> Iterator[tuple[str, str, str, str]]:
    top = dict(_TOP.findall(document))
    block = _METADATA.search(document)
    found = {**top, **dict(_NAME.findall(block[1]))} if block else top
    words = {key: value.strip().strip("\"'") for key, value in found.items()}
    if {"apiVersion", "kind", "name"} <= words.keys() and all(_PLAIN.fullmatch(word) for word in words.values()):
        yield words["apiVersion"], words["kind"], words.get("namespace", ""), words["name"]
        return
    # Written in some other way: only a reader of YAML can tell.
    for item in objects(document):
        metadata = item.get("metadata") or {}
        yield item["apiVersion"], item["kind"], metadata.get("namespace") or "", metadata.get("name") or ""
