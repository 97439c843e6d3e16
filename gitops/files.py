"""An export as files: a folder per layer with one per step, what the tool reads, what others must bring, and a page that says how."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gitops.content import Content
from gitops.order import Step
from gitops.tools import Repository, Tool
from review.documents import written
from review.objects import Object
from review.render import Rendering
from review.writing import stand_ins

_LIST = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}


def contents(rendering: Rendering, content: Content, steps: Sequence[Step], tool: Tool, repository: Repository) -> dict[str, str]:
    """Every file of an export by its path, the same bytes each time."""
    stack = rendering.stack
    found: dict[str, str] = {}
    for step in steps:
        names = {_file(item): item for item in step.objects}
        for name, item in names.items():
            found[f"{step.layer}/{step.number}/{name}"] = written(_annotated(item.body, tool.annotations(item, step)))
        found[f"{step.layer}/{step.number}/kustomization.yaml"] = written({**_LIST, "resources": sorted(names)})
    for layer in {step.layer for step in steps}:
        numbers = sorted(step.number for step in steps if step.layer == layer)
        found[f"{layer}/kustomization.yaml"] = written({**_LIST, "resources": [str(number) for number in numbers]})
    units = tool.units(stack, steps, repository)
    for name, unit in units.items():
        found[f"{tool.folder}/{name}.yaml"] = written(unit)
    found[f"{tool.folder}/kustomization.yaml"] = written({**_LIST, "resources": sorted(f"{name}.yaml" for name in units)})
    found["root.yaml"] = written(tool.root(stack, repository))
    found["README.md"] = page(rendering, content, steps, tool)
    return dict(sorted(found.items()))


def write(files: Mapping[str, str], into: Path) -> None:
    """Makes a folder hold these files and nothing else. OSError where it cannot be written."""
    fresh = into.with_name(f".{into.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    for path, text in files.items():
        (fresh / path).parent.mkdir(parents=True, exist_ok=True)
        (fresh / path).write_text(text)
    shutil.rmtree(into, ignore_errors=True)
    fresh.replace(into)


def _file(item: Object) -> str:
    """Its file in the folder of its step. The group tells Istio's Gateway from the Gateway API's."""
    parts = (item.key.kind, item.key.group.partition(".")[0], item.key.namespace, item.key.name)
    return re.sub(r"[^a-z0-9._-]", "_", ".".join(part for part in parts if part).lower()) + ".yaml"


def _annotated(body: Mapping[str, Any], more: Mapping[str, str]) -> dict[str, Any]:
    metadata = body["metadata"]
    annotations = {**(metadata.get("annotations") or {}), **more}
    return {**body, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}


def page(rendering: Rendering, content: Content, steps: Sequence[Step], tool: Tool) -> str:
    """What an export is and what it needs, in Markdown."""
    missing = stand_ins(rendering)
    lines = [f"# Stack {rendering.stack} for {tool.name}", ""]
    if missing:
        lines += [f"**Not the real charts, to look at only:** bundles stand in for {', '.join(missing)}.", ""]
    lines += [
        f"{len(content.objects)} objects in {len(steps)} steps, as `make export` wrote them from the program's own rendering. Do not",
        "change files here: the next export writes them anew. `root.yaml` is applied by hand, once, when the repository holds this folder.",
        "",
        "## What must be there",
        "No secret is in these files. Each of these Secrets is made by others, such as External Secrets or SOPS, in its namespace:",
        "",
        "| Secret | Keys |",
        "| --- | --- |",
        *(f"| {secret.namespace}/{secret.name} | {', '.join(secret.keys) or 'as its receiver says'} |" for secret in content.secrets),
        "",
    ]
    if content.azure:
        lines += [
            "These resources of Azure are not in it either; a stack of Pulumi or others make them first, and their roles must have spread:",
            "",
            *(f"- {name}" for name in content.azure),
            "",
        ]
    if content.unknown_clients:
        names = ", ".join(content.unknown_clients)
        lines += [f"**Client ids are missing** of {names}: export again with `CLIENT_IDS='{content.unknown_clients[0]}=…'`.", ""]
    lines += ["## Order", "", "| Step | Objects | After |", "| --- | --- | --- |"]
    lines += [f"| {step.name} | {len(step.objects)} | {', '.join(step.after) or '-'} |" for step in steps]
    return "\n".join([*lines, ""])
