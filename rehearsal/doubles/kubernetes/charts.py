"""Charts as archives or folders: their Chart.yaml, their dependencies, the CRDs they bring."""

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from rehearsal.doubles.kubernetes.errors import Refusal
from rehearsal.doubles.kubernetes.manifests import objects
from rehearsal.doubles.kubernetes.shapes import is_crd

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def is_local(chart: str) -> bool:
    """Whether the chart is a file, or a folder that holds one, relative to the working directory."""
    path = Path(chart)
    return path.is_file() or (path / "Chart.yaml").is_file()


def parse(text: str) -> dict[str, Any]:
    """A Chart.yaml."""
    return yaml.load(text, Loader=_Loader) or {}


def metadata(chart: str) -> dict[str, Any]:
    """The Chart.yaml of a local chart; Refusal when it cannot be loaded or lacks a dependency."""
    path = Path(chart)
    try:
        text, inside = _read_folder(path) if path.is_dir() else _read_archive(path)
    except (tarfile.TarError, EOFError, OSError):
        raise Refusal(f"file '{chart}' does not appear to be a gzipped archive") from None
    if not text:
        raise Refusal("Chart.yaml file is missing")
    data = parse(text)
    if not data.get("version"):
        raise Refusal("validation: chart.metadata.version is required")
    missing = [entry["name"] for entry in data.get("dependencies") or [] if not _is_inside(entry["name"], inside)]
    if missing:
        raise Refusal(f"found in Chart.yaml, but missing in charts/ directory: {', '.join(missing)}")
    return data


def _read_archive(path: Path) -> tuple[str, list[str]]:
    text, inside = "", []
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            _, _, name = member.name.partition("/")
            if name == "Chart.yaml" and (stream := archive.extractfile(member)) is not None:
                text = stream.read().decode()
            elif name.startswith("charts/"):
                inside.append(name.removeprefix("charts/"))
    return text, inside


def _read_folder(path: Path) -> tuple[str, list[str]]:
    return (path / "Chart.yaml").read_text(), [f"{entry.name}/" if entry.is_dir() else entry.name for entry in path.glob("charts/*")]


def _is_inside(name: str, inside: list[str]) -> bool:
    return any(entry.startswith(f"{name}/") or (entry.startswith(f"{name}-") and entry.endswith(".tgz")) for entry in inside)


def crds(render: Callable[[], str]) -> list[dict[str, Any]]:
    """The CRDs of what `render` gives."""
    return [item for item in objects(render()) if is_crd(item)]
