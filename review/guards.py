"""What no change may do: one function per rule, each says what is wrong in a line or nothing. Facts of charts are data, in `upgrades/`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from review import upgrades, versions
from review.objects import HELM
from review.render import Rendering


class Installed(NamedTuple):
    """A release of a rendering."""

    chart: str
    version: str
    values: Mapping[str, Any]


def installed(rendering: Rendering) -> dict[str, Installed]:
    """The releases of a stack by `namespace/name`."""
    specs = {o.release: o.body["spec"] for o in rendering.objects if o.key.group == HELM}
    return {name: Installed(spec["chart"].partition("@")[0], spec["version"], spec["values"]) for name, spec in sorted(specs.items())}


def broken(base: Rendering | None, head: Rendering) -> list[str]:
    """What a change breaks; not what was broken before it."""
    after = installed(head)
    before = installed(base) if base is not None else {}
    known = set(refused_configurations({}, before))
    return [line for guard in GUARDS for line in guard(before, after) if line not in known]


def standing(base: Rendering | None, head: Rendering) -> list[str]:
    """What is worth a word without being refused: what was broken before, and a schema period that begins too early to be read."""
    after = installed(head)
    before = installed(base) if base is not None else {}
    known = set(refused_configurations({}, before))
    still = [f"was there before: {line}" for line in refused_configurations(before, after) if line in known]
    return [*still, *_periods_that_have_begun(before, after, datetime.now(UTC).date())]


def at(values: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    here: Any = values
    for part in path.split("."):
        here = here.get(part) if isinstance(here, Mapping) else None
    return here


def _schema_is_append_only(before: Mapping[str, Installed], after: Mapping[str, Installed]) -> Iterator[str]:
    for name, old, new in _lokis(before, after):
        was, now = ({str(period.get("from")): period for period in _periods(release)} for release in (old, new))
        for start, period in was.items():
            if start not in now:
                yield f"release {name}: Loki's schema period from {start} is removed: {_APPEND_ONLY}"
            elif now[start] != period:
                yield f"release {name}: Loki's schema period from {start} is changed: {_APPEND_ONLY}"
        for start in now:
            if start not in was and (later := [other for other in now if other in was and other > start]):
                yield (
                    f"release {name}: Loki's schema period from {start} is put before that from {min(later)}: what was written in its days "
                    "in another one could no longer be read; append one that begins later"
                )


_APPEND_ONLY = "what was written in it could no longer be read; leave it and append one that begins later"


def _lokis(before: Mapping[str, Installed], after: Mapping[str, Installed]) -> Iterator[tuple[str, Installed, Installed]]:
    """Every Loki as it was and as it is; where the only one has another name or namespace now, it is still the same one."""
    was, now = ({name: release for name, release in side.items() if release.chart == "loki"} for side in (before, after))
    for name in [name for name in was if name in now]:
        yield name, was[name], now[name]
    if len(was) == len(now) == 1 and was.keys() != now.keys():
        ((old, release),) = was.items()
        ((new, there),) = now.items()
        yield f"{new}, which was {old}", release, there


def _periods(release: Installed) -> list[Mapping[str, Any]]:
    return at(release.values, "loki.schemaConfig.configs") or []


def _periods_that_have_begun(before: Mapping[str, Installed], after: Mapping[str, Installed], today: date) -> Iterator[str]:
    for name, was, release in _lokis(before, after):
        old = {period.get("from") for period in _periods(was)}
        for period in _periods(release) if old else ():
            if period.get("from") not in old and str(period.get("from")) <= today.isoformat():
                yield (
                    f"release {name}: Loki's schema period from {period['from']} has begun already: where it was not in force since, what "
                    "was written meanwhile is looked for in the wrong schema; let it begin after the next `up`"
                )


def _steps_are_written_down(before: Mapping[str, Installed], after: Mapping[str, Installed]) -> Iterator[str]:
    known = upgrades.load()
    # a step of several releases of a chart is one step
    for chart, start, to in dict.fromkeys(_steps(before, after)):
        if versions.parse(to) < versions.parse(start) and known.missing(chart, to, start) + [s.to for s in known.plan(chart, to, start)]:
            yield f"chart {chart} goes back from {start} to {to}: no step in upgrades/ leads that way; restore what was before it"
        for file in known.missing(chart, start, to):
            yield f"chart {chart} goes from {start} to {to}: {file} is missing; write its steps down first (docs/upgrade.md)"


def _steps(before: Mapping[str, Installed], after: Mapping[str, Installed]) -> Iterator[tuple[str, str, str]]:
    """Chart, version before, version after: of every release that is of another version than it was.

    A new name of a chart that was there comes from its newest release, as a second control plane of Istio does, or a release that moved.
    An older one beside it is no step back while that one stays.
    """
    for name, release in after.items():
        chart, to = release.chart, release.version
        came_from = {other: old.version for other, old in before.items() if old.chart == chart}
        if not came_from:
            continue
        origin = name if name in came_from else max(came_from, key=lambda other: versions.parse(came_from[other]))
        start = came_from[origin]
        beside = origin != name and origin in after and after[origin].chart == chart
        if start != to and not (beside and versions.parse(to) < versions.parse(start)):
            yield chart, start, to


def refused_configurations(before: Mapping[str, Installed], after: Mapping[str, Installed]) -> Iterator[str]:
    """Releases that are as `upgrades/refused.yaml` says none should be."""
    for name, release in after.items():
        for fact in upgrades.load().refused:
            if fact.chart != release.chart or (fact.since and versions.parse(release.version) < versions.parse(fact.since)):
                continue
            found = at(release.values, fact.value)
            if found in fact.equals or (not fact.equals and found in (None, "")):
                shown = "not set" if found in (None, "") else f"{found}"
                yield f"release {name}, chart {fact.chart} {release.version}: {fact.value} is {shown}: {fact.why}; {fact.instead}"


GUARDS: tuple[Callable[[Mapping[str, Installed], Mapping[str, Installed]], Iterator[str]], ...] = (
    _schema_is_append_only,
    _steps_are_written_down,
    refused_configurations,
)
