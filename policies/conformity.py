"""kubeconform over everything that a stack is made of, with schemas of an API server and of the stack's own definitions.

The API server describes each built-in kind in its OpenAPI v3 documents, and a custom resource's definition is among the objects. So nothing
is fetched from anywhere, and what is checked is what the cluster would say. Definitions themselves are left out: to hold forty of them to
their own description takes longer than all the rest, and a rehearsal hands them to a real API server.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from policies.scanners import NOT_SEEN, Scan, answer, version_of, written
from policies.waivers import Finding
from rehearsal import tools
from rehearsal.control_plane import ControlPlane
from review.helm import KUBE_VERSION
from review.objects import AZURE, HELM, Object

TOOL = "kubeconform"
DEFINITION = "CustomResourceDefinition"
_TEMPLATE = "{{ .Group }}/{{ .ResourceKind }}_{{ .ResourceAPIVersion }}.json"
_OPEN = "x-kubernetes-preserve-unknown-fields"
Documents = Mapping[str, Any]
"""OpenAPI v3 documents by their path: api/v1, apis/apps/v1."""


def kubeconform(objects: Iterable[Object], described: Documents) -> Scan:
    """Checks every object of Kubernetes strictly; one without a schema is a finding."""
    program = tools.ensure(TOOL)[TOOL]
    everything = [item for item in objects if item.key.group != HELM and not item.key.group.startswith(AZURE)]
    given = [item for item in everything if item.key.kind != DEFINITION]
    with tempfile.TemporaryDirectory(prefix="istio-stack-kubeconform-") as temporary:
        folder, schemas = Path(temporary) / "objects", Path(temporary) / "schemas"
        files = written((_said(item) for item in given), folder)
        write_schemas(everything, described, schemas)
        command = [str(program), "-strict", "-output", "json", "-verbose", "-schema-location", f"{schemas}/{_TEMPLATE}", str(folder)]
        said = answer(TOOL, command, {"HOME": temporary, "PATH": ""}, fine=(0, 1))
    results = {Path(entry["filename"]).name: entry for entry in said["resources"]}
    found = []
    for name, item in files.items():
        entry = results.get(name)
        if entry is None or entry["status"] == "statusSkipped":
            found.append(Finding(TOOL, NOT_SEEN, str(item.key), "", f"{TOOL} passed it over in silence"))
        elif entry["status"] != "statusValid":
            found.append(Finding(TOOL, "schema", str(item.key), "", " ".join(entry["msg"].split())[:300]))
    return Scan(TOOL, version_of(TOOL), len(files), len(files) - len(found), tuple(sorted(found)))


def _said(item: Object) -> Object:
    """Without what is null, which is what nobody said."""

    def without(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: without(child) for key, child in value.items() if child is not None}
        return [without(child) for child in value] if isinstance(value, list) else value

    return replace(item, body=without(item.body))


def write_schemas(objects: Sequence[Object], described: Documents, folder: Path) -> None:
    """Writes a JSON schema for each kind among the objects that the API server or a definition describes."""
    for group, kind, version, schema in (*_of_definitions(objects), *_of_api_server(objects, described)):
        # kubeconform writes the core group as the version of the API
        target = folder / (group or version) / f"{kind.lower()}_{version}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(schema))


def _of_definitions(objects: Iterable[Object]) -> Iterator[tuple[str, str, str, Any]]:
    for item in objects:
        if item.key.kind != DEFINITION:
            continue
        spec = item.body["spec"]
        for version in spec["versions"]:
            schema = closed((version.get("schema") or {}).get("openAPIV3Schema") or {_OPEN: True})
            if not schema.get(_OPEN):
                schema["properties"] = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, **schema.get("properties", {})}
                schema["properties"]["metadata"] = {"type": "object"}  # which a definition need not describe
            yield spec["group"], spec["names"]["kind"], version["name"], schema


def _of_api_server(objects: Iterable[Object], described: Documents) -> Iterator[tuple[str, str, str, Any]]:
    for group, version, kind in sorted({(*_split(item.body["apiVersion"]), item.body["kind"]) for item in objects}):
        document = described.get(f"apis/{group}/{version}" if group else f"api/{version}")
        components = (document or {}).get("components", {}).get("schemas", {})
        for name, schema in components.items():
            named = [(k["group"], k["version"], k["kind"]) for k in schema.get("x-kubernetes-group-version-kind", ())]
            if named == [(group, version, kind)]:
                reachable = {part: closed(components[part]) for part in _reachable(name, components)}
                yield group, kind, version, {"$ref": f"#/components/schemas/{name}", "components": {"schemas": reachable}}


def _split(api_version: str) -> tuple[str, str]:
    group, _, version = api_version.rpartition("/")
    return group, version


def _reachable(name: str, components: Mapping[str, Any]) -> set[str]:
    seen: set[str] = set()
    todo = [name]
    while todo:
        current = todo.pop()
        if current not in seen:
            seen.add(current)
            todo += [reference.rpartition("/")[2] for reference in _references(components[current])]
    return seen


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for child in value.values():
            yield from _references(child)
    elif isinstance(value, list):
        for child in value:
            yield from _references(child)


def closed(schema: Any) -> Any:
    """The schema with no field but those it names, as the API server is strict; a number or a text where it says either."""
    if isinstance(schema, list):
        return [closed(child) for child in schema]
    if not isinstance(schema, dict):
        return schema
    found: dict[str, Any] = {key: closed(child) for key, child in schema.items() if key not in ("default", "example", "format")}
    if schema.get("x-kubernetes-int-or-string"):
        found = {"type": ["integer", "string"]}
    properties = schema.get("properties")
    if isinstance(properties, dict):
        found["properties"] = {name: closed(child) for name, child in properties.items()}
        if not schema.get(_OPEN) and "additionalProperties" not in schema:
            found["additionalProperties"] = False
    return found


def openapi() -> Documents:
    """The documents of an API server of the version that charts are rendered for.

    They are kept beside the tools, and asked of an API server that is started for it where they are not there.
    """
    kept = tools.cache() / f"openapi-{KUBE_VERSION}.json"
    if not kept.is_file():
        with tempfile.TemporaryDirectory(prefix="istio-stack-openapi-") as temporary:
            plane = ControlPlane.start(Path(temporary) / "plane", die_with_parent=True)
            try:
                found = asked(plane.api.request)
            finally:
                plane.stop(remove=True)
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(f".{os.getpid()}.part")
        partial.write_text(json.dumps(found))
        partial.replace(kept)
    return json.loads(kept.read_text())


def asked(request: Callable[[str, str], Any]) -> Documents:
    """Every OpenAPI v3 document of an API server that describes kinds, by its path."""
    index = request("GET", "/openapi/v3")["paths"]
    wanted = {path: entry["serverRelativeURL"] for path, entry in index.items() if path.startswith(("api/", "apis/")) and _is_version(path)}
    return {path: request("GET", url) for path, url in sorted(wanted.items())}


def _is_version(path: str) -> bool:
    parts = path.split("/")
    return len(parts) == (2 if parts[0] == "api" else 3)
