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
    for name, release in before.items():
        if name not in after or after[name].chart != release.chart:
            continue
        kept = _periods(after[name])
        for number, period in enumerate(_periods(release)):
            start = period.get("from")
            if not any(other.get("from") == start for other in kept):
                yield f"release {name}: Loki's schema period from {start} is removed: {_APPEND_ONLY}"
            elif number >= len(kept) or kept[number] != period:
                yield f"release {name}: Loki's schema period from {start} is changed: {_APPEND_ONLY}"


_APPEND_ONLY = "what was written in it could no longer be read; leave it and append one that begins later"


def _periods(release: Installed) -> list[Mapping[str, Any]]:
    return at(release.values, "loki.schemaConfig.configs") or [] if release.chart == "loki" else []


def _periods_that_have_begun(before: Mapping[str, Installed], after: Mapping[str, Installed], today: date) -> Iterator[str]:
    for name, release in after.items():
        old = {period.get("from") for period in _periods(before[name])} if name in before else set()
        for period in _periods(release) if old else ():
            if period.get("from") not in old and str(period.get("from")) <= today.isoformat():
                yield (
                    f"release {name}: Loki's schema period from {period['from']} has begun already: where it was not in force since, what "
                    "was written meanwhile is looked for in the wrong schema; let it begin after the next `up`"
                )


def _steps_are_written_down(before: Mapping[str, Installed], after: Mapping[str, Installed]) -> Iterator[str]:
    known = upgrades.load()
    for name, release in before.items():
        there = after.get(name)
        if there is None or there.chart != release.chart or there.version == release.version:
            continue
        chart, (start, to) = release.chart, (release.version, there.version)
        if versions.parse(to) < versions.parse(start) and known.missing(chart, to, start) + [s.to for s in known.plan(chart, to, start)]:
            yield f"chart {chart} goes back from {start} to {to}: no step in upgrades/ leads that way; restore what was before it"
        for file in known.missing(chart, start, to):
            yield f"chart {chart} goes from {start} to {to}: {file} is missing; write its steps down first (docs/upgrade.md)"


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
