"""`make size`: what a load needs and costs, per environment. `python -m sizing --help` names the figures."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, cast

from pydantic import TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from rich.console import Console

from components import settings_rules
from components.capacity import Mesh
from components.charts import ROOT
from components.errors import ConfigurationError
from components.settings import LoadSettings
from components.settings_base import RetentionDays
from sizing.data import Environment, environments, prices
from sizing.page import page
from sizing.plan import plan
from sizing.report import show, show_prices

LOAD = {
    "pods": "pods in the mesh",
    "requests_per_second": "requests between them and into them",
    "spans_per_second": "spans that reach the collector",
    "log_mb_per_second": "megabytes of logs",
    "active_series": "time series that Prometheus holds at once",
}
MESHES = ("sidecar", "ambient")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line like every other mistake, instead of the usage and a line."""
        raise ConfigurationError(message)


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line, figures still as text. Raises ConfigurationError."""
    parser = _Parser(
        prog="python -m sizing",
        allow_abbrev=False,
        description="What a load needs and costs. What is not named comes from the environment's stack file or example.",
    )
    for name, text in LOAD.items():
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="N", help=text)
    parser.add_argument("--retention-days", metavar="DAYS", help="how long metrics, traces and logs are kept")
    parser.add_argument("--environment", metavar="NAME", help="one of sizing/environments.yaml; default: all")
    parser.add_argument("--mesh", metavar="MODE", help=f"{' or '.join(MESHES)}; default: what the stack file says")
    parser.add_argument("--prices", type=Path, default=ROOT / "prices.yaml", metavar="FILE", help="default: prices.yaml")
    parser.add_argument("--markdown", action="store_true", help="print it as the page of the documentation")
    return parser.parse_args(argv)


def changed(environment: Environment, asked: argparse.Namespace) -> Environment:
    """The environment with what the command line names. Raises ConfigurationError, one line per mistake."""
    named = {LoadSettings.model_fields[name].alias or to_camel(name): _number(getattr(asked, name)) for name in LOAD}
    stated = environment.settings.load.model_dump(by_alias=True) | {key: value for key, value in named.items() if value is not None}
    lines = _mistakes(lambda: LoadSettings.model_validate(stated))
    days = _number(asked.retention_days)
    if days is not None:
        lines += _mistakes(lambda: TypeAdapter(RetentionDays).validate_python(days, strict=True), "retentionDays")
    if asked.mesh not in (None, *MESHES):
        lines.append(f"mesh is {asked.mesh!r}: must be {' or '.join(MESHES)}")
    if not lines:
        environment = environment.changed(
            load=LoadSettings.model_validate(stated), retention_days=cast("int | None", days), mesh=cast("Mesh | None", asked.mesh)
        )
        lines = settings_rules.broken(environment.settings)
    if lines:
        raise ConfigurationError(lines)
    return environment


def _number(text: str | None) -> float | str | None:
    """The number that a text is, or the text itself, for the rules to refuse."""
    for kind in (int, float):
        try:
            return kind(text) if text is not None else None
        except ValueError:
            continue
    return text


def _mistakes(validate: Any, name: str = "") -> list[str]:
    try:
        validate()
    except ValidationError as error:
        return [f"{(*e['loc'], name)[0]} is {e['input']!r}: {e['msg'].removeprefix('Input ')}" for e in error.errors(include_url=False)]
    return []


def run(argv: Sequence[str] | None, console: Console) -> None:
    """Prints the plan of each environment. Raises ConfigurationError."""
    asked = arguments(argv)
    costs, known = prices(asked.prices), environments()
    if asked.environment is not None and asked.environment not in known:
        raise ConfigurationError(f"environment is {asked.environment!r}: must be one of {', '.join(known)}")
    chosen = {name: changed(e, asked) for name, e in known.items() if asked.environment in (None, name)}
    if asked.markdown:
        console.file.write(page(chosen, costs))
        return
    for name, environment in chosen.items():
        show(console, name, environment, plan(environment, costs), costs)
    show_prices(console, costs)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code: 0, or 2 where an argument or a data file is wrong."""
    try:
        run(argv, Console(width=None if sys.stdout.isatty() else 160))
    except ConfigurationError as error:
        for line in error.lines:
            print(f"error: {line}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
