"""The layers as a run of the program makes them: class, releases, namespaces, and what each waits for."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.config import SECRET_KEYS
from pages.markdown import code, listed, table
from rehearsal import stack_files
from rehearsal.bundles.pack import pack
from rehearsal.errors import RehearsalError
from review import recorder
from review.recorder import ROOT, Registered, Run

STACK = "local"
SAMPLE = {"image": "registry.example.com/rolldice:1.0.0"}
"""Given to stacks that name no image, so that the sample is among the layers."""
_INTRODUCTION = """\
# Layers

`make docs` writes this page from a run of the program against a recorder. Each layer is a component of `__main__.py`; it begins when
all that it waits for is there. [architecture.md](architecture.md) draws them and says why each waits.

The table is that of stack `{stack}`, with an image for the sample."""
DRAWN = re.compile(r"(?<=<!-- layers: written by `make docs` -->\n).*?(?=<!-- end of layers -->)", re.DOTALL)
"""Where architecture.md has the flow chart."""


@dataclass(frozen=True)
class Layer:
    """One layer of one stack."""

    name: str
    token: str
    """Its class as its type token says it: `<role>:<Class>`."""
    releases: tuple[str, ...]
    namespaces: tuple[str, ...]
    waits_for: tuple[str, ...]
    """Names of layers; where it waits for a part of one alone, that part stands behind the name."""

    @property
    def before(self) -> set[str]:
        """The layers among what it waits for."""
        return {part.partition(":")[0] for part in self.waits_for}


def page(root: Path = ROOT) -> str:
    """The whole page. RehearsalError where a stack file cannot be read."""
    known = {stack: layers(recorded(root, stack)) for stack in stack_files.known_stacks(root)}
    own = known.pop(STACK)
    parts = [_INTRODUCTION.format(stack=STACK), _table(own), "## What other stacks do differently"]
    different = {stack: tuple(layer for layer in others if layer not in own) for stack, others in known.items()}
    for same in dict.fromkeys(different.values()):
        stacks = listed([code(stack) for stack, these in different.items() if these == same])
        parts.append(f"{stacks}:\n\n{_table(same)}" if same else f"{stacks}: nothing.")
    return "\n\n".join(parts) + "\n"


def drawn(text: str, root: Path = ROOT) -> str:
    """The page of the architecture with the flow chart as it is. RehearsalError where it has no place for it."""
    found, count = DRAWN.subn(lambda _: f"{_chart(layers(recorded(root, STACK)))}\n", text)
    if count != 1:
        raise RehearsalError(
            "docs/architecture.md has no place for the layers: a line <!-- layers: … --> and a line <!-- end of layers -->"
        )
    return found


def recorded(root: Path, stack: str) -> Run:
    """What a stack registers with the charts' bundles, which are the same everywhere. RehearsalError for a stack that nobody knows."""
    prefix = f"{stack_files.project_name(root)}:"
    config = stack_files.with_placeholders(stack_files.read_config(root, stack))
    own: dict[str, Any] = {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}
    with tempfile.TemporaryDirectory(prefix="istio-stack-pages-") as folder:
        lock = pack(root / own.get("chartLock", "charts.yaml"), Path(folder))
        own |= {"chartMirror": folder, "chartLock": str(lock), "sampleApp": {**SAMPLE, **own.get("sampleApp", {})}}
        texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in own.items()}
        return recorder.run(texts, stack=stack, root=root, secret_keys=SECRET_KEYS)


def layers(run: Run) -> list[Layer]:
    """The layers of a run, each behind those that it waits for, else by name."""
    parts = _parts(run)
    found = {urn: _layer(urn, run, parts) for urn in parts}
    ready: list[Layer] = []
    while len(ready) < len(found):
        there = {layer.name for layer in ready}
        ready += sorted((new for new in found.values() if new.name not in there and new.before <= there), key=lambda layer: layer.name)
    return ready


def _parts(run: Run) -> Mapping[str, list[Registered]]:
    """Every layer's URN with the resources below it."""
    components = [r.urn for r in run.resources.values() if not r.custom]
    return {urn: [r for r in run.resources.values() if r.custom and urn in _above(run, r)] for urn in components}


def _above(run: Run, resource: Registered) -> Iterator[str]:
    while resource.parent in run.resources:
        resource = run.resources[resource.parent]
        yield resource.urn


def _layer(urn: str, run: Run, parts: Mapping[str, list[Registered]]) -> Layer:
    own = run.resources[urn]
    releases = [f"{r.inputs['name']} ({_chart_name(r)})" for r in parts[urn] if r.kind == "Release"]
    namespaces = {_namespace(r) for r in parts[urn]} - {""}
    waits = []
    for other, theirs in parts.items():
        awaited = [r for r in theirs if r.urn in own.dependencies]
        some = sorted(f"{r.kind} {r.name}" for r in awaited) if len(awaited) < len(theirs) else []
        if awaited:
            waits.append(f"{run.resources[other].name}: {listed(some)}" if some else run.resources[other].name)
    return Layer(own.name, own.type.partition(":")[2], tuple(sorted(releases)), tuple(sorted(namespaces)), tuple(sorted(waits)))


def _chart_name(release: Registered) -> str:
    return Path(release.inputs["chart"]).name.removesuffix(f"-{release.inputs['version']}.tgz")


def _namespace(resource: Registered) -> str:
    """The namespace that a resource makes or goes into; none for one of the whole cluster, or of Azure."""
    metadata = resource.inputs.get("metadata") or {}
    if resource.kind == "Namespace":
        return metadata["name"]
    return metadata.get("namespace") or (resource.inputs["namespace"] if resource.kind == "Release" else "")


def _chart(found: Sequence[Layer]) -> str:
    """The layers as a flow chart, from what comes first."""
    nodes = [f'  {layer.name}["{layer.name}<br/>{_made(layer)}"]' for layer in found]
    arrows = [f"  {before} --> {layer.name}" for layer in found for before in sorted(layer.before)]
    return "\n".join(["```mermaid", "flowchart LR", *nodes, *arrows, "```"])


def _made(layer: Layer) -> str:
    """The class, and what it installs where the class does not say."""
    charts = [release.partition("(")[2].rstrip(")") for release in layer.releases]
    return f"{layer.token.partition(':')[2]}{': ' if charts else ''}{', '.join(charts)}"


def _table(found: Sequence[Layer]) -> str:
    head = ("Layer", "Class", "Releases (chart)", "Namespaces", "Waits for")
    return table(head, [_row(layer) for layer in found])


def _row(layer: Layer) -> tuple[str, ...]:
    waits = "; ".join(layer.waits_for) or "nothing"
    return code(layer.name), code(layer.token), ", ".join(layer.releases), ", ".join(layer.namespaces), waits
