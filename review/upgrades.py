"""What is known of the way from one version of a chart to another: `upgrades/`, a file for each step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError

from components.merge import parse_yaml
from components.settings_base import Model
from review import versions
from review.errors import Refusal
from review.recorder import ROOT
from review.versions import Version

FOLDER = ROOT / "upgrades"
_CHARTS, _REFUSED = "charts.yaml", "refused.yaml"
M = TypeVar("M", bound=Model)
Texts = Annotated[tuple[str, ...], Field(strict=False)]


class MovedValue(Model):
    """A value of a chart that has another name, or none any more."""

    was: str
    """Its dotted path."""
    now: str | None = None
    """Where it went; nothing where it is gone."""
    note: str = ""


class Verification(Model):
    """Who vouches for an entry, and how far."""

    by: str
    when: date
    how: Literal["read", "rendered", "rehearsed"]
    """`read`: taken from the source. `rendered`: this program's values rendered with both charts. `rehearsed`: brought up as well."""
    source: str
    """Repository, tag and file, or the thread, that it was taken from."""


class Upgrade(Model):
    """One step: from the last version of a line of releases to the first of the next."""

    start: Annotated[str, Field(alias="from")]
    to: str
    summary: str
    before: Texts = ()
    """What is done before the version is raised, in order."""
    values: Annotated[tuple[MovedValue, ...], Field(strict=False)] = ()
    """Values that moved: what this program or a user's own changes may still say by the old name."""
    objects: Texts = ()
    """Objects that are made anew, renamed or removed."""
    after: Texts = ()
    """What is done after the `up`, in order."""
    verified: Annotated[Verification, Field(strict=False)]


class Family(Model):
    """How the versions of charts count that go up together, where a step is not simply a major."""

    charts: Texts
    step: Literal["major", "minor"]
    why: str


class Refused(Model):
    """A configuration of a chart that does not work or does not last."""

    name: str
    chart: str
    since: str | None = None
    """First version of the chart that it holds for."""
    value: str
    """Dotted path of the value that it is about."""
    equals: Annotated[tuple[str, ...], Field(strict=False, alias="is")] = ()
    """Values that are refused; without any, the lack of one is."""
    why: str
    instead: str
    source: str


@dataclass(frozen=True)
class Upgrades:
    """All of the folder."""

    families: Mapping[str, Family]
    """By the name of the folder that holds their steps."""
    steps: Mapping[str, tuple[Upgrade, ...]]
    refused: tuple[Refused, ...]

    def folder(self, chart: str) -> str:
        """The folder of a chart's steps: that of its family, or its own."""
        return next((name for name, family in self.families.items() if chart in family.charts), chart)

    def plan(self, chart: str, start: str, to: str) -> list[Upgrade]:
        """The steps on the way, in order."""
        here, there = versions.parse(start), versions.parse(to)
        return [step for step in self.steps.get(self.folder(chart), ()) if here < _first(step.to) <= there]

    def missing(self, chart: str, start: str, to: str) -> list[str]:
        """Files of steps on the way that nobody wrote down."""
        family = self.families.get(self.folder(chart))
        depth = 2 if family is not None and family.step == "minor" else 1
        known = {step.to for step in self.plan(chart, start, to)}
        lines = _lines(versions.parse(start), versions.parse(to), depth)
        return [f"upgrades/{self.folder(chart)}/{before}-{after}.yaml" for before, after in pairwise(lines) if after not in known]


def moved(value: MovedValue) -> str:
    """What became of a value, in words."""
    return f"{value.was} is {value.now or 'gone'}{f' ({value.note})' if value.note else ''}"


def _first(text: str) -> Version:
    """The first version of a line: 18.0.0 of `18`, 1.31.0 of `1.31`."""
    return versions.parse(".".join([*text.split("."), "0", "0"][:3]))


def _lines(start: Version, to: Version, depth: int) -> Iterator[str]:
    """Every line of releases from one version to another. Where minors count and the major is another one, nobody knows those between."""
    if depth == 1:
        yield from (str(major) for major in range(start[0], to[0] + 1))
    elif start[0] == to[0]:
        yield from (f"{to[0]}.{minor}" for minor in range(start[1], to[1] + 1))
    else:
        yield from (versions.line(start, depth), versions.line(to, depth))


@cache
def load(folder: Path = FOLDER) -> Upgrades:
    """The whole folder. Refusal, with a line for each mistake, where a file of it is not what it should be."""
    found = {name: _models(folder / name, model) for name, model in ((_CHARTS, Family), (_REFUSED, Refused))}
    steps = {
        path.name: tuple(sorted((_step(file) for file in path.glob("*.yaml")), key=lambda step: _first(step.to)))
        for path in sorted(folder.iterdir())
        if path.is_dir()
    }
    families = {name: model for name, model in found[_CHARTS].items() if isinstance(model, Family)}
    refused = tuple(model for model in found[_REFUSED].values() if isinstance(model, Refused))
    return Upgrades(families, steps, refused)


def _models(file: Path, model: type[Model]) -> dict[str, Model]:
    """The entries of a file by name, which a model may want as a field."""
    entries: Mapping[str, Any] = parse_yaml(file.read_text(), str(file)) or {}
    named = "name" in model.model_fields
    return {name: _valid(model, {**entry, **({"name": name} if named else {})}, f"{file.name}: {name}") for name, entry in entries.items()}


def _step(file: Path) -> Upgrade:
    shown = f"{file.parent.name}/{file.name}"
    step = _valid(Upgrade, parse_yaml(file.read_text(), str(file)), shown)
    if file.stem != f"{step.start}-{step.to}":
        raise Refusal(f"upgrades/{shown}: it says from {step.start} to {step.to}, its name says {file.stem}")
    return step


def _valid(model: type[M], content: Any, where: str) -> M:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        lines = [f"upgrades/{where}: {'.'.join(map(str, d['loc']))}: {d['msg']}" for d in error.errors(include_url=False)]
        raise Refusal("\n".join(lines)) from None
