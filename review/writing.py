"""Writes renderings into folders, and what stands at their top: where the charts come from, and what is not said."""

from __future__ import annotations

import shutil
from pathlib import Path

from review import documents
from review.helm import API_VERSIONS, KUBE_VERSION
from review.objects import paths
from review.render import Rendering


def write(rendering: Rendering, into: Path) -> int:
    """Makes a folder hold one rendering and nothing else; returns how many objects it holds. OSError where it cannot be written."""
    fresh = into.with_name(f".{into.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    files = paths(rendering.objects)
    for path, item in files.items():
        target = fresh / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(documents.written(item.body))
    (fresh / "README.md").write_text(readme(rendering, len(files)))
    shutil.rmtree(into, ignore_errors=True)
    fresh.replace(into)
    return len(files)


def stand_ins(rendering: Rendering) -> list[str]:
    """Charts whose real archive was not to be had."""
    return [name for name, use in rendering.charts.items() if use.source == "stand-in"]


def readme(rendering: Rendering, objects: int) -> str:
    """What a rendering is, in Markdown."""
    missing = stand_ins(rendering)
    lines = [f"# Stack {rendering.stack}, rendered", ""]
    if missing:
        lines += [f"**Not the real charts:** bundles stand in for {', '.join(missing)}, as their archives were not to be had.", ""]
    lines += [
        f"{objects} objects, one file each: layer/kind/namespace.name.yaml. Rendered by Helm for Kubernetes {KUBE_VERSION},",
        f"with these APIs beside its own: {', '.join(API_VERSIONS)}.",
        "",
        "`(secret)` stands for a secret, `(generated)` for what a chart makes anew each time. A file of kind Release holds the values that",
        "a chart is given; resources of Azure are as the program asks for them.",
        "",
        "| Chart | Version | Rendered from |",
        "| --- | --- | --- |",
        *(f"| {name} | {use.version} | {use.source} |" for name, use in rendering.charts.items()),
        "",
    ]
    return "\n".join(lines)
