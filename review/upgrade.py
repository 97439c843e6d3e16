"""What another version of a chart means for the stacks: today's values and objects held against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.charts import CACHE, Chart, Charts, open_lock
from components.errors import ConfigurationError
from components.merge import leaves
from rehearsal import probe
from review import chart_values, guards, upgrades, versions, work
from review.chart_values import PASS_THROUGH, covers
from review.errors import Refusal
from review.helm import Install, Renderer
from review.judging import Review, review
from review.objects import of_kubernetes
from review.recorder import ROOT
from review.render import Rendering, helm_binary
from review.upgrades import Upgrade
from review.work import Pair

LOCK = "charts.yaml"


@dataclass(frozen=True)
class Wish:
    """An upgrade that somebody thinks about."""

    chart: str
    start: str
    to: str
    steps: tuple[Upgrade, ...]
    missing: tuple[str, ...]
    """Files of steps that nobody wrote down."""


@dataclass(frozen=True)
class Values:
    """The values of one release, held against the new chart."""

    stack: str
    release: str
    moved: tuple[str, ...]
    """What the steps say of values that are set."""
    unknown: tuple[str, ...]
    """Leaves that are set and that the new chart does not know."""
    violations: tuple[str, ...]
    """What its schema says."""
    defaults: tuple[tuple[str, Any, Any], ...]
    """Defaults that are others, beside what is set: path, before, after."""
    has_schema: bool
    elsewhere: int
    """How many more defaults are others, in parts of the chart where nothing is set."""


@dataclass
class Checked:
    """What was held against the new chart."""

    chart: chart_values.Chart | None = None
    values: list[Values] = field(default_factory=list)
    objects: list[Review] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    """What Helm refuses, or a guard."""
    not_run: list[str] = field(default_factory=list)
    """What could not be checked, and why."""

    @property
    def wrong(self) -> bool:
        """Whether the new chart does not take the values as they are."""
        return bool(self.refusals) or any(v.moved or v.unknown or v.violations for v in self.values)


def wish(chart: str, to: str, root: Path = ROOT) -> Wish:
    """The steps from the version in the lock. Refusal where there is no way to ask for."""
    if not chart or not to:
        raise Refusal(
            f"{'to' if chart else 'chart'} is missing: name a chart of {LOCK} and the version wanted, such as CHART=loki TO=19.0.0"
        )
    lock = open_lock(str(root / LOCK))
    if chart not in lock.entries:
        raise Refusal(f"chart {chart} is not in {LOCK}; it holds {', '.join(lock.entries)}")
    try:
        target = versions.parse(to)
    except ValueError as error:
        raise Refusal(f"to: {error}") from None
    start = lock[chart].version
    if target <= versions.parse(start):
        raise Refusal(f"to is {to}: {LOCK} pins {chart} {start}, which is no older")
    known = upgrades.load()
    return Wish(chart, start, to, tuple(known.plan(chart, start, to)), tuple(known.missing(chart, start, to)))


def check(wanted: Wish, stacks: Sequence[str], where: Path | None, root: Path = ROOT) -> Checked:
    """Holds the stacks against the new chart, as far as its archive can be had: from a folder or file, or from its repository."""
    checked = Checked()
    lock = open_lock(str(root / LOCK))
    new, old = (_archive(lock, wanted.chart, version, where) for version in (wanted.to, wanted.start))
    if isinstance(new, str):
        checked.not_run.append(f"values, schema, defaults and objects: {new}")
        return checked
    after = checked.chart = chart_values.read(new)
    if (after.name, versions.parse(after.version)) != (wanted.chart, versions.parse(wanted.to)):
        raise Refusal(f"{new} holds {after.name} {after.version}, not {wanted.chart} {wanted.to}")
    before = None if isinstance(old, str) else chart_values.read(old)
    if isinstance(old, str):
        checked.not_run.append(f"defaults and objects, which need the chart of today beside it: {old}")
    renderer = Renderer(helm_binary())
    for stack, rendering in work.render(stacks, root, bundles=True).items():
        for name, release in guards.installed(rendering).items():
            if release.chart != wanted.chart:
                continue
            checked.values.append(held(stack, name, release.values, wanted, before, after))
            then = {name: release._replace(version=wanted.to)}
            checked.refusals += [f"stack {stack}: {line}" for line in guards.refused_configurations({}, then)]
            namespace, _, own = name.partition("/")
            installs = [Install(own, namespace, path, release.values) for path in (old, new) if isinstance(path, Path)]
            _objects(checked, stack, installs, renderer)
    return checked


def held(
    stack: str, name: str, values: Mapping[str, Any], wanted: Wish, before: chart_values.Chart | None, after: chart_values.Chart
) -> Values:
    """The values of a release held against the new chart; `before` is today's, where it could be had."""
    ours = [path for path, _ in leaves(values) if path]
    said = {moved: [path for path in ours if covers(moved.was, path)] for step in wanted.steps for moved in step.values}
    spoken_of = {path for paths in said.values() for path in paths}
    moved = [f"{upgrades.moved(value)}; set here: {', '.join(paths)}" for value, paths in said.items() if paths]
    handed_on = PASS_THROUGH.get(wanted.chart, {})
    unknown = [
        path
        for path in chart_values.unread(values, after.defaults, after.schema)
        if not any(covers(prefix, path) for prefix in handed_on) and path not in spoken_of
    ]
    violations = chart_values.violations(values, after.defaults, after.schema) if after.schema else []
    beside, elsewhere = _defaults(values, before, after) if before else ([], 0)
    return Values(stack, name, tuple(moved), tuple(unknown), tuple(violations), tuple(beside), bool(after.schema), elsewhere)


def _defaults(values: Mapping[str, Any], before: chart_values.Chart, after: chart_values.Chart) -> tuple[list[tuple[str, Any, Any]], int]:
    """Defaults of leaves that are in both charts and no longer the same: those beside something that is set, and how many others."""
    old, new = dict(leaves(before.defaults)), dict(leaves(after.defaults))
    ours = [path for path, _ in leaves(values) if path]
    parents = {path.rpartition(".")[0] for path in ours}
    moved = [(path, old[path], new[path]) for path in old if path in new and old[path] != new[path]]
    free = [entry for entry in moved if not any(covers(path, entry[0]) or covers(entry[0], path) for path in ours)]
    beside = [entry for entry in free if entry[0].rpartition(".")[0] in parents]
    return beside, len(free) - len(beside)


def _objects(checked: Checked, stack: str, installs: Sequence[Install], renderer: Renderer) -> None:
    """The objects of a release with both charts, compared; with the new one alone, whether Helm takes the values at all."""
    sides: list[Rendering] = []
    for install in installs:
        try:
            release = f"{install.namespace}/{install.name}"
            found = tuple(of_kubernetes(body, install.name, release) for body in renderer.objects(install))
        except Refusal as refused:
            checked.refusals.append(f"stack {stack}, {install.archive.name}: {refused}")
            return
        sides.append(Rendering(stack, found, {}, (), None, ()))
    if len(sides) == 2:
        checked.objects.append(review(stack, Pair(sides[0], sides[1])))


def _archive(lock: Charts, chart: str, version: str, where: Path | None) -> Path | str:
    """The archive of a version of a chart; where it cannot be had, why."""
    pinned = lock[chart]
    file = f"{chart}-{version}.tgz"
    if where is not None and where.is_dir():
        return where / file if (where / file).is_file() else f"{where} holds no {file}"
    if where is not None and (not where.is_file() or version != pinned.version):
        return where if where.is_file() else f"there is no {where}"
    source = lock
    if version != pinned.version:
        url = pinned.url.replace(pinned.version, version)
        source = Charts({chart: Chart(chart, version, "", url, None)}, lock.lock)
    if not (ROOT / CACHE / file).is_file() and not probe.answering([source[chart].url]):
        return f"{source[chart].url} does not answer, and {CACHE} holds no {file}"
    try:
        return ROOT / source.archive(chart)
    except ConfigurationError as error:
        return str(error)
