"""What of a rendering goes into files, and what others must bring: Secrets, what Azure has, client ids that Azure alone knows.

Pure. No secret is exported: not one of the program's own, and nothing of a chart that would hold one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gitops.errors import ExportError
from review.documents import Concealed
from review.helm import GENERATED
from review.objects import AZURE, HELM, Object
from review.render import Rendering

CLIENT = re.compile(r"client-of-([\w-]+)")
"""What the recorder has for the client id of an identity, by the name of the identity's resource (review/recorder.py)."""
_PULUMI = "pulumi.com/"
_KEPT = ("helm.sh/resource-policy", "keep")


@dataclass(frozen=True)
class Secret:
    """A Secret that must be there, made by others."""

    namespace: str
    name: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Content:
    """What is exported, and what is not."""

    objects: tuple[Object, ...]
    secrets: tuple[Secret, ...]
    azure: tuple[str, ...]
    """Resources that stay with Pulumi."""
    unknown_clients: tuple[str, ...]
    """Identities whose client id has a placeholder in its place."""


def of(rendering: Rendering, clients: Mapping[str, str]) -> Content:
    """Sorts a rendering into what goes into files and what does not. ExportError for an object that no file could hold."""
    if rendering.leaks:
        raise ExportError("\n".join(rendering.leaks))
    azure = [f"{item.key.kind} {item.key.name}" for item in rendering.objects if item.key.group.startswith(AZURE)]
    ours = [item for item in rendering.objects if item.key.kind != "Release" and not item.key.group.startswith((AZURE, HELM))]
    secret = [item for item in ours if item.key.kind == "Secret" and not item.release]
    there = [item for item in ours if item not in secret]
    named = sorted({name for item in there for text in _texts(item.body) for name in CLIENT.findall(text)})
    if strange := sorted(set(clients) - set(named)):
        raise ExportError(f"CLIENT_IDS names {', '.join(strange)}: the stack has no such identity; it has {', '.join(named) or 'none'}")
    objects = [replace(item, body=_cleaned(item, clients)) for item in there]
    refused = [line for item in objects for line in _unfit(item)]
    twice = sorted({str(item.key) for item in objects if sum(other.key == item.key for other in objects) > 1})
    refused += [f"{key}: there are two of it" for key in twice]
    if refused:
        raise ExportError("\n".join(refused))
    made = {(item.key.namespace, item.key.name) for item in objects if item.key.kind == "Secret"}
    needed = {
        **{(s.namespace, s.name): s for s in _referred(objects) if (s.namespace, s.name) not in made | set(_issued(objects))},
        **{(item.key.namespace, item.key.name): Secret(item.key.namespace, item.key.name, _keys(item.body)) for item in secret},
    }
    return Content(
        tuple(objects),
        tuple(needed[key] for key in sorted(needed)),
        tuple(sorted(azure)),
        tuple(name for name in named if name not in clients),
    )


def keeps(item: Object) -> bool:
    """Whether an object outlives the stack: a definition under which others keep theirs, or a namespace that is only labelled."""
    annotations = (item.body.get("metadata") or {}).get("annotations") or {}
    return annotations.get(_KEPT[0]) == _KEPT[1] or "Patch::" in item.resource


def _cleaned(item: Object, clients: Mapping[str, str]) -> dict[str, Any]:
    """The body as it goes into a file: nothing said to Pulumi, the client ids that are known, a chart's configuration readable."""
    body = {key: value for key, value in item.body.items() if key != "status"}
    if item.key.kind == "Secret":  # of values without a secret in them, or the rendering would have a leak
        body = {key: _revealed(value) if key in ("data", "stringData") else value for key, value in body.items()}
    metadata = dict(body.get("metadata") or {})
    annotations = {key: value for key, value in (metadata.pop("annotations", None) or {}).items() if not key.startswith(_PULUMI)}
    body["metadata"] = {**metadata, **({"annotations": annotations} if annotations else {})}
    return _with_clients(body, clients)


def _revealed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _revealed(child) for key, child in value.items()}
    return json.loads(value.content) if isinstance(value, Concealed) else value


def _with_clients(value: Any, clients: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _with_clients(child, clients) for key, child in value.items()}
    if isinstance(value, list):
        return [_with_clients(child, clients) for child in value]
    if isinstance(value, str) and not isinstance(value, Concealed):
        return CLIENT.sub(lambda found: clients.get(found[1], f"<client id of {found[1]}>"), value)
    return value


def _unfit(item: Object) -> Iterator[str]:
    """Why no file may hold an object."""
    for text in _texts(item.body):
        if isinstance(text, Concealed):
            yield f"{item.key}: holds a secret outside of a Secret of the program's own"
        elif GENERATED in text:
            yield f"{item.key}: its chart makes a part of it anew each time, such as a certificate; a file would be another one each time"
    if "helm.sh/hook" in str((item.body.get("metadata") or {}).get("annotations") or {}):
        yield f"{item.key}: a hook of Helm, which files cannot run at its time; switch it off by a value of its chart"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for child in value.values():
            yield from _texts(child)
    elif isinstance(value, list):
        for child in value:
            yield from _texts(child)
    elif isinstance(value, str):
        yield value


def _keys(body: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted({**(body.get("data") or {}), **(body.get("stringData") or {})}))


def _issued(objects: Iterable[Object]) -> Iterator[tuple[str, str]]:
    """Secrets that cert-manager makes."""
    for item in objects:
        if item.key.kind == "Certificate":
            yield item.key.namespace, item.body["spec"]["secretName"]


def _referred(objects: Iterable[Object]) -> Iterator[Secret]:
    """Secrets that pods must find: variables, volumes, and what Alertmanager mounts."""
    for item in objects:
        if item.key.kind == "CustomResourceDefinition":
            continue
        keys: dict[str, set[str]] = {}
        for holder in _mappings(item.body):
            reference = holder.get("secretKeyRef")
            if isinstance(reference, Mapping) and not reference.get("optional"):
                keys.setdefault(reference["name"], set()).add(reference["key"])
            volume = holder.get("secret")
            if isinstance(volume, Mapping) and "secretName" in volume and not volume.get("optional"):
                keys.setdefault(volume["secretName"], set()).update(part["key"] for part in volume.get("items") or ())
        if item.key.kind == "Alertmanager":
            for name in item.body["spec"].get("secrets") or ():
                keys.setdefault(name, set())
        yield from (Secret(item.key.namespace, name, tuple(sorted(found))) for name, found in keys.items())


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield value
        for child in value.values():
            yield from _mappings(child)
    elif isinstance(value, list):
        for child in value:
            yield from _mappings(child)
