"""Values held against the chart they are for: whether its schema or its defaults know each of them, or a list says who does."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import jsonschema
from yaml import YAMLError

from components.merge import leaves, read_yaml
from review import documents
from review.errors import Refusal

PASS_THROUGH: dict[str, dict[str, str]] = read_yaml(Path(__file__).with_name("pass_through.yaml"))
"""chart -> path of a subtree that the chart hands on unread -> who knows its keys."""


@dataclass(frozen=True)
class Chart:
    """What an archive says of its chart."""

    name: str
    version: str
    app_version: str
    kube_version: str
    """Kubernetes versions that it is for; empty where it does not say."""
    defaults: Mapping[str, Any]
    """Its values, those of its subcharts under their names."""
    schema: Mapping[str, Any]
    """Of its values; empty where it has none."""


def read(archive: Path) -> Chart:
    """The chart in an archive. Refusal where there is none."""
    try:
        with tarfile.open(archive) as tar:
            texts = {
                PurePosixPath(member.name): file.read().decode()
                for member in tar
                if PurePosixPath(member.name).name in ("Chart.yaml", "values.yaml", "values.schema.json")
                and (file := tar.extractfile(member))
            }
        (top,) = {path.parts[0] for path in texts}
        about = documents.read(texts[PurePosixPath(top, "Chart.yaml")])
        schema = json.loads(texts.get(PurePosixPath(top, "values.schema.json"), "{}"))
        return Chart(
            str(about["name"]), str(about["version"]), str(about.get("appVersion", "")), str(about.get("kubeVersion", "")),
            _defaults(texts, PurePosixPath(top)), schema,
        )  # fmt: skip
    except (OSError, tarfile.TarError, EOFError, KeyError, TypeError, ValueError, YAMLError) as error:
        raise Refusal(f"{archive} is not the archive of a chart: {' '.join(str(error).split())[:200]}") from None


def _defaults(texts: Mapping[PurePosixPath, str], folder: PurePosixPath) -> dict[str, Any]:
    """A chart's values over those of its subcharts, each under the name that the chart gives it."""
    values = documents.read(texts.get(folder / "values.yaml", "")) or {}
    about = documents.read(texts[folder / "Chart.yaml"])
    names = {d["name"]: d.get("alias") or d["name"] for d in about.get("dependencies") or []}
    for path in texts:
        if path.name == "Chart.yaml" and path.parent.parent == folder / "charts":
            name = names.get(path.parent.name, path.parent.name)
            values = {**values, name: over(_defaults(texts, path.parent), values.get(name) or {})}
    return values


def over(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """What Helm makes of defaults and the values laid over them."""
    merged = dict(base)
    for key, value in top.items():
        merged[key] = over(merged[key], value) if isinstance(value, dict) and isinstance(merged.get(key), dict) else value
    return merged


def split(path: str) -> list[str]:
    """The keys of a dotted path, in which a dot of a key itself stands behind a backslash."""
    return [part.replace("\0", ".") for part in path.replace("\\.", "\0").split(".")]


def covers(prefix: str, path: str) -> bool:
    """Whether a path is that of a subtree or below it."""
    return path == prefix or path.startswith(f"{prefix}.")


def unread(values: Mapping[str, Any], defaults: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """Leaves that neither the chart's defaults nor its schema know."""
    # Istio nests its defaults one level down and tells users to leave that level out
    whole = {**defaults, **defaults.get("_internal_defaults_do_not_set", {})}
    return [
        path
        for path, _ in leaves(values)
        if path
        and not is_resource_requirement(split(path))
        and not known(whole, split(path))
        and not (schema and in_schema(schema, split(path)))
    ]


def violations(values: Mapping[str, Any], defaults: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """What the chart's schema says against its defaults with these values over them, one line each."""
    errors = jsonschema.Draft7Validator(schema).iter_errors(over(defaults, values))
    return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in errors]


def known(defaults: Any, parts: list[str]) -> bool:
    """Whether chart defaults know a path. An empty mapping, list or null in the defaults is free-form by Helm's custom."""
    here = defaults
    for part in parts:
        if here in ({}, [], None):
            return True
        if not isinstance(here, dict) or part not in here:
            return False
        here = here[part]
    return True


def in_schema(schema: Mapping[str, Any], parts: list[str]) -> bool:
    """Whether a chart's JSON schema names a path; below a node without properties everything is free-form."""
    node: Any = schema
    for part in parts:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].removeprefix("#/$defs/")]
        properties = node.get("properties")
        if not properties:
            return "type" in node and "object" in node["type"]
        if part not in properties:
            return False
        node = properties[part]
    return True


def is_resource_requirement(parts: list[str]) -> bool:
    """Kubernetes' own ResourceRequirements, which charts copy through whatever their defaults list of it."""
    return (
        len(parts) >= 3
        and parts[-3] == "resources"
        and parts[-2] in ("requests", "limits")
        and parts[-1] in ("cpu", "memory", "ephemeral-storage")
    )
