"""The images that a stack runs, read from its rendered objects: containers, what operators are told by flags, what istiod injects.

Pure. What an operator starts without any object saying so comes from components/images.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from components.images import BUILT_IN, OPERATOR_VERSION, whole
from review import documents
from review.objects import HELM, Object
from review.render import Rendering

_HOST = r"(?:[a-z0-9][a-z0-9-]*\.)+[a-z0-9-]+(?::\d+)?"
_TAIL = r"(?::[\w][\w.-]*)?(?:@sha256:[0-9a-f]{64})?"
_FLAG = re.compile(rf"--?[\w.-]+=({_HOST}/[a-z0-9._/-]+{_TAIL})")
"""A flag that names an image with its registry, as operators are told theirs."""
_LINE = re.compile(r"""^\s*(?:- )?image:\s*["']?([a-z0-9][a-z0-9._/-]*(?::\d+/[a-z0-9._/-]+)?:[\w][\w.@:-]*)["']?\s*$""", re.MULTILINE)
"""A line of a template inside a ConfigMap that names an image and is not filled in later."""
_AUTO = "auto"
"""What a pod says that lets istiod choose."""
INJECTOR = "istio-sidecar-injector"
OPERATOR = "opentelemetry-operator"
_NOT_RUN = ("CustomResourceDefinition", "Release")


def of_rendering(rendering: Rendering) -> dict[str, list[str]]:
    """Every image of a stack, its registry said, and who runs it."""
    found: dict[str, set[str]] = {}
    for item in rendering.objects:
        for image in of_object(item):
            found.setdefault(whole(image), set()).add(str(item.key))
    if knows_operator(rendering):
        for image in BUILT_IN.values():
            if not any("--auto-instrumentation" in text for item in rendering.objects for text in _flags(item)):
                found.setdefault(image, set()).add(f"{OPERATOR}, for resources that ask for it")
    return {image: sorted(users) for image, users in sorted(found.items())}


def knows_operator(rendering: Rendering) -> bool:
    """Whether the stack installs the OpenTelemetry operator in the version whose own images are known."""
    deployments = [item for item in rendering.objects if item.key.kind == "Deployment" and item.key.name == OPERATOR]
    return any(image.endswith(f"/{OPERATOR}:{OPERATOR_VERSION}") for item in deployments for image in of_object(item))


def of_object(item: Object) -> Iterator[str]:
    """The images that one object names."""
    if item.key.kind in _NOT_RUN or item.key.group == HELM:
        return
    if item.key.kind == "ConfigMap":
        yield from _of_texts(item.key.name, item.body.get("data") or {})
        return
    yield from _named(item.body)
    yield from (match.group(1) for text in _flags(item) if (match := _FLAG.fullmatch(text)))


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, child in value.items():
            if key == "image" and isinstance(child, str):
                if child and child != _AUTO:
                    yield child
            else:
                yield from _named(child)
    elif isinstance(value, list):
        for child in value:
            yield from _named(child)


def _flags(item: Object) -> Iterator[str]:
    """Arguments of containers."""

    def walk(value: Any, key: str = "") -> Iterator[str]:
        if isinstance(value, Mapping):
            for name, child in value.items():
                yield from walk(child, str(name))
        elif isinstance(value, list):
            for child in value:
                yield from walk(child, key)
        elif isinstance(value, str) and key in ("args", "command"):
            yield value

    return walk(item.body)


def _of_texts(name: str, data: Mapping[str, str]) -> Iterator[str]:
    """Images inside a ConfigMap: templates of pods, and what istiod fills into its own."""
    for text in data.values():
        yield from (match.group(1) for match in _LINE.finditer(text))
    if name.startswith(INJECTOR) and "values" in data:
        yield from injected((documents.nested(data["values"]) or {}).get("global") or {})


def injected(told: Mapping[str, Any]) -> Iterable[str]:
    """The images that istiod writes into pods, by its global values. Source: istio pkg/kube/inject/inject.go, ProxyImage and imageURL."""
    if not told.get("hub"):
        return []
    tag = f"{told['tag']}-{told['variant']}" if told.get("variant") else told["tag"]
    named = {told.get(part, {}).get("image") for part in ("proxy", "proxy_init")}
    return [image if "/" in image else f"{told['hub']}/{image}:{tag}" for image in sorted(filter(None, named))]
