"""The rules over renderings of whole stacks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from components import signals
from components.charts import Charts, open_lock
from components.config import SECRET_KEYS, parse
from components.network import proof
from components.network.world import world
from components.settings import Settings
from components.signals import Graph
from components.topology import plan
from policies.rules import RULES, judge
from policies.scanners import Scan
from policies.subjects import facts, gateways
from policies.waivers import Finding, Judged, Waiver, apply
from rehearsal import stack_files
from review.objects import AZURE
from review.render import Rendering

NETWORK = "network-policies"
ALL_RULES = (*RULES, NETWORK)


@dataclass(frozen=True)
class Stack:
    """What is known of a stack beside its objects."""

    settings: Settings
    graph: Graph
    charts: Charts
    """The lock that it goes by."""


def stack_of(root: Path, name: str) -> Stack:
    """A stack as its file says it. ConfigurationError, or RehearsalError where there is no such file."""
    config = own_config(root, name)
    settings = parse({key: _opened(key, value) for key, value in config.items()})
    graph = signals.graph(settings, plan(settings, stack_files.project_name(root), name))
    return Stack(settings, graph, open_lock(str(root / config.get("chartLock", "charts.yaml"))))


class Tool(NamedTuple):
    """What one tool found, after the waivers."""

    name: str
    objects: int
    passed: int
    judged: Judged


@dataclass(frozen=True)
class Checked:
    """What all of them found."""

    tools: tuple[Tool, ...]
    unused: tuple[Waiver, ...]
    """Waivers that nothing needs."""


def check(root: Path, renderings: Mapping[str, Rendering], waivers: Sequence[Waiver], scans: Iterable[Scan]) -> Checked:
    """The rules over every rendering, and what the scanners said, after the waivers."""
    broken: list[Finding] = []
    checks = objects = 0
    for name, rendering in renderings.items():
        broken += findings(rendering, stack_of(root, name))
        objects += len(rendering.objects)
        checks += len(rendering.objects) * len(RULES) + 1
    distinct = list(dict.fromkeys(broken))
    found = [Tool("rules", objects, checks - len({(f.check, f.target) for f in broken}), apply(distinct, waivers))]
    for scan in scans:
        found.append(Tool(f"{scan.tool} {scan.version}", scan.given, scan.passed, apply(scan.findings, waivers)))
    unused = set(waivers).intersection(*(tool.judged.unused for tool in found))
    return Checked(tuple(found), tuple(waiver for waiver in waivers if waiver in unused))


def findings(rendering: Rendering, stack: Stack) -> Iterator[Finding]:
    """Everything that a stack breaks."""
    known = facts(stack.charts, gateways(rendering.objects))
    for item in rendering.objects:
        for found in judge(item, known):
            yield Finding("rules", found.check, str(found.key), found.where, found.what)
    for leak in rendering.leaks:
        yield Finding("rules", "no-secret-literal", "Stack", "", leak)
    if not stack.settings.network.policies:
        yield Finding("rules", NETWORK, "Stack", "network.policies", "is false")
        return
    bodies = [item.body for item in rendering.objects if not item.key.group.startswith(AZURE)]
    for line in proof.broken(world(bodies), stack.graph):
        yield Finding("rules", NETWORK, "Stack", "", line)


def own_config(root: Path, stack: str) -> dict[str, Any]:
    """What a stack's file says for this project, without the project's name before each key."""
    prefix = f"{stack_files.project_name(root)}:"
    return {key.removeprefix(prefix): value for key, value in stack_files.read_config(root, stack).items() if key.startswith(prefix)}


def _opened(key: str, value: Any) -> Any:
    return "not needed here" if key in SECRET_KEYS or (isinstance(value, Mapping) and "secure" in value) else value
